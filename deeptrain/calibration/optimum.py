"""The threshold where a metric of counts is best on the samples it is chosen on, exactly, and its value there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration import contenders, operating_points
from deeptrain.calibration.operating_points import OperatingPoints
from deeptrain.calibration.record import Record
from deeptrain.errors import DataError, SettingsError
from deeptrain.metrics import checks, names
from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.metric import Metric
from deeptrain.metrics.names import Named

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Optimum(Record):
    """A threshold, "positive if score > value", and the metric there.

    Attributes:
        value: midway between neighbouring distinct scores, so that > and >= agree; outside [0, 1] only where it calls
            all samples alike and a score is exactly 0 or 1.
        in_sample: the metric on the samples the threshold was chosen on; too good for others.
        plateau: (low, high); every threshold t with low <= t < high gives `in_sample` too.
    """

    value: float
    in_sample: float
    plateau: tuple[float, float]

    def __post_init__(self) -> None:
        """Check what a reader relies on."""
        low, high = self.plateau
        if not -1 <= low <= self.value < high <= 2:
            raise ValueError(f"value must lie on its plateau within -1 and 2, got {self.value} on [{low}, {high})")


def of(
    labels: ArrayLike,
    scores: ArrayLike,
    metric: Named = "f1_score",
    *,
    weights: ArrayLike | None = None,
    bounds: Bounds | None = None,
    preference: float = 0.5,
) -> Optimum:
    """The best threshold over all there are: no worse than any other, in about the time of one sort.

    Whether more is better is the metric's own. Among equals it is the one nearest to the preference: the middle between
    those two neighbouring scores, on plateaus of best values, that hold it or come nearest to it (the higher of two
    equally near). The order of the samples does not matter. One class alone will do for a metric that is defined then.

    Takes 20 bytes a sample at most where scores are spread, 90 where most lie within 1/65536 of each other.

    Args:
        labels: (n,) of 0 and 1.
        scores: (n,) finite, in [0, 1].
        metric: of counts, or its name. Costs are `names.with_arguments(names.get("cost"), {"false_negative": 5})`.
        weights: (n,) what each sample counts for, finite, at least 0. With the metric cost, what it costs to call that
            sample wrong: its value is then the share of all that could be lost.
        bounds: (least, most), the thresholds to look at, both included.
        preference: see above.

    Raises:
        DataError: when labels, scores or weights are not that, or the metric is undefined for them.
        SettingsError: for an unknown metric, one that no threshold changes, or bounds that are none.
    """
    measure = names.count_metric(metric)
    check_bounds(bounds, preference)
    truth, values, weighed = weighted(labels, scores, weights)
    if bounds is None:
        points = contenders.of(truth, values, measure, weighed)
    else:
        points = operating_points.of(truth, values, weighed)
    return best(points, measure, bounds, preference)


def best(points: OperatingPoints, metric: Metric, bounds: Bounds | None, preference: float) -> Optimum:
    """The optimum among operating points.

    Raises:
        DataError: when the metric is undefined at all of them.
    """
    within = points if bounds is None else points.within(*bounds)
    found = at(within, metric, operating_points.best(within, metric, preference))
    if np.isnan(found.in_sample):
        raise DataError(
            f"{metric.name} is undefined for {points.positives:g} positives and {points.negatives:g} negatives"
        )
    return found


def at(points: OperatingPoints, metric: Metric, point: int) -> Optimum:
    """One of the points, as an optimum of a metric."""
    return Optimum(points.threshold(point), points.value(metric, point), points.plateau(metric, point))


def check_bounds(bounds: Bounds | None, preference: float) -> None:
    """Check that there is a threshold to look at.

    Raises:
        SettingsError: when bounds are out of order or outside [0, 1], or the preference is outside it.
    """
    if bounds is not None and not 0 <= bounds[0] <= bounds[1] <= 1:
        raise SettingsError(f"bounds must be two thresholds between 0 and 1, the lower first, got {list(bounds)}")
    if not 0 <= preference <= 1:
        raise SettingsError(f"preference must be between 0 and 1, got {preference}")


def weighted(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None) -> tuple[Labels, Scores, Scores | None]:
    """Labels, scores and weights as clean arrays, without the samples that count for nothing.

    The weights are None where all that are left count alike.

    Raises:
        DataError: when they are not that.
    """
    truth, values = checks.binary(labels, scores)
    return checks.counting(truth, values, weights)
