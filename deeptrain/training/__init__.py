"""Training: the loop, the learner it drives, and the checkpoints that make stopping change nothing."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deeptrain.training.averaging import average
    from deeptrain.training.callbacks.as_keras import as_keras
    from deeptrain.training.callbacks.callback import Callback, on
    from deeptrain.training.callbacks.early_stopping import EarlyStopping
    from deeptrain.training.frequency import Every
    from deeptrain.training.health import Health
    from deeptrain.training.phases import Phase
    from deeptrain.training.rate_finder import find_rate
    from deeptrain.training.trainer import Trainer

__all__ = ["Callback", "EarlyStopping", "Every", "Health", "Phase", "Trainer", "as_keras", "average", "find_rate", "on"]

_WHERE = {
    "Callback": "callbacks.callback",
    "EarlyStopping": "callbacks.early_stopping",
    "Every": "frequency",
    "Health": "health",
    "Phase": "phases",
    "Trainer": "trainer",
    "as_keras": "callbacks.as_keras",
    "average": "averaging",
    "find_rate": "rate_finder",
    "on": "callbacks.callback",
}


def __getattr__(name: str) -> Any:
    """The room's public names; planning imports this package and must not pay for them."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
