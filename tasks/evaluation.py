"""What was chosen is scored once, on the test split."""

from typing import Any

from deeptrain.lineage import Lineage
from tasks.base import ExperimentTask
from tasks.predictions import Predictions
from tasks.subset import Subset
from tasks.threshold import Threshold

CHOSEN = {"threshold": Threshold, "subset": Subset}


class Evaluation(ExperimentTask):
    """Metrics of the test split, at probability 0.5 and at what calibration chose."""

    stage = "evaluation"

    def requires(self) -> list[ExperimentTask]:
        """Predictions, and what calibration chooses in this experiment."""
        return [self.other(Predictions), *(self.other(CHOSEN[name]) for name in CHOSEN if name in self.plan.stages)]

    def make(self, plan: Lineage) -> None:
        """Score it."""
        from deeptrain.calibration import evaluation
        from deeptrain.training import predictions

        made = plan.artifact("predictions")
        result: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for output, kind in plan.experiment.data.kinds.items():
            scored = predictions.read(made, "test", output)
            if output == plan.output and kind == "binary":
                chosen = {
                    name: plan.artifact(name).json(f"{name}.json")["value" if name == "threshold" else "threshold"]
                    for name in CHOSEN
                    if name in plan.stages
                }
                metric = plan.experiment.calibration.metric
                at = {"half": 0.5, **chosen}
                result = evaluation.score(scored.labels, scored.values, metric, at, scored.weights).plain()
            elif output == plan.output:
                result = evaluation.metrics_of(scored.labels, scored.values, kind or "values", scored.weights)
            else:
                others[output] = evaluation.metrics_of(scored.labels, scored.values, kind or "values", scored.weights)
        if others:
            result = {**result, "outputs": others}
        with self.writing(plan) as writer:
            writer.json("evaluation.json", result)
