"""The offsets of several classes with the best value of a metric on the calibration split."""

from deeptrain.lineage import Lineage
from tasks.base import ExperimentTask
from tasks.predictions import Predictions


class Offsets(ExperimentTask):
    """The chosen offsets, their value where they were chosen, and their cross-fitted value."""

    stage = "offsets"

    def requires(self) -> ExperimentTask:
        """Predictions."""
        return self.other(Predictions)

    def make(self, plan: Lineage) -> None:
        """Choose them."""
        from deeptrain.calibration import class_offsets
        from deeptrain.metrics import class_counts
        from deeptrain.settings import Use
        from deeptrain.shards.outputs import parts
        from deeptrain.training import predictions

        settings = plan.experiment.calibration
        made = plan.artifact("predictions")
        scored = predictions.read(made, plan.calibration_split, plan.output or "")
        metric = class_counts.of_binary(Use.of(settings.metric).use, settings.several.average).name
        classes = tuple(parts(predictions.index(made)["classes"])[plan.output or ""])
        chosen = class_offsets.choose(
            scored.labels, scored.values, metric, settings.folds, settings.seed, classes, scored.weights
        )
        with self.writing(plan) as writer:
            writer.json("offsets.json", {**chosen.plain(), "split": plan.calibration_split})
