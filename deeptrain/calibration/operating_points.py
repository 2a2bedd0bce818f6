"""Every decision that some threshold can make: all operating points, by one sort.

A threshold calls a sample positive if its score is greater, so only the distinct scores matter: n samples with m
distinct scores have m + 1 operating points, from none called positive to all.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.counts import Values
from deeptrain.metrics.metric import Metric

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class OperatingPoints:
    """The confusion counts at operating points, from none called positive (index 0) to all (the last).

    Attributes:
        lower: (points,) float64, descending, the least threshold of each point: point i is made by all t with
            lower[i] <= t < upper[i].
        upper: (points,) float64, the bound above each point's thresholds. Bounds are distinct scores, but for one above
            them all (1, or 2 if a score is 1) and one below (0, or -1 if a score is 0).
        tp: (points,) int64, true positives, or float64, the sum of their weights.
        fp: (points,) the same of false positives.
        positives: number of samples with label 1, or the sum of their weights.
        negatives: the same of samples with label 0.
    """

    lower: Scores
    upper: Scores
    tp: NDArray[Any]
    fp: NDArray[Any]
    positives: float
    negatives: float

    @property
    def counts(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Arrays of tp, fp, fn, tn, each (points,)."""
        return self.tp, self.fp, self.positives - self.tp, self.negatives - self.fp

    def threshold(self, point: int) -> float:
        """The threshold of a point: midway between neighbouring scores, so that > and >= agree.

        Between scores that are neighbours in float64 there is no such number; there it is the lower score, which is
        right for >.
        """
        return midway(float(self.lower[point]), float(self.upper[point]))

    def point_of(self, threshold: float) -> int:
        """The point that a threshold between the bounds makes."""
        return len(self.lower) - int(np.searchsorted(self.lower[::-1], threshold, side="right"))

    def nearest(self, among: Integers, preference: float = 0.5) -> int:
        """Of some points the one with thresholds nearest to the preference, of two equally near the higher one."""
        lower, upper = self.lower[among], self.upper[among]
        # Below 0 only where the preference is one of the thresholds.
        distance = np.where(lower > preference, lower - preference, preference - upper)
        return int(among[np.argmin(distance)])

    def values(self, metric: Metric) -> Values:
        """(points,) a metric of counts at each point."""
        return metric.at_counts(*self.counts)

    def within(self, least: float, most: float) -> "OperatingPoints":
        """Those points that a threshold t with least <= t <= most makes, their bounds narrowed to it."""
        above = np.nextafter(most, np.inf)
        inside = (self.lower < above) & (self.upper > least)
        return replace(
            self,
            lower=np.maximum(self.lower[inside], least),
            upper=np.minimum(self.upper[inside], above),
            tp=self.tp[inside],
            fp=self.fp[inside],
        )

    def plateau(self, values: Values, point: int) -> tuple[float, float]:
        """The bounds of the unbroken run of points around one that have its value."""
        others = np.flatnonzero(values != values[point])
        after = np.searchsorted(others, point)
        first = int(others[after - 1]) + 1 if after > 0 else 0
        last = int(others[after]) - 1 if after < len(others) else len(values) - 1
        return float(self.lower[last]), float(self.upper[first])


def midway(lower: float, upper: float) -> float:
    """A threshold t with lower <= t < upper, in the middle as far as float64 has one."""
    middle = lower + (upper - lower) / 2
    return middle if middle < upper else lower


def sort(labels: Labels, scores: Scores) -> tuple[Labels, Scores]:
    """The samples in ascending order of score, negatives first among equals; the same for any order they come in.

    Takes 9 bytes a sample, and as many more at the peak.

    Args:
        labels: (n,) bool.
        scores: (n,) float64 in [0, 1].
    """
    # The bits of doubles that are not negative order as the doubles do, and leave the sign bit for the label: sorting
    # one array of integers is several times faster than argsort. The shift also drops the sign of a -0.
    keys = scores.copy().view(np.uint64)
    keys <<= 1
    keys |= labels
    keys.sort()
    labels = (keys & 1).astype(np.bool_)
    keys >>= 1
    return labels, keys.view(np.float64)


