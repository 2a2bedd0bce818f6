"""Training, without what is done with it."""

from luigi import WrapperTask

from deeptrain.lineage import Lineage
from deeptrain.store.specification import Specification
from tasks.base import ExperimentTask
from tasks.epoch import Epoch


class Epochs(ExperimentTask, WrapperTask):
    """All epochs that an experiment asks for, with the states that it keeps."""

    stage = "epochs"

    @property
    def specification(self) -> Specification:
        """The artifact of the last one."""
        return self.plan.training.epoch(self.plan.epochs)

    def requires(self) -> ExperimentTask:
        """The last of them, which needs those before it."""
        return self.other(Epoch, number=self.plan.epochs)

    def check(self, plan: Lineage) -> None:
        """Nothing to check: every experiment is trained."""

    def done(self, plan: Lineage) -> bool:
        """Whether they are done, or training stopped before, and the states that must stay are there."""
        return plan.trained()

    def run(self) -> None:
        """Nothing is left to do when all it requires is there."""
