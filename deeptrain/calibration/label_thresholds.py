"""A threshold for each of several labels, so that the average of a metric over the labels is best, exactly.

Macro and weighted averages are best where every label is best by itself. A micro average is a ratio of sums over
labels: the best operating points, one a label, are found by Dinkelbach's method; on integers, if samples count alike.
Source: W. Dinkelbach, "On nonlinear fractional programming", Management Science 13, 1967.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain.calibration import folds as dealing
from deeptrain.calibration import operating_points
from deeptrain.calibration.operating_points import OperatingPoints
from deeptrain.calibration.record import Record
from deeptrain.calibration.threshold import FEW
from deeptrain.errors import DataError, SettingsError
from deeptrain.metrics import averages, checks, counts, names
from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.metric import Average, Metric, Ratio


@dataclass(frozen=True)
class LabelThresholds(Record):
    """A threshold for each label, "positive if score > value", and what is known about them.

    Attributes:
        labels: names of the labels.
        values: (labels,) the thresholds, each midway between neighbouring distinct scores of its label.
        metric: name of the averaged metric that was made best.
        in_sample: the metric at the thresholds on the samples they were chosen on; too good, see `cross_fitted`.
        value_at_half: the metric on the same samples, all thresholds being 0.5.
        cross_fitted: the metric of all decisions when those about each fold are by the best thresholds of the other
            folds; nan with a single sample.
        per_label: the metric of each label by itself at its threshold, in sample; nan where undefined.
        positives: how many samples have each label.
        samples: number of samples, of those that count for something.
        warnings: sentences a user should read before trusting the thresholds.
    """

    labels: tuple[str, ...]
    values: tuple[float, ...]
    metric: str
    in_sample: float
    value_at_half: float
    cross_fitted: float
    per_label: tuple[float, ...]
    positives: tuple[int, ...]
    samples: int
    warnings: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check what a reader relies on."""
        lengths = {len(self.labels), len(self.values), len(self.per_label), len(self.positives)}
        if len(lengths) != 1 or not all(math.isfinite(value) for value in self.values):
            raise ValueError(f"values must be finite, one for each of {len(self.labels)} labels, got {self.values}")


def choose(
    labels: ArrayLike,
    scores: ArrayLike,
    metric: str = "f1_score",
    average: Average = "macro",
    folds: int = 5,
    seed: int = 0,
    called: Sequence[str] | None = None,
    weights: ArrayLike | None = None,
) -> LabelThresholds:
    """The thresholds with the best average of a metric over all there are, each label's found by one sort.

    Among equals every threshold is the one nearest to 0.5. The order of the samples does not matter. A label without
    positives, or without negatives, tells nothing of where its threshold should be: it gets one that does the average
    no harm, and a warning.

    Args:
        labels: (n, labels) of 0 and 1; at least one label has positives.
        scores: (n, labels) finite, in [0, 1].
        metric: name of a metric of counts that is averaged: f1_score, precision, recall, jaccard, ...
        average: "macro", the mean over labels; "weighted", the mean by their positives; "micro", all counted together,
            for a metric that is a ratio of counts.
        folds: parts of the cross-fitting, at least 2.
        seed: decides which sample falls into which part.
        called: names of the labels; by default their numbers.
        weights: (n,) what each sample counts for; what is best is then so but for rounding.

    Raises:
        DataError: when labels, scores or weights are not that, or names are not one for each label.
        SettingsError: for an unknown metric or average, or one whose micro average is no ratio.
    """
    key = names.with_arguments(names.count_metric(metric), {"average": average})
    binary = names.count_metric(metric)
    if average == "micro" and binary.ratio is None:
        raise SettingsError(f"metric {binary.name} is no ratio of counts: its average must be macro or weighted")
    truth, values, weighed = checks.counting(*checks.several(labels, scores), weights)
    told = tuple(map(str, range(truth.shape[1]))) if called is None else tuple(called)
    if len(told) != truth.shape[1]:
        raise DataError(f"names of labels must be one for each of {truth.shape[1]} columns of labels, got {len(told)}")
    if not truth.any():
        raise DataError(f"cannot calibrate: 0 positives of {truth.shape[1]} labels among {len(truth)} samples")

    points = _points(truth, values, weighed)
    chosen = _best(points, binary, average)
    thresholds = np.array([of.threshold(index) for of, index in zip(points, chosen, strict=True)])
    columns = counts.counted_columns(truth, values > thresholds, weighed)
    cross_fitted = _cross_fitted(truth, values, weighed, binary, key, folds, seed)
    at_half = _averaged(key, truth, values > 0.5, weighed)
    return LabelThresholds(
        labels=told,
        values=tuple(thresholds.tolist()),
        metric=key.name,
        in_sample=_averaged(key, truth, values > thresholds, weighed),
        value_at_half=at_half,
        cross_fitted=cross_fitted,
        per_label=tuple(binary.at_counts(*columns).tolist()),
        positives=tuple(truth.sum(axis=0).tolist()),
        samples=len(truth),
        warnings=(*_poor(truth, told), *_gain(key, cross_fitted, at_half)),
    )


