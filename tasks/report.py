"""One page of everything."""

from deeptrain.lineage import Lineage
from tasks.base import ExperimentTask
from tasks.epoch import Epoch
from tasks.evaluate import CHOSEN, Evaluate
from tasks.predictions import Predictions

STAGES: dict[str, type[ExperimentTask]] = {"predictions": Predictions, **CHOSEN, "evaluation": Evaluate}


class Report(ExperimentTask):
    """The report of a run: a page, its pictures, and its numbers."""

    stage = "report"

    def requires(self) -> list[ExperimentTask]:
        """Everything the report tells of."""
        made = [self.other(STAGES[name]) for name in STAGES if name in self.plan.stages]
        return [self.other(Epoch, number=self.plan.epochs), *made]

    def make(self, plan: Lineage) -> None:
        """Draw and write it."""
        from deeptrain import summary
        from deeptrain.report import rendering

        files = rendering.render(summary.of(plan), plan.experiment.report)
        with self.writing(plan) as writer:
            for name, data in files.items():
                writer.write(name, data)
        plan.remember()
