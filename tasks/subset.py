"""The best few of the calibration sets."""

from deeptrain.lineage import Lineage
from tasks.base import ExperimentTask
from tasks.predictions import Predictions


class Subset(ExperimentTask):
    """The chosen sets and their joint threshold."""

    stage = "subset"

    def requires(self) -> ExperimentTask:
        """Predictions."""
        return self.other(Predictions)

    def make(self, plan: Lineage) -> None:
        """Choose them."""
        from deeptrain.calibration import subset
        from deeptrain.training import predictions

        settings = plan.experiment.calibration
        scored = predictions.read(plan.artifact("predictions"), plan.calibration_split, plan.output or "")
        chosen = subset.best(scored.labels, scored.values, scored.sets, settings.subset_size, settings.metric)
        with self.writing(plan) as writer:
            writer.json("subset.json", {**chosen.plain(), "split": plan.calibration_split})