def sort_weighted(labels: Labels, scores: Scores, weights: Scores | None) -> tuple[Labels, Scores, Scores | None]:
    """The same with what each sample counts for, (n,) float64; by weight among equals of one label.

    Weights need an order of indices, 5 to 10 times slower than `sort`, and 40 bytes a sample at the peak.
    """
    if weights is None:
        return *sort(labels, scores), None
    order = np.lexsort((weights, labels, scores))
    return labels[order], scores[order] + 0.0, weights[order]


def of_sorted(labels: Labels, scores: Scores, weights: Scores | None = None) -> OperatingPoints:
    """All operating points of samples in ascending order of score, n >= 1.

    Takes 49 bytes a sample at the peak when all scores are distinct, of which 24 are kept; with weights 16 more.
    """
    first = starts(scores)
    if weights is None:
        tp, called = _called(labels.astype(np.int64), first), _all_called(len(scores), first)
        fp = np.subtract(called, tp, out=called)
    else:
        tp, fp = sums(labels, weights, first)
    bounds = np.empty(len(first) + 2, np.float64)
    bounds[1:-1] = scores[first][::-1]
    bounds[0] = 1.0 if scores[-1] < 1 else 2.0
    bounds[-1] = 0.0 if scores[0] > 0 else -1.0
    return OperatingPoints(bounds[1:], bounds[:-1], tp, fp, tp[-1].item(), fp[-1].item())


def starts(scores: Scores) -> Integers:
    """Where the runs of equal scores begin, of scores in ascending order."""
    found = np.empty(len(scores), np.bool_)
    found[0] = True
    np.not_equal(scores[1:], scores[:-1], out=found[1:])
    return np.flatnonzero(found)


def sums(labels: Labels, weights: Scores, first: Integers) -> tuple[Scores, Scores]:
    """The weights of true and of false positives at every point, (runs + 1,), of runs that begin at `first`."""
    return _called(np.where(labels, weights, 0.0), first), _called(np.where(labels, 0.0, weights), first)


def _called(counted: NDArray[Any], first: Integers) -> NDArray[Any]:
    """(runs + 1,) the sum of what is counted of the samples called positive at each point, the greatest first."""
    found = np.zeros(len(first) + 1, counted.dtype)
    # Summed from the greatest score down, so that what is not called is left out, not subtracted.
    np.cumsum(counted[::-1], out=counted)
    found[1:] = counted[len(counted) - 1 - first[::-1]]
    return found


def _all_called(samples: int, first: Integers) -> Integers:
    called = np.zeros(len(first) + 1, np.int64)
    np.subtract(samples, first[::-1], out=called[1:])
    return called


def of(labels: Labels, scores: Scores, weights: Scores | None = None) -> OperatingPoints:
    """All operating points of samples in any order: labels (n,) bool, scores (n,) float64 in [0, 1], n >= 1.

    With weights (n,) float64 a sample of weight 2 counts as two samples.
    """
    return of_sorted(*sort_weighted(labels, scores, weights))


def best(points: OperatingPoints, metric: Metric, preference: float = 0.5) -> int:
    """The point where a metric is best; among equals that with thresholds nearest to the preference, then the higher.

    What is undefined is worst.
    """
    return nearest(points, oriented(points.values(metric), metric), preference)


def nearest(points: OperatingPoints, values: Values, preference: float) -> int:
    """The point of the greatest value; among equals the one nearest to the preference, then the higher."""
    return points.nearest(np.flatnonzero(values == values.max()), preference)


def oriented(values: Values, metric: Metric) -> Values:
    """The values so that more is better, and what is undefined is worst."""
    values = values if metric.maximize else -values
    return np.where(np.isnan(values), -np.inf, values)
