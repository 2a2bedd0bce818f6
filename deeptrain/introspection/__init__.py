"""Looking into a model: what it is made of, the numbers inside it, and whether they are healthy."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deeptrain.introspection import health, history, pictures, recurrent
    from deeptrain.introspection.backward import gradients
    from deeptrain.introspection.dataset import OverData, gradients_over, outputs_over
    from deeptrain.introspection.distribution import Statistics, global_norm, statistics
    from deeptrain.introspection.forward import outputs
    from deeptrain.introspection.held import weight_penalties, weights
    from deeptrain.introspection.model import describe
    from deeptrain.introspection.verdicts import health_table

__all__ = [
    "OverData",
    "Statistics",
    "describe",
    "global_norm",
    "gradients",
    "gradients_over",
    "health",
    "health_table",
    "history",
    "outputs",
    "outputs_over",
    "pictures",
    "recurrent",
    "statistics",
    "weight_penalties",
    "weights",
]

_WHERE = {
    "OverData": "dataset",
    "Statistics": "distribution",
    "describe": "model",
    "global_norm": "distribution",
    "gradients": "backward",
    "gradients_over": "dataset",
    "health_table": "verdicts",
    "outputs": "forward",
    "outputs_over": "dataset",
    "statistics": "distribution",
    "weight_penalties": "held",
    "weights": "held",
}
_MODULES = ("health", "history", "pictures", "recurrent")


def __getattr__(name: str) -> Any:
    """The room's public names; planning imports this package and must not pay for them."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    """The public names, those that are not loaded yet too, for who completes a name."""
    return [*__all__]
