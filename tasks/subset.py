"""The best few of the calibration sets."""

from deeptrain.lineage import Lineage
from tasks.base import ExperimentTask
from tasks.predictions import Predictions


class Subset(ExperimentTask):
    """The chosen sets and their joint threshold, and the best choices of other sizes."""

    stage = "subset"

    def requires(self) -> ExperimentTask:
        """Predictions."""
        return self.other(Predictions)

    def make(self, plan: Lineage) -> None:
        """Choose them."""
        from deeptrain.calibration import run_subset
        from deeptrain.shards import reading
        from deeptrain.training import predictions

        split = plan.calibration_split
        scored = predictions.read(plan.artifact("predictions"), split, plan.output or "")
        found, sizes = run_subset.of_run(
            scored.labels,
            scored.values,
            scored.sets,
            plan.kind or "binary",
            plan.experiment.calibration,
            reading.open(plan.conversion.directory).split(split),
            scored.weights,
        )
        with self.writing(plan) as writer:
            writer.json("subset.json", {**found.plain(), "split": split})
            writer.json("sizes.json", [choice.plain() for choice in sizes])
