"""The threshold that makes a metric of counts best, exactly, beside what it is worth on samples it has not seen."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration import cross_fitting, operating_points
from deeptrain.calibration.operating_points import OperatingPoints
from deeptrain.calibration.record import Record
from deeptrain.metrics import checks, counts, names
from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.counts import Values
from deeptrain.metrics.metric import Metric

FEW = 30
"""A rate measured on p members of a class has a standard error of up to 0.5 / sqrt(p): 0.09 for 30, more for fewer."""

NOISE = 2.0
"""A gain below so many of its standard errors is within noise."""


@dataclass(frozen=True)
class Threshold(Record):
    """A threshold, "positive if score > value", and what is known about it.

    Attributes:
        value: midway between neighbouring distinct scores, so that > and >= agree; outside [0, 1] only where it calls
            all samples alike and a score is exactly 0 or 1.
        metric: name of the metric that was made best.
        in_sample: the metric at the threshold on the samples it was chosen on; too high, see `cross_fitted`.
        value_at_half: the metric at 0.5 on the same samples.
        cross_fitted: the metric of all decisions when those about each fold are by the best threshold of the other
            folds; nan when a class has a single member.
        plateau: (low, high); every threshold t with low <= t < high gives `in_sample` too.
        positives: number of samples with label 1.
        samples: number of all samples.
        warnings: sentences a user should read before trusting the threshold.
    """

    value: float
    metric: str
    in_sample: float
    value_at_half: float
    cross_fitted: float
    plateau: tuple[float, float]
    positives: int
    samples: int
    warnings: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check what a reader relies on."""
        low, high = self.plateau
        if not -1 <= low <= self.value < high <= 2:
            raise ValueError(f"value must lie on its plateau within -1 and 2, got {self.value} on [{low}, {high})")
        if not 0 <= self.positives <= self.samples:
            raise ValueError(f"positives must be between 0 and {self.samples} samples, got {self.positives}")


def choose(labels: ArrayLike, scores: ArrayLike, metric: str = "f1_score", folds: int = 5, seed: int = 0) -> Threshold:
    """The threshold with the best value of a metric over all there are, found by one sort; O(n log n).

    Among equals it is the one nearest to 0.5: the middle between those two neighbouring scores, on plateaus of best
    values, that hold 0.5 or come nearest to it (the higher of two equally near). The order of the samples does not
    matter, neither for the threshold nor for the cross-fitted value.

    Args:
        labels: (n,) of 0 and 1, both present.
        scores: (n,) finite, in [0, 1].
        metric: name of a metric of counts.
        folds: parts of the cross-fitting, at least 2.
        seed: decides which sample falls into which part.

    Raises:
        DataError: when labels or scores are not that: "cannot calibrate: 0 positives among 120 samples".
        SettingsError: for an unknown metric, or one that no threshold changes.
    """
    measure = names.count_metric(metric)
    truth, values = operating_points.sort(*_calibratable(labels, scores))
    points = operating_points.of_sorted(truth, values)
    at = points.values(measure)
    index = operating_points.best(points, measure)
    low, high = _plateau(points, at, index)

    half = values > 0.5
    cross = cross_fitting.decisions(truth, values, measure, folds, seed)
    value_at_half = _value(measure, truth, half)
    cross_fitted = float("nan") if cross is None else _value(measure, truth, cross)
    noise = float("nan") if cross is None else cross_fitting.error_of_difference(truth, cross, half, measure, seed)
    gain = cross_fitted - value_at_half if measure.maximize else value_at_half - cross_fitted
    return Threshold(
        value=points.threshold(index),
        metric=measure.name,
        in_sample=float(at[index]),
        value_at_half=value_at_half,
        cross_fitted=cross_fitted,
        plateau=(low, high),
        positives=points.positives,
        samples=len(values),
        warnings=(
            *_few(points, measure),
            *_gain(measure, cross_fitted, value_at_half, gain, noise, float(at[index]) != value_at_half),
            *_edge(points, index),
        ),
    )


def curve(labels: ArrayLike, scores: ArrayLike, metric: str = "f1_score") -> tuple[Scores, Values]:
    """A metric against the threshold as an exact step function: (thresholds, values), both (steps,) float64.

    `values[i]` holds for all t with `thresholds[i] <= t < thresholds[i + 1]`, the last up to and with 1; thresholds
    ascend from 0. There is a step at every distinct score, so large data make many.

    Raises:
        DataError: as `choose`.
        SettingsError: as `choose`.
    """
    measure = names.count_metric(metric)
    points = operating_points.of(*_calibratable(labels, scores))
    thresholds, values = points.lower[::-1], points.values(measure)[::-1]
    within = slice(1, None) if thresholds[0] < 0 else slice(None)
    return thresholds[within].copy(), values[within].copy()


def _calibratable(labels: ArrayLike, scores: ArrayLike) -> tuple[Labels, Scores]:
    truth, values = checks.binary(labels, scores)
    checks.both_classes(truth)
    return truth, values


def _value(metric: Metric, labels: Labels, decisions: Labels) -> float:
    return float(metric.at_counts(*counts.counted(labels, decisions)))


def _plateau(points: OperatingPoints, values: Values, index: int) -> tuple[float, float]:
    """The bounds of the unbroken run of points around `index` that have its value."""
    others = np.flatnonzero(values != values[index])
    after = np.searchsorted(others, index)
    first = int(others[after - 1]) + 1 if after > 0 else 0
    last = int(others[after]) - 1 if after < len(others) else len(values) - 1
    return float(points.lower[last]), float(points.upper[first])


def _few(points: OperatingPoints, metric: Metric) -> Iterator[str]:
    rarer, name = min((points.positives, "positive"), (points.negatives, "negative"))
    if rarer < FEW:
        yield (
            f"There {'is' if rarer == 1 else 'are'} only {rarer} {name}{'' if rarer == 1 else 's'} among "
            f"{points.positives + points.negatives} samples: a rate of so few has a standard error of up to "
            f"{0.5 / math.sqrt(rarer):.2f}."
        )
    if rarer == 1:
        yield f"With a single {name} {metric.name} cannot be cross-fitted; only its in-sample value is known."


def _gain(metric: Metric, value: float, at_half: float, gain: float, noise: float, moved: bool) -> Iterator[str]:
    if math.isnan(gain):
        return
    if gain < 0:
        yield (
            f"Cross-fitted {metric.name} {value:.4f} is worse than the {at_half:.4f} at 0.5: "
            f"on samples it has not seen this threshold does not pay."
        )
    elif moved and not gain > NOISE * noise:
        yield (
            f"The cross-fitted gain of {gain:.4f} in {metric.name} over the {at_half:.4f} at 0.5 is within noise "
            f"(standard error {noise:.4f})."
        )


def _edge(points: OperatingPoints, index: int) -> Iterator[str]:
    if index in (0, len(points.tp) - 1):
        yield f"The threshold is at the edge: it calls {'no sample' if index == 0 else 'every sample'} positive."
