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
        from deeptrain.calibration import run_threshold, threshold_curve
        from deeptrain.training import predictions

        scored = predictions.read(plan.artifact("predictions"), plan.calibration_split, plan.output or "")
        given = (scored.labels, scored.values, plan.experiment.calibration, scored.weights)
        chosen = run_threshold.of_run(*given)
        with self.writing(plan) as writer:
            writer.json("threshold.json", {**chosen.plain(), "split": plan.calibration_split})
            writer.write(threshold_curve.FILE, run_threshold.curve_of_run(*given, [chosen.value, chosen.optimum.value]))
