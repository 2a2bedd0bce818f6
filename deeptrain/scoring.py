"""What calibration chose is scored once, on the test split: how each choice of a run becomes a way of deciding."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deeptrain import ensemble
from deeptrain.calibration import class_offsets, evaluation, probabilities, run_threshold, threshold_curve
from deeptrain.calibration.evaluation import Way
from deeptrain.calibration.maps import methods
from deeptrain.lineage import Lineage
from deeptrain.metrics import class_counts
from deeptrain.settings import Use
from deeptrain.training import predictions
from deeptrain.training.predictions import SplitPredictions

Choice = Callable[[Lineage, SplitPredictions], Way]
"""From the run and what its model said of the test split."""

BINARY: Mapping[str, Choice] = {
    "threshold": lambda plan, test: Way(test.values, plan.artifact("threshold").json("threshold.json")["value"]),
    "subset": lambda plan, test: Way(test.values, plan.artifact("subset").json("subset.json")["threshold"]),
    "members": lambda plan, _: Way(ensemble.predicted(plan, "test"), ensemble.threshold_of(plan)),
}
"""By stage, for a binary output, in the order they are told."""

CLASSES: Mapping[str, Choice] = {
    "offsets": lambda plan, test: Way(
        class_offsets.weighed(test.values, plan.artifact("offsets").json("offsets.json")["offsets"])
    ),
    "members": lambda plan, _: Way(ensemble.predicted(plan, "test")),
}
"""By stage, for an output of several classes."""

SAME = ("threshold", "subset")
"""Those that decide by the model's own scores."""

PARTS: Mapping[str, Callable[[Lineage, SplitPredictions], Any]] = {
    "members": lambda plan, _: ensemble.scored(plan, "test"),
    "probabilities": lambda plan, test: probabilities.score(
        test.labels,
        test.values,
        methods.restored(plan.artifact("probabilities").json("probabilities.json")["map"]),
        test.weights,
    ).plain(),
}
"""By stage, what is told beside decisions, as plain values, whatever the kind."""


def of(plan: Lineage) -> dict[str, Any]:
    """The plain evaluation of a run: the output that is calibrated first, `labels` and `outputs` beside it.

    Raises:
        ArtifactError: when an artifact it reads is not complete, or damaged.
    """
    made = plan.artifact("predictions")
    result: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for output, kind in plan.experiment.data.kinds.items():
        test = predictions.read(made, "test", output)
        if output != plan.output:
            others[output] = evaluation.metrics_of(test.labels, test.values, kind or "values", test.weights)
            continue
        result = _calibrated(plan, test)
        result |= {stage: part(plan, test) for stage, part in PARTS.items() if stage in plan.stages}
    if "thresholds" in plan.stages:
        result["labels"] = _labels(plan)
    return {**result, "outputs": others} if others else result


def curves_of(plan: Lineage) -> dict[str, bytes]:
    """The files of arrays beside the evaluation: of a binary output the curve of its metric on the test split."""
    if plan.kind != "binary":
        return {}
    test = predictions.read(plan.artifact("predictions"), "test", plan.output or "")
    chosen = _chosen({stage: BINARY[stage] for stage in SAME}, plan, test)
    used = [float(np.asarray(way.threshold)) for way in chosen.values()]
    curve = run_threshold.curve_of_run(test.labels, test.values, plan.experiment.calibration, test.weights, used)
    return {threshold_curve.FILE: curve}


def _calibrated(plan: Lineage, test: SplitPredictions) -> dict[str, Any]:
    calibration = plan.experiment.calibration
    if plan.kind == "binary":
        chosen = _chosen(BINARY, plan, test)
        ways = {"half": Way(test.values), **chosen}
        return evaluation.score(test.labels, test.values, calibration.metric, ways, weights=test.weights).plain()
    if plan.kind == "classes":
        chosen = _chosen(CLASSES, plan, test)
        average = calibration.several.average
        metric = (
            class_counts.of_binary(Use.of(calibration.metric).use, average).name if "offsets" in chosen else "accuracy"
        )
        return evaluation.score_classes(test.labels, test.values, metric, chosen, weights=test.weights).plain()
    return evaluation.metrics_of(test.labels, test.values, "values", test.weights)


def _chosen(known: Mapping[str, Choice], plan: Lineage, test: SplitPredictions) -> dict[str, Way]:
    return {stage: choice(plan, test) for stage, choice in known.items() if stage in plan.stages}


def _labels(plan: Lineage) -> dict[str, Any]:
    calibration = plan.experiment.calibration
    chosen = plan.artifact("thresholds").json("thresholds.json")
    made = plan.artifact("predictions")
    labels, scores, names, weights = predictions.binary_columns(made, "test")
    ways = {"half": 0.5, "thresholds": chosen["values"]}
    metric, average = Use.of(calibration.metric).use, calibration.several.average
    return evaluation.score_labels(labels, scores, metric, average, ways, names, weights=weights).plain()
