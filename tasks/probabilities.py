"""The map from scores to probabilities, chosen on the calibration split."""

from deeptrain.lineage import Lineage
from tasks.base import ExperimentTask
from tasks.predictions import Predictions


class Probabilities(ExperimentTask):
    """The chosen map, what it was compared with, and its cross-fitted quality."""

    stage = "probabilities"

    def requires(self) -> ExperimentTask:
        """Predictions."""
        return self.other(Predictions)

    def make(self, plan: Lineage) -> None:
        """Choose it."""
        from deeptrain.calibration import probabilities
        from deeptrain.training import predictions

        asked = plan.stages["probabilities"].settings
        scored = predictions.read(plan.artifact("predictions"), plan.calibration_split, plan.output or "")
        chosen = probabilities.choose(
            scored.labels, scored.values, asked["methods"], asked["folds"], asked["seed"], scored.weights
        )
        with self.writing(plan) as writer:
            writer.json("probabilities.json", {**chosen.plain(), "split": plan.calibration_split})
