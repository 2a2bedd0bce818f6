"""The best sets for a metric that is a ratio of sums, exactly, jointly with the threshold.

To find the greatest p / q over choices of sets and thresholds, take any p / q and ask whether some choice has
sum(numerator * q - denominator * p) > 0. If so, that choice is better; if not, p / q is the greatest. The question is
linear in the counts of each set, so its answer at a threshold is the sum of the greatest terms, and in integers it is
exact: the result is certified. Sums of weights are rounded: there it is asked of a p that is greater by a 10^12th, and
no other choice is better by more. Source: W. Dinkelbach, "On nonlinear fractional programming", Management Science 13,
1967.

Few thresholds need to be looked at. True and false positives only fall as the threshold rises, so the terms between two
thresholds are at most those of the true positives at one and the false positives at the other; where even these do
not sum to more than 0, nothing better lies between. What is not excluded so is cut finer. Source: A. H. Land and
A. G. Doig, "An automatic method of solving discrete programming problems", Econometrica 28, 1960.
"""

import heapq
import math
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.calibration.operating_points import Integers
from deeptrain.calibration.room import Room
from deeptrain.calibration.set_counts import SetCounts
from deeptrain.errors import DataError
from deeptrain.metrics.checks import Scores
from deeptrain.metrics.metric import Metric, Ratio

BLOCK = 1 << 19
"""Thresholds times sets that are looked at together: 4 MiB an array."""

MOST_WHOLE = 1000
"""Up to which whole numbers the prices of mistakes are taken exactly."""

SLACK = 1e-12
"""By what part a ratio of sums of weights must be greater than another: by less they differ in rounding."""

MOST_WEIGHT = 1e100
"""Sums of weights beyond it, or below its inverse, have no products in float64."""

PARTS = 16
"""Into how many parts an interval of thresholds is cut."""

FIRST = 64
"""And the whole range; at least 2."""

Called = tuple[NDArray[Any], NDArray[Any]]
"""True and false positives at some thresholds, (points, n) each."""


@dataclass(frozen=True, eq=False)
class Found:
    """The best choice.

    Attributes:
        point: index of its threshold.
        sets: indices of its sets, ascending.
        numerator: of the metric over them together.
        denominator: likewise; 0 where that is so for every choice.
    """

    point: int
    sets: Integers
    numerator: float
    denominator: float


