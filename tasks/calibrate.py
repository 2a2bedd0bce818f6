"""All that makes scores into decisions and probabilities, without a report."""

from luigi import WrapperTask

from deeptrain.calibration_stages import CHOICES
from deeptrain.lineage import Lineage
from tasks.base import ExperimentTask
from tasks.evaluate import CHOSEN
from tasks.predictions import Predictions


class Calibrate(ExperimentTask, WrapperTask):
    """Everything that an experiment chooses on its calibration split."""

    stage = "predictions"

    @classmethod
    def leads_to(cls) -> tuple[str, ...]:
        """Predictions, and all that is chosen from them."""
        return ("predictions", *CHOICES)

    def requires(self) -> list[ExperimentTask]:
        """What is chosen, and what it is chosen from."""
        return [self.other(Predictions), *(self.other(CHOSEN[name]) for name in CHOICES if name in self.plan.stages)]

    def done(self, plan: Lineage) -> bool:
        """Whether all of it is there, with what it was made from."""
        return all(plan.complete(name) for name in ("predictions", *CHOICES) if name in plan.stages)

    def run(self) -> None:
        """Nothing is left to do when all it requires is there."""
