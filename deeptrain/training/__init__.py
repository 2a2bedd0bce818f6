"""Training: the loop, the learner it drives, and the checkpoints that make stopping change nothing."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deeptrain.training.callbacks import Callback
    from deeptrain.training.trainer import Trainer

__all__ = ["Callback", "Trainer"]


def __getattr__(name: str) -> Any:
    """The room's public classes; planning imports this package and must not pay for them."""
    if name == "Trainer":
        from deeptrain.training.trainer import Trainer

        return Trainer
    if name == "Callback":
        from deeptrain.training.callbacks import Callback

        return Callback
    raise AttributeError(f"module {__name__} has no attribute {name}")
