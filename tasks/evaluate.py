"""What was chosen is scored once, on the test split."""

import luigi

from deeptrain.calibration import unseen
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


class Evaluate(ExperimentTask):
    """Metrics of the test split, without and with what calibration chose."""

    split: str = luigi.Parameter(
        default=unseen.SCORED, significant=False, description="what to score; one that chose nothing"
    )

    stage = "evaluation"

    def check(self, plan: Lineage) -> None:
        """Check that the split chose nothing.

        Raises:
            SettingsError: when it was trained on, or chose an epoch, a threshold or anything else.
        """
        super().check(plan)
        unseen.check(self.split, plan.chose)

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
            for name, data in scoring.curves_of(plan).items():
                writer.write(name, data)
