"""Thresholds that keep a constraint on samples nobody has seen, with a stated confidence, beside those that seem to.

A threshold that is chosen because precision is .8 there, on these samples, gives less on others half of the time. What
is kept with confidence 1 - delta is decided by tests, each by the exact one-sided lower bound of a rate (C. J. Clopper
and E. S. Pearson, 1934) at level delta, in an order that labels have no part in, from the safest threshold on, up to
the first that fails: no allowance for many tests is needed then ("fixed sequence", A. Wiens, 2003; for thresholds:
A. N. Angelopoulos et al., "Learn then test", 2021, arXiv:2110.01052).

- Recall falls as the threshold rises, so the order is that of all thresholds from calling every sample positive up.
  Specificity is the mirror image. Both can always be promised: calling all, or none, keeps them.
- Precision is tested where so many samples are called positive, the greatest scores first: at START times as many as
  could pass without an error, then GROWTH times as many, and so on.
"""

import bisect
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain.calibration import intervals
from deeptrain.calibration.constraint import Constraint
from deeptrain.calibration.operating_points import Integers, OperatingPoints
from deeptrain.metrics import names

START = 3
GROWTH = 1.25


@dataclass(frozen=True, eq=False)
class Tested:
    """What came of the tests.

    Attributes:
        kept: (points,) bool, where the constraint is promised.
        point: the point with the greatest lower bound among those tested; None when none could be.
    """

    kept: NDArray[np.bool_]
    point: int | None


def tested(points: OperatingPoints, constraint: Constraint, confidence: float) -> Tested:
    """Where a constraint is kept on other samples of the same kind, with that confidence for all these at once.

    Args:
        points: all operating points, unweighted.
        constraint: what must be kept.
        confidence: that what is promised is true, between 0 and 1.
    """
    if constraint.rate != "precision":
        recall = constraint.rate == "recall"
        members = int(points.positives if recall else points.negatives)
        fewest = _fewest(members, constraint.least, 1 - confidence)
        passed = points.tp >= fewest if recall else points.fp <= members - fewest
        # By definition: no positive is missed where all samples are called, no negative where none is.
        edge, called = (-1, points.positives + points.negatives) if recall else (0, 0)
        passed[edge] |= points.tp[edge] + points.fp[edge] == called
        return Tested(passed, int(np.argmax(points.tp) if recall else np.argmin(points.fp)))
    fewest = math.ceil(math.log(1 - confidence) / math.log(constraint.least))
    every, wanted, called = range(len(points.tp)), [], START * fewest
    while called <= points.tp[-1] + points.fp[-1]:
        wanted.append(bisect.bisect_left(every, called, key=lambda point: points.tp[point] + points.fp[point]))
        called = math.ceil(called * GROWTH)
    sequence = np.unique(np.array(wanted, np.int64))
    kept = np.zeros(len(every), np.bool_)
    if not len(sequence):
        return Tested(kept, None)
    bounds = intervals.lower_bound(*cases(points, constraint, sequence), 1 - confidence)
    failed = np.flatnonzero(bounds < constraint.least)
    kept[sequence[: failed[0] if len(failed) else None]] = True
    return Tested(kept, int(sequence[np.argmax(bounds)]))


def seeming(points: OperatingPoints, constraint: Constraint) -> NDArray[np.bool_]:
    """(points,) bool, where the constraint holds on these samples themselves; the naive rule."""
    held = np.empty(len(points.tp), np.bool_)
    for part, values in points.by_part(names.get(constraint.rate)):
        held[part] = values >= constraint.least
    return held


def cases(points: OperatingPoints, constraint: Constraint, at: ArrayLike) -> tuple[Integers, Integers]:
    """The rate of a constraint as counts at some points: how many are right, of how many."""
    tp, fp = (column[np.asarray(at)] for column in (points.tp, points.fp))
    if constraint.rate == "precision":
        return tp, tp + fp
    recall = constraint.rate == "recall"
    members = np.int64(points.positives if recall else points.negatives)
    hits: Integers = tp if recall else members - fp
    return hits, np.broadcast_to(members, hits.shape)


def _fewest(of: int, least: float, delta: float) -> int:
    """The fewest right ones of so many whose lower bound is at least so much; one more than all if none is."""
    low, high = 0, of + 1
    while low < high:
        middle = (low + high) // 2
        if intervals.lower_bound(np.array(middle), np.array(of), delta) >= least:
            high = middle
        else:
            low = middle + 1
    return low
