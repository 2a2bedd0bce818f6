"""What acts between epochs: the protocol of callbacks, and how an experiment names them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from deeptrain import files, user_code
from deeptrain.errors import UserCodeError
from deeptrain.loading.preprocessing import Remembering
from deeptrain.settings import Use
from deeptrain.training.early_stopping import EarlyStopping
from deeptrain.training.state import numbers

if TYPE_CHECKING:
    from deeptrain.training.results import Results
    from deeptrain.training.trainer import Trainer

READY = {"early_stopping": EarlyStopping}


class Callback(Protocol):
    """Acts at the end of each epoch, after its validation and before its checkpoint.

    It may call `trainer.stop(reason)` and set `trainer.learner.learning_rate`; both are then part of the checkpoint.
    What it remembers between epochs it gives in `state`, so that a resumed training goes on exactly.
    """

    def epoch_end(self, trainer: "Trainer", results: "Results") -> None:
        """An epoch was fit and validated."""
        ...

    def state(self) -> Mapping[str, Any]:
        """What it remembers, as JSON keeps it: text, numbers (also nan and inf), lists, and mappings with text keys."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember again what `state` gave."""
        ...


def memory_of(name: str, callback: Remembering) -> dict[str, Any]:
    """What a callback or preprocessor remembers, as it will come back from a checkpoint.

    Raises:
        UserCodeError: when it would come back as something else, such as a tuple as a list.
    """
    kept = callback.state()
    try:
        again = numbers(json.loads(files.canonical_json(kept)))
    except (TypeError, ValueError) as error:
        raise UserCodeError(f"{name}: its state() cannot be kept in JSON: {error}") from error
    if not isinstance(kept, Mapping) or not _same(kept, again):
        raise UserCodeError(
            f"{name}: its state() does not survive JSON: {kept!r:.120} would come back as {again!r:.120}; "
            "use text, numbers, lists, and mappings with text keys"
        )
    return dict(again)


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, Mapping):
        return isinstance(two, dict) and one.keys() == two.keys() and all(_same(one[key], two[key]) for key in one)
    if isinstance(one, list):
        return isinstance(two, list) and len(one) == len(two) and all(map(_same, one, two))
    return type(one) is type(two) and (one == two or (one != one and two != two))


def callbacks(names: Sequence[str | Use], beside: Path | None) -> dict[str, Callback]:
    """The callbacks an experiment names, made as `factory(**arguments)`, in its order, by name.

    Raises:
        UserCodeError: when one is not found, raises, or lacks a method.
    """
    made: dict[str, Callback] = {}
    for named in names:
        use = Use.of(named)
        if ":" in use.use:
            factory = user_code.find(use.use, beside)
        elif use.use in READY:
            factory = READY[use.use]
        else:
            raise UserCodeError(
                f"callback {use.use}: not ready-made ({', '.join(sorted(READY))}); your own is named module:name"
            )
        callback = user_code.call(use, factory)
        lacking = [name for name in ("epoch_end", "state", "restore") if not callable(getattr(callback, name, None))]
        if lacking:
            raise UserCodeError(f"{use.use}: must return a callback; {callback!r:.80} has no {', '.join(lacking)}")
        name = use.use
        number = 2
        while name in made:
            name, number = f"{use.use} {number}", number + 1
        made[name] = callback
    return made
