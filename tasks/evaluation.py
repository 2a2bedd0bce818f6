"""What was chosen is scored once, on the test split."""

from deeptrain.calibration_stages import CHOICES
from deeptrain.lineage import Lineage
from tasks.base import ExperimentTask
from tasks.members import Members
from tasks.offsets import Offsets
from tasks.predictions import Predictions
from tasks.probabilities import Probabilities
from tasks.subset import Subset
from tasks.threshold import Threshold
from tasks.thresholds import Thresholds

CHOSEN: dict[str, type[ExperimentTask]] = {
    "threshold": Threshold,
    "subset": Subset,
    "offsets": Offsets,
    "thresholds": Thresholds,
    "members": Members,
    "probabilities": Probabilities,
}


class Evaluation(ExperimentTask):
    """Metrics of the test split, without and with what calibration chose."""

    stage = "evaluation"

    def requires(self) -> list[ExperimentTask]:
        """Predictions, and what calibration chooses in this experiment."""
        asked = self.plan.stages["evaluation"].inputs
        return [self.other(Predictions), *(self.other(CHOSEN[name]) for name in CHOICES if name in asked)]

    def make(self, plan: Lineage) -> None:
        """Score it."""
        from deeptrain import scoring

        result = scoring.of(plan)
        with self.writing(plan) as writer:
            writer.json("evaluation.json", result)
