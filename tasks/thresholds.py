"""A threshold for each of several binary outputs, with the best average of a metric on the calibration split."""

from deeptrain.lineage import Lineage
from tasks.base import ExperimentTask
from tasks.predictions import Predictions


class Thresholds(ExperimentTask):
    """The chosen thresholds, their value where they were chosen, and their cross-fitted value."""

    stage = "thresholds"

    def requires(self) -> ExperimentTask:
        """Predictions."""
        return self.other(Predictions)

    def make(self, plan: Lineage) -> None:
        """Choose them."""
        from deeptrain.calibration import label_thresholds
        from deeptrain.settings import Use
        from deeptrain.training import predictions

        settings = plan.experiment.calibration
        labels, scores, names, weights = predictions.binary_columns(
            plan.artifact("predictions"), plan.calibration_split
        )
        metric = Use.of(settings.metric).use
        chosen = label_thresholds.choose(
            labels, scores, metric, settings.several.average, settings.folds, settings.seed, names, weights
        )
        with self.writing(plan) as writer:
            writer.json("thresholds.json", {**chosen.plain(), "split": plan.calibration_split})