class RatioSearch:
    """Sets and thresholds, ready to be searched for any number of sets."""

    def __init__(self, sets: SetCounts, thresholds: Scores, ratio: Ratio) -> None:
        """Count at the first few thresholds.

        Args:
            sets: those that may be chosen.
            thresholds: (points,) ascending, at least one.
            ratio: the metric, 0 <= numerator <= denominator.

        Raises:
            DataError: when there are so many samples that integers of 64 bits do not hold the products.
        """
        total = int(sets.samples.sum()) * max(ratio.denominator)
        self._slack = SLACK if sets.weighted else 0
        if sets.weighted:
            weight = sum(float(of.sum()) for of in sets.totals)
            if not 1 / MOST_WEIGHT < weight < MOST_WEIGHT:
                raise DataError(f"the subset cannot be searched: the weights are {weight:g} in sum; scale them")
        elif 8 * total * total >= 1 << 63:
            raise DataError(f"the subset cannot be searched exactly: squares of {total:,} counts do not fit in 64 bits")
        self._sets, self._thresholds, self._ratio = sets, thresholds, ratio
        self._distance = np.abs(thresholds - 0.5)
        self._nearest = int(self._distance.argmin())
        self._first = _cuts(np.array([0]), np.array([len(thresholds) - 1]), FIRST)
        self._first_called = self._called(self._first.ravel())

    def best(self, room: Room, start: int | None = None) -> Found:
        """The choice with the greatest ratio.

        Among equals the one at the threshold nearest to 0.5, the lower of two equally near; there the sets that are
        needed, and of those that make no difference to the ratio the ones with the greatest denominators, then the
        first.

        Args:
            room: what may be chosen.
            start: a threshold that is a good one; the search is then shorter, and finds the same.
        """
        p: float = 0
        q: float = 1
        if start is not None:
            p, q = self._climbed(self._called(np.array([start])), room, p, q)
        pending = deque([self._first])
        while pending:
            points = pending.popleft()
            called = self._first_called if points is self._first else self._called(points.ravel())
            p, q, lows, highs = self._looked(points, called, room, p, q)
            rows = max(1, BLOCK // (len(self._sets.numbers) * (PARTS + 1)))
            for block in range(0, len(lows), rows):
                pending.append(_cuts(lows[block : block + rows], highs[block : block + rows], PARTS))
        return self._preferred(room, p, q)

    def _looked(
        self, points: Integers, called: Called, room: Room, p: float, q: float
    ) -> tuple[float, float, Integers, Integers]:
        """The greatest ratio at some points, if it is above p / q, and the intervals between them that may have more.

        Args:
            points: (intervals, parts + 1) ascending in each interval.
            called: at all of them, one interval after the other.
            room: what may be chosen.
            p: numerator of a ratio that is reached.
            q: its denominator.

        Returns:
            Numerator, denominator, and the ends of the intervals, whose inner points are to be looked at.
        """
        gains = room.greatest(self._terms(*called, self._above(p), q))
        while gains.max() > 0:
            most, before = gains.argmax(), (p, q)
            p, q = self._climbed((called[0][[most]], called[1][[most]]), room, p, q)
            if (p, q) == before:
                break
            better = gains > 0  # the others gain even less over a greater ratio
            gains[better] = room.greatest(self._terms(called[0][better], called[1][better], self._above(p), q))
        bounds = self._bounds(called, points.shape, room, self._above(p), q)
        more = (bounds > 0) & (np.diff(points) > 1)
        return p, q, points[:, :-1][more], points[:, 1:][more]

    def _climbed(self, called: Called, room: Room, p: float, q: float) -> tuple[float, float]:
        """The greatest ratio at a point, (1, n) called there, if it is above p / q."""
        numerator, denominator = self._fractions(*called)
        while True:
            chosen = _chosen(numerator[0], denominator[0], room, self._above(p), q)
            over, under = numerator[0, chosen].sum().item(), denominator[0, chosen].sum().item()
            if over * q <= under * self._above(p):
                return p, q
            p, q = over, under

    def _preferred(self, room: Room, p: float, q: float) -> Found:
        """The choice at the point nearest to 0.5 that reaches the greatest ratio p / q."""
        undefined: Found | None = None
        reached = p - self._slack * p
        # What is to be looked at, nearest first: of equally near ones intervals, which may hold lower points.
        heap = [(0.0, 0, 0, len(self._thresholds) - 1)]
        while heap:
            _, is_point, low, high = heapq.heappop(heap)
            if is_point:
                found = self._found(low, room, p, q)
                if found.denominator > 0:
                    return found
                undefined = undefined or found
                continue
            first = low == 0 and high == len(self._thresholds) - 1
            points = self._first if first else _cuts(np.array([low]), np.array([high]), PARTS)
            called = self._first_called if first else self._called(points[0])
            reach = room.greatest(self._terms(*called, reached, q)) >= 0
            bounds = self._bounds(called, points.shape, room, reached, q)[0]
            for point in np.unique(points[0, reach]).tolist():
                if first or low < point < high:
                    heapq.heappush(heap, (float(self._distance[point]), 1, point, point))
            for one in np.flatnonzero((bounds >= 0) & (np.diff(points[0]) > 1)):
                inner = min(max(self._nearest, int(points[0, one]) + 1), int(points[0, one + 1]) - 1)
                ends = int(points[0, one]), int(points[0, one + 1])
                heapq.heappush(heap, (float(self._distance[inner]), 0, *ends))
        assert undefined is not None  # noqa: S101 - a greatest ratio is reached somewhere
        return undefined

    def _found(self, point: int, room: Room, p: float, q: float) -> Found:
        numerator, denominator = self._fractions(*self._called(np.array([point])))
        chosen = _chosen(numerator[0], denominator[0], room, p, q)
        return Found(point, chosen, numerator[0, chosen].sum().item(), denominator[0, chosen].sum().item())

    def _above(self, p: float) -> float:
        """The numerator that a better ratio must exceed."""
        return p + self._slack * p

    def _called(self, points: Integers) -> Called:
        return self._sets.called(self._thresholds[points])

    def _fractions(self, tp: NDArray[Any], fp: NDArray[Any]) -> Called:
        """Numerators and denominators of each set, (points, n)."""
        at = tp, fp, self._sets.totals[0] - tp, self._sets.totals[1] - fp
        return weighted(self._ratio.numerator, at), weighted(self._ratio.denominator, at)

    def _terms(self, tp: NDArray[Any], fp: NDArray[Any], p: float, q: float) -> NDArray[Any]:
        """What each set has of numerator * q - denominator * p, (points, n); linear in true and false positives."""
        of_tp, of_fp, of_positive, of_negative = self._weights(p, q)
        terms = of_tp * tp
        terms += of_fp * fp
        terms += of_positive * self._sets.totals[0] + of_negative * self._sets.totals[1]
        return terms

    def _bounds(self, called: Called, shape: tuple[int, ...], room: Room, p: float, q: float) -> NDArray[Any]:
        """(intervals, parts) what the greatest sum of terms between two neighbouring points is at most."""
        of_tp, of_fp, *_ = self._weights(p, q)
        sides = []
        for count, weight in zip(called, (of_tp, of_fp), strict=True):
            by_interval = count.reshape(*shape, -1)
            side = by_interval[:, :-1] if weight > 0 else by_interval[:, 1:]
            sides.append(side.reshape(-1, side.shape[-1]))
        return room.greatest(self._terms(sides[0], sides[1], p, q)).reshape(shape[0], shape[1] - 1)

    def _weights(self, p: float, q: float) -> tuple[float, float, float, float]:
        """What a true positive adds to a term, a false one, a positive that is not called, a negative that is not."""
        tp, fp, fn, tn = (
            over * q - under * p for over, under in zip(self._ratio.numerator, self._ratio.denominator, strict=True)
        )
        return tp - fn, fp - tn, fn, tn


def ratio_of(metric: Metric) -> Ratio | None:
    """A metric as a ratio that is greatest where the metric is best; None for one that is no such ratio.

    Of a cost it is 1 - cost / the higher price, where prices are whole numbers but for a factor.
    """
    if metric.name != "cost":
        return metric.ratio
    prices = [Fraction(repr(metric.arguments.get(name, 1.0))) for name in ("false_positive", "false_negative")]
    factor = math.lcm(*(price.denominator for price in prices))
    false_positive, false_negative = (int(price * factor) for price in prices)
    high = max(false_positive, false_negative)
    if not 0 < high <= MOST_WHOLE:
        return None
    return Ratio((high, high - false_positive, high - false_negative, high), (high, high, high, high))


def weighted(
    weights: tuple[int, int, int, int], at: tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]
) -> NDArray[Any]:
    """The weighted sum of tp, fp, fn and tn, of the shape of each."""
    tp, fp, fn, tn = (weight * count for weight, count in zip(weights, at, strict=True))
    return np.asarray(tp + fp + fn + tn)


def _chosen(numerator: NDArray[Any], denominator: NDArray[Any], room: Room, p: float, q: float) -> Integers:
    return room.first(np.lexsort((-denominator, denominator * p - numerator * q)))


def _cuts(lows: Integers, highs: Integers, parts: int) -> Integers:
    """(intervals, parts + 1) points from each low to its high, as evenly as whole numbers allow."""
    return lows[:, None] + (highs - lows)[:, None] * np.arange(parts + 1) // parts
