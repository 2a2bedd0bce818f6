"""What was fit last, for callbacks that act behind it: the same in the process that fit it and in one that goes on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deeptrain.loading.feed import Group
    from deeptrain.training.trainer import Trainer


def newest_of(trainer: "Trainer") -> "Group":
    """The iteration that was fit last, a group of one: how many were fit in one call hangs on the clock.

    Raises:
        TrainingError: when none was fit.
    """
    if trainer.newest is None:
        return trainer.replay(trainer.position.iteration - 1)
    return trainer.newest.group.last
