"""How callbacks get their names, from an experiment's file or from a script."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deeptrain import user_code
from deeptrain.errors import UserCodeError
from deeptrain.training.callbacks import callback as protocol
from deeptrain.training.callbacks.callback import On
from deeptrain.training.callbacks.early_stopping import EarlyStopping
from deeptrain.training.settings import CallbackUse

READY = {"early_stopping": EarlyStopping}


def callbacks(names: Sequence[str | CallbackUse], beside: Path | None) -> dict[str, Any]:
    """The callbacks an experiment names, made as `factory(**arguments)`, in its order, by name.

    Raises:
        UserCodeError: when one is not found, raises, or is none.
    """
    made = []
    for named in names:
        use = CallbackUse.of(named)
        if ":" in use.use:
            factory = user_code.find(use.use, beside)
        elif use.use in READY:
            factory = READY[use.use]
        else:
            raise UserCodeError(
                f"callback {use.use}: not ready-made ({', '.join(sorted(READY))}); your own is named module:name"
            )
        callback = factory if isinstance(factory, On) else user_code.call(use, factory)
        protocol.check(use.use, callback)
        if use.every is not None:
            if not callable(getattr(callback, "act", None)):
                raise UserCodeError(f"{use.use}: every says how often act(trainer) is called, which it does not have")
            callback.every = use.every.every()
        made.append((use.use, callback))
    return _apart(made)


def named(given: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
    """Callbacks by name: the names of a mapping, otherwise those of their classes or functions.

    Raises:
        UserCodeError: when one is no callback.
    """
    if isinstance(given, Mapping):
        found = dict(given)
    else:
        found = _apart([(getattr(one, "__name__", type(one).__name__), one) for one in given])
    for name, callback in found.items():
        protocol.check(name, callback)
    return found


def _apart(found: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """By name, those that share one numbered from 2."""
    made: dict[str, Any] = {}
    for name, callback in found:
        number, apart = 2, name
        while apart in made:
            apart, number = f"{name} {number}", number + 1
        made[apart] = callback
    return made
