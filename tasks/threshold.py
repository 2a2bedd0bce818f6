"""The threshold with the best value of a metric on the calibration split."""

from deeptrain.lineage import Lineage
from tasks.base import ExperimentTask
from tasks.predictions import Predictions


class Threshold(ExperimentTask):
    """The chosen threshold, its value where it was chosen, and its cross-fitted value."""

    stage = "threshold"

    def requires(self) -> ExperimentTask:
        """Predictions."""
        return self.other(Predictions)

    def make(self, plan: Lineage) -> None:
        """Choose it."""
        from deeptrain.calibration import threshold
        from deeptrain.training import predictions

        settings = plan.experiment.calibration
        scored = predictions.read(plan.artifact("predictions"), plan.calibration_split, plan.output or "")
        chosen = threshold.choose(
            scored.labels,
            scored.values,
            settings.metric,
            settings.folds,
            settings.seed,
            constraint=settings.constraint,
            confidence=settings.confidence,
            bounds=settings.bounds,
            preference=settings.preference,
            resamples=settings.resamples,
        )
        with self.writing(plan) as writer:
            writer.json("threshold.json", {**chosen.plain(), "split": plan.calibration_split})
