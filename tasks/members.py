"""The members of an ensemble: epochs of this run, the same experiment with other seeds, and other runs."""

from typing import Any

from deeptrain.lineage import Lineage, OtherRun
from tasks.base import ExperimentTask
from tasks.predictions import EpochPredictions, Predictions


class Members(ExperimentTask):
    """Which models make the ensemble, with which weights, what it is worth, and how differently they err."""

    stage = "members"

    def requires(self) -> list[ExperimentTask]:
        """The predictions of every model there is to choose from; other runs are trained if they are not."""
        own = EpochPredictions if "epoch_predictions" in self.plan.stages else Predictions
        return [self.other(own), *map(self._predictions_of, self.plan.others)]

    def _predictions_of(self, run: OtherRun) -> Predictions:
        decided = self.on_code_change
        if run.file is not None:
            return Predictions(
                experiment=str(run.file), store=self.store, epochs=None, seed=None, settings={}, on_code_change=decided
            )
        settings: dict[str, Any] = {
            key: value for key, value in self.settings.items() if not key.startswith("calibration.members")
        }
        settings["calibration.members"] = None  # it is one, and needs none of its own
        return Predictions(
            experiment=self.experiment,
            store=self.store,
            epochs=self.epochs,
            seed=run.seed,
            settings=settings,
            on_code_change=decided,
        )

    def make(self, plan: Lineage) -> None:
        """Choose them."""
        from deeptrain import ensemble

        chosen = ensemble.choose(plan)
        with self.writing(plan) as writer:
            writer.json("members.json", chosen)