def _points(labels: Labels, scores: Scores, weights: Scores | None) -> list[OperatingPoints]:
    return [operating_points.of(truth, values, weights) for truth, values in zip(labels.T, scores.T, strict=True)]


def _best(points: Sequence[OperatingPoints], metric: Metric, average: Average) -> list[int]:
    """The best point of each label."""
    if average == "micro" and metric.ratio is not None:
        return _best_ratio(points, metric.ratio)
    return [_best_alone(of, metric) for of in points]


def _best_alone(points: OperatingPoints, metric: Metric) -> int:
    # Without positives F1 is undefined where none is called, and 0 elsewhere. What is undefined is left out of the
    # average, which is never worse than a 0 in it.
    undefined = np.isnan(points.values(metric))
    return points.nearest(np.flatnonzero(undefined)) if undefined.any() else operating_points.best(points, metric)


def _best_ratio(points: Sequence[OperatingPoints], ratio: Ratio) -> list[int]:
    """One point a label, so that the ratio of sums over labels is greatest; among equals those nearest to 0.5."""
    fractions = [tuple(_weighted(part, of.counts) for part in (ratio.numerator, ratio.denominator)) for of in points]
    whole = all(over.dtype.kind == "i" for over, _ in fractions)
    total = sum(under.max().item() for _, under in fractions)
    p, q = 0, 1
    while True:
        if whole and total * (p + q) >= 1 << 63:
            raise DataError(f"thresholds cannot be searched exactly: sums of {total:,} counts do not fit into 64 bits")
        terms = [over * q - under * p for over, under in fractions]
        best = [int(term.argmax()) for term in terms]
        over, under = (
            sum(part[side][index].item() for part, index in zip(fractions, best, strict=True)) for side in (0, 1)
        )
        # Rounding keeps the order of products, so the ratio grows with every step, of weights too, and there is a last.
        if over * q <= p * under:
            break
        p, q = over, under
    equals = [np.flatnonzero(term == term.max()) for term in terms]
    chosen = [of.nearest(among) for of, among in zip(points, equals, strict=True)]
    if any(fractions[label][1][index] for label, index in enumerate(chosen)):
        return chosen
    # A ratio of nothing is none: the label that can most cheaply have something in it has.
    counted = [among[fractions[label][1][among] > 0] for label, among in enumerate(equals)]
    for label, among in enumerate(counted):
        if len(among):
            chosen[label] = points[label].nearest(among)
            break
    return chosen


def _weighted(weights: tuple[int, ...], at: tuple[NDArray[Any], ...]) -> NDArray[Any]:
    return sum((weight * count for weight, count in zip(weights, at, strict=True)), np.zeros_like(at[0]))


def _averaged(key: Metric, labels: Labels, decisions: Labels, weights: Scores | None) -> float:
    tp, fp, fn, tn = counts.counted_columns(labels, decisions, weights)
    function = counts.BY_NAME[key.computation]
    return float(averages.of_columns(key.average or "macro", function, (tp, fp, fn, tn), key.arguments))


def _cross_fitted(
    labels: Labels, scores: Scores, weights: Scores | None, metric: Metric, key: Metric, folds: int, seed: int
) -> float:
    if len(labels) < 2:
        return float("nan")
    # In an order of their own, whatever order they come in: samples that are alike may be exchanged.
    order = np.lexsort((*(() if weights is None else (weights,)), *scores.T, *labels.T))
    labels, scores = labels[order], scores[order]
    weights = None if weights is None else weights[order]
    # Labels together are no class: samples are dealt out as if they were of one.
    fold = dealing.dealt(np.zeros(len(labels), np.int64), folds, seed)
    decisions = np.zeros_like(labels)
    for number in range(min(folds, len(labels))):
        held_out = fold == number
        points = _points(labels[~held_out], scores[~held_out], None if weights is None else weights[~held_out])
        chosen = _best(points, metric, key.average or "macro")
        thresholds = [of.threshold(index) for of, index in zip(points, chosen, strict=True)]
        decisions[held_out] = scores[held_out] > np.array(thresholds)
    return _averaged(key, labels, decisions, weights)


def _poor(labels: Labels, called: Sequence[str]) -> Iterator[str]:
    samples = len(labels)
    for positives, name in zip(labels.sum(axis=0).tolist(), called, strict=True):
        rarer, what = min((positives, "positive"), (samples - positives, "negative"))
        if rarer == 0:
            yield f"Label {name} has no {what}s among {samples} samples: nothing tells where its threshold should be."
        elif rarer < FEW:
            yield (
                f"Label {name} has only {rarer} {what}{'' if rarer == 1 else 's'} among {samples} samples: a rate of "
                f"so few has a standard error of up to {0.5 / math.sqrt(rarer):.2f}."
            )


def _gain(metric: Metric, value: float, at_half: float) -> Iterator[str]:
    if value < at_half:
        yield (
            f"Cross-fitted {metric.name} {value:.4f} is worse than the {at_half:.4f} at 0.5: on samples they have not "
            f"seen these thresholds do not pay."
        )
