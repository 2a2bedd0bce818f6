"""The operating points among which the best one is, found without sorting all samples.

Samples are counted in bins of score. Every metric of counts that is no worse than that of calling none positive grows
with true positives and falls with false ones, so within a bin it is at most its value for the true positives at the
bin's lower end and the false ones at its upper end. A bin that does not reach the best value seen at the ends of bins
holds no best point; only the samples of the others are sorted. The result is exact: branch and bound (A. H. Land and
A. G. Doig, 1960).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deeptrain.calibration import operating_points
from deeptrain.calibration.operating_points import OperatingPoints
from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.counts import Values
from deeptrain.metrics.metric import Metric

BINS = 1 << 16
CHUNK = 1 << 18
"""Samples looked at together: their bins stay in the processor's cache."""

MIDDLE = np.int32(126 << 6)
"""The bin of 0.5 among those of `_outward`."""

UNSIGNED = np.int32((1 << 14) - 1)
"""What leaves out the sign of a -0 among the leading bits."""

FEW = 4
"""Bins are worth it when the samples of those left are at most one in so many."""

PROBE = 64
"""One of so many samples tells whether some bins are worth counting all the others in."""

RUNS = 3
"""Samples are compared with the ends of so many runs of bins sooner than they are put into bins again."""

Bins = Callable[[Scores], NDArray[np.int32]]
"""From scores (n,) the numbers of their bins, which ascend with them."""

TOLERANCE = 1e-9
"""Relative; a bound that misses the best value by rounding alone keeps its bin."""


def of(labels: Labels, scores: Scores, metric: Metric) -> OperatingPoints:
    """Some operating points, all best ones and the neighbours of each among them.

    What is read off a best point (its thresholds, its plateau) is as among all points. Takes 12 MB, and what sorting
    the samples of the bins left takes; when these are many, as where most scores are one, all samples are sorted.

    Args:
        labels: (n,) bool.
        scores: (n,) float64 in [0, 1].
        metric: a metric of counts.
    """
    if len(scores) > BINS:
        for bins in (_even, _outward):
            if _wanted(labels[::PROBE], scores[::PROBE], bins, metric) is None:
                continue
            found = _wanted(labels, scores, bins, metric)
            if found is not None:
                return _of_bins(labels, scores, bins, *found)
    return operating_points.of(labels, scores)


def _wanted(
    labels: Labels, scores: Scores, bins: Bins, metric: Metric
) -> tuple[NDArray[np.int64], NDArray[np.bool_]] | None:
    """What is in each bin, and which may hold a best point; None where these hold too many samples."""
    held = _held(labels, scores, bins)
    filled = np.flatnonzero(held.any(axis=1))[::-1]  # from the greatest scores
    wanted = np.zeros(len(held), np.bool_)
    wanted[filled[_kept(held[filled], metric)]] = True
    return (held, wanted) if held[wanted].sum() * FEW <= len(scores) else None


def _held(labels: Labels, scores: Scores, bins: Bins) -> NDArray[np.int64]:
    """(bins, 2) how many negatives and positives are in each."""
    held = np.zeros((int(bins(np.ones(1))[0]) + 1, 2), np.int64)
    for start in range(0, len(scores), CHUNK):
        part = slice(start, start + CHUNK)
        cells = bins(scores[part]) * np.int32(2) + labels[part]
        held += np.bincount(cells, minlength=held.size).reshape(held.shape)
    return held


def _of_bins(
    labels: Labels, scores: Scores, bins: Bins, held: NDArray[np.int64], wanted: NDArray[np.bool_]
) -> OperatingPoints:
    """The operating points of the samples in the bins wanted, as they are among all samples."""
    runs = _runs(bins, wanted)
    parts = []
    for start in range(0, len(scores), CHUNK):
        part = slice(start, start + CHUNK)
        chosen = np.flatnonzero(_within(scores[part], runs) if len(runs) <= RUNS else wanted[bins(scores[part])])
        parts.append((labels[part][chosen], scores[part][chosen]))
    points = operating_points.of(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    # Above each bin that is left come the samples of bins that are not.
    above = np.zeros((len(held) + 1, 2), np.int64)
    above[:-1] = np.cumsum((held * ~wanted[:, None])[::-1], axis=0)[::-1]
    negatives, positives = above[bins(points.upper[1:])].T
    tp, fp = points.tp.copy(), points.fp.copy()
    tp[1:] += positives
    fp[1:] += negatives
    total = held.sum(axis=0)
    return replace(points, tp=tp, fp=fp, positives=int(total[1]), negatives=int(total[0]))


def _runs(bins: Bins, wanted: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """The unbroken runs of wanted bins as (least, most) scores, both included."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]]).astype(np.int8)))
    return [
        (_least(bins, int(first)), float(np.nextafter(_least(bins, int(after)), 0)) if after < len(wanted) else 1.0)
        for first, after in edges.reshape(-1, 2)
    ]


def _least(bins: Bins, number: int) -> float:
    """The least number from 0 to 1 whose bin is not below this one: by halving, since bins ascend with the scores."""
    low, high = -1, int(np.ones(1).view(np.int64)[0])  # the bits of doubles that are not negative order as they do
    while high - low > 1:
        middle = (low + high) // 2
        if int(bins(np.array([middle]).view(np.float64))[0]) >= number:
            high = middle
        else:
            low = middle
    return float(np.array([high]).view(np.float64)[0])


def _within(scores: Scores, runs: list[tuple[float, float]]) -> NDArray[np.bool_]:
    found = np.zeros(len(scores), np.bool_)
    for least, most in runs:
        found |= (scores >= least) & (scores <= most)
    return found


def _even(scores: Scores) -> NDArray[np.int32]:
    """The number of the bin of each score; bins are equally wide."""
    return (scores * BINS).astype(np.int32)


def _outward(scores: Scores) -> NDArray[np.int32]:
    """Bins that are the narrower the nearer to 0 or 1, as the scores of a network that is sure of itself lie.

    64 to each halving of the distance: the leading bits of the number in float32, to which rounding keeps the order.
    """
    leading = np.minimum(scores, 1 - scores).astype(np.float32).view(np.int32) >> 17
    leading &= UNSIGNED
    return np.where(scores > 0.5, 2 * MIDDLE + 1 - leading, leading)


def _kept(held: NDArray[np.int64], metric: Metric) -> NDArray[np.bool_]:
    """Which bins, the greatest scores first, may hold a best point, and the next one below each."""
    fp, tp = np.vstack([np.zeros(2, np.int64), np.cumsum(held, axis=0)]).T
    reached = _oriented(metric, tp, fp, tp[-1], fp[-1])
    bound = _oriented(metric, tp[1:], fp[:-1], tp[-1], fp[-1])
    best = reached.max()
    least = best - TOLERANCE * abs(best)
    kept = bound >= least
    kept[0] |= reached[0] >= least  # calling none is a best point: its neighbour is the greatest score
    kept[1:] |= kept[:-1].copy()
    return np.asarray(kept)


def _oriented(
    metric: Metric, tp: NDArray[np.int64], fp: NDArray[np.int64], positives: np.int64, negatives: np.int64
) -> Values:
    return operating_points.oriented(metric.at_counts(tp, fp, positives - tp, negatives - fp), metric)
