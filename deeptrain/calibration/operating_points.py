"""Every decision that some threshold can make: all operating points, by one sort.

A threshold calls a sample positive if its score is greater, so only the distinct scores matter: n samples with m
distinct scores have m + 1 operating points, from none called positive to all.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.counts import Values
from deeptrain.metrics.metric import Metric

Integers = NDArray[np.int64]

CHUNK = 1 << 16
"""Points looked at together: what is computed of them stays in the processor's cache."""


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
        limits: (least, above); only thresholds t with least <= t < above are looked at.
    """

    lower: Scores
    upper: Scores
    tp: NDArray[Any]
    fp: NDArray[Any]
    positives: float
    negatives: float
    limits: tuple[float, float] = (-np.inf, np.inf)

    @property
    def counts(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Arrays of tp, fp, fn, tn, each (points,)."""
        return self._counts(slice(None))

    def _counts(self, part: slice | int) -> tuple[Any, Any, Any, Any]:
        tp, fp = self.tp[part], self.fp[part]
        return tp, fp, self.positives - tp, self.negatives - fp

    def threshold(self, point: int) -> float:
        """The threshold of a point: midway between neighbouring scores, so that > and >= agree.

        Between scores that are neighbours in float64 there is no such number; there it is the lower score, which is
        right for >.
        """
        return midway(*self.span(point))

    def span(self, point: int) -> tuple[float, float]:
        """(low, high) of a point: all t with low <= t < high make it."""
        least, above = self.limits
        low, high = max(float(self.lower[point]), least), min(float(self.upper[point]), above)
        return low, high if low < high else above  # no score is greater than the bounds, which are 1 and 1

    def point_of(self, threshold: float) -> int:
        """The point that a threshold between the bounds makes."""
        return len(self.lower) - int(np.searchsorted(self.lower[::-1], threshold, side="right"))

    def nearest(self, among: Integers, preference: float = 0.5) -> int:
        """Of some points the one with thresholds nearest to the preference, of two equally near the higher one."""
        least, above = self.limits
        lower, upper = np.maximum(self.lower[among], least), np.minimum(self.upper[among], above)
        # Below 0 only where the preference is one of the thresholds.
        distance = np.where(lower > preference, lower - preference, preference - upper)
        return int(among[np.argmin(distance)])

    def value(self, metric: Metric, point: int) -> float:
        """A metric of counts at one of the points."""
        return float(metric.at_counts(*self._counts(point)))

    def values(self, metric: Metric) -> Values:
        """(points,) a metric of counts at each point."""
        found = np.empty(len(self.tp), np.float64)
        for part, values in self.by_part(metric):
            found[part] = values
        return found

    def by_part(self, metric: Metric) -> Iterator[tuple[slice, Values]]:
        """A metric of counts at all points, CHUNK of them at a time: which, and (points,) there."""
        for part in _parts(len(self.tp)):
            yield part, metric.at_counts(*self._counts(part))

    def between(self, least: float, most: float) -> slice:
        """Which points a threshold t with least <= t <= most makes; at least one."""
        first = len(self.lower) - int(np.searchsorted(self.lower[::-1], np.nextafter(most, np.inf)))
        after = len(self.upper) - int(np.searchsorted(self.upper[::-1], least, side="right"))
        return slice(first, max(after, first + 1))

    def within(self, least: float, most: float) -> "OperatingPoints":
        """Those points that a threshold t with least <= t <= most makes, and no other threshold of theirs."""
        part, limits = self.between(least, most), (least, float(np.nextafter(most, np.inf)))
        lower, upper, tp, fp = (column[part] for column in (self.lower, self.upper, self.tp, self.fp))
        return replace(self, lower=lower, upper=upper, tp=tp, fp=fp, limits=limits)

    def plateau(self, metric: Metric, point: int) -> tuple[float, float]:
        """The bounds of the unbroken run of points around one that have its value of a metric."""
        value = self.value(metric, point)
        first = last = point
        while first > 0:
            part = slice(max(first - CHUNK, 0), first)
            others = np.flatnonzero(metric.at_counts(*self._counts(part)) != value)
            first = part.start + (int(others[-1]) + 1 if len(others) else 0)
            if len(others):
                break
        while last < len(self.tp) - 1:
            part = slice(last + 1, last + 1 + CHUNK)
            same = metric.at_counts(*self._counts(part)) == value
            last += len(same) if same.all() else int(np.argmin(same))
            if not same.all():
                break
        return self.span(last)[0], self.span(first)[1]


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

    Weights need an order of indices, 4 times slower than `sort`, and 41 bytes a sample at the peak; where many scores
    are equal, 30 times slower.
    """
    if weights is None:
        return *sort(labels, scores), None
    order = np.argsort(scores)
    ordered = scores[order]
    ordered += 0.0  # no -0
    tied = np.zeros(len(order), np.bool_)
    tied[1:] = ordered[1:] == ordered[:-1]
    tied[:-1] |= tied[1:].copy()
    among = np.flatnonzero(tied)
    if len(among):
        these = order[among]
        order[among] = these[np.lexsort((weights[these], labels[these], ordered[among]))]
    return labels[order], ordered, weights[order]


def of_sorted(labels: Labels, scores: Scores, weights: Scores | None = None) -> OperatingPoints:
    """All operating points of samples in ascending order of score, n >= 1.

    Takes 29 bytes a sample at the peak when all scores are distinct, of which 24 are kept.
    """
    called = calling(scores)
    if weights is not None and len(scores) < 2**31:
        called = called.astype(np.int32)
    bounds = np.empty(len(called) + 1, np.float64)
    bounds[0] = 1.0 if scores[-1] < 1 else 2.0
    bounds[-1] = 0.0 if scores[0] > 0 else -1.0
    within = bounds[1:-1]
    for part in _parts(len(within)):
        within[part] = scores[len(scores) - called[1:][part]]
    tp: NDArray[Any]
    fp: NDArray[Any]
    if weights is None:
        counted = np.cumsum(labels[::-1], dtype=np.int32 if len(labels) < 2**31 else np.int64)
        tp = np.zeros(len(called), np.int64)
        for part in _parts(len(called) - 1):
            tp[1:][part] = counted[called[1:][part] - 1]
        fp = np.subtract(called, tp, out=called)
    else:
        tp, fp = (_summed(labels, of, weights, called) for of in (True, False))
    return OperatingPoints(bounds[1:], bounds[:-1], tp, fp, tp[-1].item(), fp[-1].item())


def calling(scores: Scores) -> Integers:
    """(points,) how many samples each point calls positive, from none to all, of scores in ascending order."""
    found = np.empty(len(scores) + 1, np.bool_)
    found[0] = found[-1] = True
    np.not_equal(scores[:0:-1], scores[-2::-1], out=found[1:-1])
    return np.flatnonzero(found)


def spans(scores: Scores, cuts: Integers) -> tuple[Scores, Scores]:
    """The least threshold, and the bound above all, that make each cut: (cuts,) of scores in ascending order.

    Args:
        scores: (n,) float64 in [0, 1].
        cuts: (cuts,) from 0 to n: what is called positive begins there; neighbouring scores differ.
    """
    bottom, top = 0.0 if scores[0] > 0 else -1.0, 1.0 if scores[-1] < 1 else 2.0
    lower = np.where(cuts > 0, scores[np.maximum(cuts, 1) - 1], bottom)
    upper = np.where(cuts < len(scores), scores[np.minimum(cuts, len(scores) - 1)], top)
    return lower, upper


def made_by(scores: Scores, threshold: float, bounds: tuple[float, float] | None) -> float:
    """The threshold of the point that a threshold between the bounds makes, of scores in ascending order."""
    lower, upper = spans(scores, np.searchsorted(scores, [threshold], "right"))
    nothing = np.zeros(1)
    point = OperatingPoints(lower, upper, nothing, nothing, 0, 0)
    return (point if bounds is None else point.within(*bounds)).threshold(0)


def _summed(labels: Labels, of: bool, weights: Scores, called: NDArray[Any]) -> Scores:
    """(points,) what is called of one label at every point, by weight.

    Summed from the greatest score down: what is not called is left out, not subtracted.
    """
    found = np.zeros(len(called), np.float64)
    total = 0.0
    for part in _parts(len(weights)):
        within = slice(max(len(weights) - part.stop, 0), len(weights) - part.start)
        each = np.where(labels[within] == of, weights[within], 0.0)[::-1]
        running = np.cumsum(np.append(total, each))
        first, behind = called.searchsorted(np.array([part.start, part.start + len(each)], called.dtype), "right")
        found[first:behind] = running[called[first:behind] - part.start]
        total = float(running[-1])
    return found


def _parts(points: int) -> Iterator[slice]:
    return (slice(start, start + CHUNK) for start in range(0, points, CHUNK))


def of(labels: Labels, scores: Scores, weights: Scores | None = None) -> OperatingPoints:
    """All operating points of samples in any order: labels (n,) bool, scores (n,) float64 in [0, 1], n >= 1.

    With weights (n,) float64 a sample of weight 2 counts as two samples.
    """
    return of_sorted(*sort_weighted(labels, scores, weights))


def best(
    points: OperatingPoints, metric: Metric, preference: float = 0.5, among: NDArray[np.bool_] | None = None
) -> int:
    """The point where a metric is best; among equals that with thresholds nearest to the preference, then the higher.

    What is undefined is worst.

    Args:
        points: where to look.
        metric: of counts.
        preference: a threshold.
        among: (points,), those that may be taken; by default all.
    """
    greatest = -np.inf
    found: list[Integers] = []
    for part, values in points.by_part(metric):
        worths = oriented(values, metric)
        if among is not None:
            worths[~among[part]] = -np.inf
        most = float(worths.max())
        if most > greatest:
            greatest, found = most, []
        if most == greatest:
            found.append(part.start + np.flatnonzero(worths == most))
    return points.nearest(np.concatenate(found), preference)


def oriented(values: Values, metric: Metric) -> Values:
    """The values so that more is better, and what is undefined is worst."""
    values = values if metric.maximize else -values
    return np.where(np.isnan(values), -np.inf, values)
