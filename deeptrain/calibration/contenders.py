"""The operating points among which the best one is, found without sorting all samples.

Samples are counted in bins of score. Every metric of counts that is no worse than that of calling none positive grows
with true positives and falls with false ones, so within a bin it is at most its value for the true positives at the
bin's lower end and the false ones at its upper end. A bin that does not reach the best value seen at the ends of bins
holds no best point; only the samples of the others are sorted. The result is exact: branch and bound (A. H. Land and
A. G. Doig, 1960).
"""

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

TOLERANCE = 1e-9
"""Relative; a bound that misses the best value by rounding alone keeps its bin."""


def of(labels: Labels, scores: Scores, metric: Metric) -> OperatingPoints:
    """Some operating points, all best ones and the neighbours of each among them.

    What is read off a best point (its thresholds, its plateau) is as among all points. Takes 5 MB, and what sorting the
    samples of the bins left takes; when these are more than half of all, as where nearly all scores lie within one
    bin, all samples are sorted.

    Args:
        labels: (n,) bool.
        scores: (n,) float64 in [0, 1].
        metric: a metric of counts.
    """
    if len(scores) <= BINS:
        return operating_points.of(labels, scores)
    held = np.zeros((BINS + 1, 2), np.int64)
    for start in range(0, len(scores), CHUNK):
        part = slice(start, start + CHUNK)
        cells = _bins(scores[part]) * np.int32(2) + labels[part]
        held += np.bincount(cells, minlength=held.size).reshape(held.shape)

    bins = np.flatnonzero(held.any(axis=1))[::-1]  # from the greatest scores
    kept = _kept(held[bins], metric)
    if 2 * held[bins[kept]].sum() > len(scores):
        return operating_points.of(labels, scores)
    wanted = np.zeros(BINS + 1, np.bool_)
    wanted[bins[kept]] = True
    parts = []
    for start in range(0, len(scores), CHUNK):
        part = slice(start, start + CHUNK)
        chosen = wanted[_bins(scores[part])]
        parts.append((labels[part][chosen], scores[part][chosen]))
    points = operating_points.of(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    # Above each bin that is left come the samples of bins that are not.
    above = np.zeros((BINS + 2, 2), np.int64)
    above[:-1] = np.cumsum((held * ~wanted[:, None])[::-1], axis=0)[::-1]
    negatives, positives = above[_bins(points.upper[1:])].T
    tp, fp = points.tp.copy(), points.fp.copy()
    tp[1:] += positives
    fp[1:] += negatives
    total = held.sum(axis=0)
    return replace(points, tp=tp, fp=fp, positives=int(total[1]), negatives=int(total[0]))


def _bins(scores: Scores) -> NDArray[np.int32]:
    return (scores * BINS).astype(np.int32)


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
