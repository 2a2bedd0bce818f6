"""The main job: raw files become a calibrated, reported model."""

from luigi import WrapperTask

from deeptrain.lineage import Lineage
from tasks.base import ExperimentTask
from tasks.epoch import Epoch
from tasks.report import Report


class TrainModel(ExperimentTask, WrapperTask):
    """Everything an experiment asks for."""

    stage = "report"

    def requires(self) -> list[ExperimentTask]:
        """The report, which needs all the rest, and the training with the states that must stay."""
        return [self.other(Epoch, number=self.plan.epochs), self.other(Report)]

    def done(self, plan: Lineage) -> bool:
        """Whether the report is there with all it was made from, and the states that must stay."""
        return plan.complete("report") and plan.trained()

    def run(self) -> None:
        """Nothing is left to do when all it requires is there."""
