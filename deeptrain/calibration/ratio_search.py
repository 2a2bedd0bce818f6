"""The best sets for a metric that is a ratio of sums, exactly, by Dinkelbach's method on integers.

To find the greatest p / q over choices of sets and points, take any p / q and ask whether some choice has
sum(numerator * q - denominator * p) > 0. If so, that choice is better; if not, p / q is the greatest. The question is
linear, so its answer at a point is the `size` greatest terms, and in integers it is exact: the result is certified.
Source: W. Dinkelbach, "On nonlinear fractional programming", Management Science 13, 1967.
"""

from collections.abc import Callable

import numpy as np

from deeptrain.calibration.operating_points import Integers
from deeptrain.errors import DataError

Fractions = Callable[[Integers], tuple[Integers, Integers]]
"""From point indices (points,) the numerators and denominators (points, n) of each set there, 0 <= num <= den."""

BLOCK = 1 << 20
"""Points times sets that are looked at together: 8 MiB an array."""

THIN = 64
"""The first look is at every so many points: it nearly finds the optimum, and the look at all confirms it at once."""


def best(fractions: Fractions, preference: Integers, sets: int, size: int) -> tuple[int, Integers]:
    """The point and the sets that have the greatest ratio of sums, together.

    Among equals the point that comes first in `preference`; there the sets that are needed, and of those that make no
    difference to the ratio the ones with the greatest denominators, then the first.

    Args:
        fractions: tells numerators and denominators at points.
        preference: (points,) int64, all points, the preferred first.
        sets: how many there are.
        size: how many to choose, 1 to `sets`.

    Returns:
        The point's index and the indices of the sets, ascending.

    Raises:
        DataError: when there are so many samples that integers of 64 bits do not hold the products.
    """
    p, q = 0, 1
    equals = preference
    for points in (preference[::THIN], preference):
        p, q, equals = _climb(fractions, points, sets, size, p, q)
    for point in equals:
        chosen, denominator = _at(fractions, point, size, p, q)
        if denominator > 0:
            return int(point), chosen
    return int(equals[0]), _at(fractions, equals[0], size, p, q)[0]


def _climb(fractions: Fractions, points: Integers, sets: int, size: int, p: int, q: int) -> tuple[int, int, Integers]:
    """The greatest ratio p / q at some points, at least the given one, and the points that reach it, in order."""
    rows = max(1, BLOCK // sets)
    while True:
        gains = np.concatenate(
            [_gains(*fractions(points[start : start + rows]), size, p, q) for start in range(0, len(points), rows)]
        )
        # What gains nothing over p / q gains less over a greater ratio, and need not be looked at again.
        points, gains = points[gains >= 0], gains[gains >= 0]
        if not len(points) or gains.max() == 0:
            return p, q, points
        numerator, denominator = fractions(points[[gains.argmax()]])
        chosen = _order(numerator[0], denominator[0], p, q)[:size]
        p, q = int(numerator[0, chosen].sum()), int(denominator[0, chosen].sum())


def _at(fractions: Fractions, point: int, size: int, p: int, q: int) -> tuple[Integers, int]:
    numerator, denominator = fractions(np.array([point]))
    chosen = np.sort(_order(numerator[0], denominator[0], p, q)[:size])
    return chosen, int(denominator[0, chosen].sum())


def _gains(numerator: Integers, denominator: Integers, size: int, p: int, q: int) -> Integers:
    """(points,) the greatest sum of `size` terms at each point; above 0 if some choice there is better than p / q."""
    terms = _terms(numerator, denominator, p, q)
    left_out = terms.shape[1] - size
    if left_out > 0:
        terms = np.partition(terms, left_out, axis=1)[:, left_out:]
    gains: Integers = terms.sum(axis=1)
    return gains


def _order(numerator: Integers, denominator: Integers, p: int, q: int) -> Integers:
    return np.lexsort((-denominator, -_terms(numerator, denominator, p, q)))


def _terms(numerator: Integers, denominator: Integers, p: int, q: int) -> Integers:
    # The sum of absolute terms is at most total * (p + q), and a sum of some of them is no greater.
    total = int(denominator.sum(axis=-1).max(initial=0))
    if total * (p + q) >= 1 << 63:
        raise DataError(f"the subset cannot be searched exactly: sums of {total:,} counts do not fit into 64 bits")
    return numerator * q - denominator * p
