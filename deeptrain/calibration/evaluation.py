"""How good decisions and scores are on samples that chose nothing: at named thresholds, and without one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration.record import Record
from deeptrain.errors import DataError
from deeptrain.metrics import checks, counts, names
from deeptrain.metrics.metric import Kind


@dataclass(frozen=True)
class AtThreshold(Record):
    """The confusion counts at one threshold, "positive if score > threshold", and the usual metrics made of them.

    Attributes:
        name: why this threshold: "half", "threshold", "subset".
        threshold: its value.
        tp: true positives.
        fp: false positives.
        fn: false negatives.
        tn: true negatives.
        metrics: value by name, nan where undefined.
    """

    name: str
    threshold: float
    tp: int
    fp: int
    fn: int
    tn: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation(Record):
    """What a model's scores are worth on some samples.

    Attributes:
        metric: the name of the metric that was made best elsewhere, the one to read first.
        samples: how many were scored.
        positives: how many of them have label 1.
        at: the decisions at each named threshold, in the order given.
        without_threshold: the binary metrics that read the scores themselves, by name, nan where undefined.
    """

    metric: str
    samples: int
    positives: int
    at: tuple[AtThreshold, ...]
    without_threshold: Mapping[str, float]


def score(
    labels: ArrayLike,
    scores: ArrayLike,
    metric: str,
    thresholds: Mapping[str, float],
    weights: ArrayLike | None = None,
) -> Evaluation:
    """The confusion counts and the usual binary metrics of some samples at named thresholds; imports scikit-learn.

    One class alone is no error here, but leaves metrics undefined (nan).

    Args:
        labels: (n,) of 0 and 1, n >= 1.
        scores: (n,) finite, in [0, 1].
        metric: name of the metric of counts that the thresholds were chosen for.
        thresholds: by name, such as {"half": 0.5, "threshold": 0.31}.
        weights: (n,) what each sample counts for in the metrics, which the counts that are told leave out.

    Raises:
        DataError: when labels or scores are not that, or a threshold is not finite.
        SettingsError: for an unknown metric, or one that no threshold changes.
    """
    measure = names.count_metric(metric)
    truth, values = checks.binary(labels, scores)
    weighed = checks.weights(weights, len(truth))
    standard = names.standard("binary")
    told = dict.fromkeys([*(one for one in standard if one.of_counts), measure])
    at = []
    for name, threshold in thresholds.items():
        if not math.isfinite(threshold):
            raise DataError(f"threshold {name!r} must be finite, got {threshold}")
        decided = values > threshold
        found = counts.weighed(truth, decided, weighed)
        metrics = {one.name: float(one.at_counts(*found)) for one in told}
        at.append(AtThreshold(name, float(threshold), *counts.counted(truth, decided), metrics=metrics))
    return Evaluation(
        metric=measure.name,
        samples=len(truth),
        positives=int(truth.sum()),
        at=tuple(at),
        without_threshold={one.name: one(truth, values, weighed) for one in standard if not one.of_counts},
    )


def metrics_of(labels: ArrayLike, outputs: ArrayLike, kind: Kind, weights: ArrayLike | None = None) -> dict[str, Any]:
    """The usual metrics of a kind of task without a threshold, over some samples; imports scikit-learn.

    Args:
        labels: classes: (n,) class numbers; values: (n,) numbers.
        outputs: classes: (n, classes) probabilities; values: as the labels.
        kind: of the task.
        weights: (n,) what each sample counts for.

    Returns:
        `samples` and `metrics`, value by name.
    """
    metrics = {one.name: one(labels, outputs, weights) for one in names.standard(kind)}
    return {"samples": len(np.asarray(labels)), "metrics": metrics}
