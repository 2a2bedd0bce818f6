"""An epoch is a task, and its artifact is a checkpoint."""

import functools
from typing import TYPE_CHECKING

from deeptrain.errors import SettingsError
from deeptrain.lineage import Lineage
from deeptrain.store.specification import Specification
from tasks import children, messages, watching
from tasks.base import ExperimentTask, WholeNumber
from tasks.shards import Shards

if TYPE_CHECKING:
    from deeptrain.alive import AliveTrainer


class Epoch(ExperimentTask):
    """Training up to the end of an epoch, with as many epochs before it as one task has."""

    number: int = WholeNumber(option="--number", description="the last epoch of this task, from 1")

    stage = "epoch"
    uses_device = True

    def check(self, plan: Lineage) -> None:
        """Check that it is one of the epochs asked for.

        Raises:
            SettingsError: when it is not.
        """
        if self.number is None or not 1 <= self.number <= plan.epochs:
            raise SettingsError(f"--number must be between 1 and training.epochs ({plan.epochs}), got {self.number}")

    @property
    def specification(self) -> Specification:
        """The artifact of its last epoch."""
        return self.plan.training.epoch(self.number)

    @property
    def label(self) -> str:
        """What people call it."""
        return f"epoch {self.number}"

    @property
    def accepts_messages(self) -> bool:
        """It can be spoken to on the scheduler's page."""
        return True

    def requires(self) -> ExperimentTask:
        """The task before it, or the shards."""
        step = self.plan.experiment.training.task_epochs
        before = (self.number - 1) // step * step
        return self.other(Epoch, number=before) if before else self.other(Shards)

    def done(self, plan: Lineage) -> bool:
        """Whether its epochs are done, or training stopped before; the last one also needs the states kept on disk."""
        return plan.trained(self.number)

    def make_unless_done(self, plan: Lineage) -> bool:
        """Train; the trainer holds the training's lock, from epoch to epoch where no other machine may be given one.

        A child process trains all epochs at once: its trainer could not stay alive for the next task.
        """
        in_child = children.is_child()
        until = plan.epochs if in_child else self.number
        if in_child:
            children.end_between_epochs()
        trainer, page = alive_trainer(), functools.partial(messages.page_of, plan.training.directory)
        try:
            with watching.running(plan, self), messages.answered(self, page, trainer.ask):
                return trainer.reach(plan, until, shared=messages.central(self))
        finally:
            if in_child or until == plan.epochs:
                watching.close()


@functools.cache
def alive_trainer() -> "AliveTrainer":
    """The trainer of this process."""
    from deeptrain.alive import AliveTrainer

    return AliveTrainer(watching.watch)
