"""What acts between epochs: the protocol of callbacks, and how an experiment names them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from deeptrain import user_code
from deeptrain.errors import UserCodeError
from deeptrain.settings import Use
from deeptrain.training.early_stopping import EarlyStopping

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
        """What it remembers: text, numbers, lists and mappings of them."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember again what `state` gave."""
        ...


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
