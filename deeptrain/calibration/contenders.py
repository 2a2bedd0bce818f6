"""The operating points among which the best one is, found without sorting all samples.

Samples are counted in bins of score. Every metric of counts that is no worse than that of calling none positive grows
with true positives and falls with false ones, so within a bin it is at most its value for the true positives at the
bin's lower end and the false ones at its upper end. A bin that does not reach the best value seen at the ends of bins
holds no best point; only the samples of the others are sorted. The result is exact: branch and bound (A. H. Land and
A. G. Doig, 1960).

Weights are summed in two parts, so that no sum of either is rounded and the order of the samples does not matter (as in
J. Demmel and H. D. Nguyen, "Fast reproducible floating-point summation", 2013).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.calibration import operating_points
from deeptrain.calibration.operating_points import OperatingPoints
from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.counts import Values
from deeptrain.metrics.metric import Metric

BINS = 1 << 14
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


BITS = 20
"""So many of its leading bits the least weight must keep, or weights are not summed in two parts."""


@dataclass(frozen=True)
class _Split:
    """How numbers are cut in two: what is added and taken away again to leave the leading bits of each part."""

    leading: float
    rest: float

    @classmethod
    def of(cls, weights: Scores) -> "_Split | None":
        """For sums of all of these, above 0; None where these are too unlike, or too great or small."""
        most, samples = float(weights.max()), len(weights)
        if not 1e-200 < most < 1e200:
            return None
        # What is added is so great that its last bit is the least a sum of all numbers keeps.
        exponent = math.frexp(most * samples)[1]
        rest = exponent - 52 + samples.bit_length()
        if weights.min() < 2.0 ** (rest - 52 + BITS):
            return None
        return cls(1.5 * 2.0**exponent, 1.5 * 2.0**rest)

    def parts(self, weights: Scores) -> tuple[Scores, Scores]:
        """Two numbers for each; where weights are whole or simple fractions the second is 0."""
        first = weights + self.leading
        first -= self.leading
        second = weights - first
        second += self.rest
        second -= self.rest
        return first, second


def of(labels: Labels, scores: Scores, metric: Metric, weights: Scores | None = None) -> OperatingPoints:
    """Some operating points, all best ones and the neighbours of each among them.

    What is read off a best point (its thresholds, its plateau) is as among all points. Takes 12 MB, and what sorting
    the samples of the bins left takes; when these are many, as where most scores are one, all samples are sorted.

    Args:
        labels: (n,) bool.
        scores: (n,) float64 in [0, 1].
        metric: a metric of counts.
        weights: (n,) float64, above 0, what each sample counts for.
    """
    if len(scores) > BINS:
        split = None if weights is None else _Split.of(weights)
        samples = _Samples(labels, scores, weights, split)
        for bins in (_even, _outward) if weights is None or split is not None else ():
            if _wanted(samples.probe(), bins, metric) is None:
                continue
            found = _wanted(samples, bins, metric)
            if found is not None:
                return _of_bins(samples, bins, *found)
    return operating_points.of(labels, scores, weights)


@dataclass(frozen=True, eq=False)
class _Samples:
    """The samples, in any order."""

    labels: Labels
    scores: Scores
    weights: Scores | None
    split: _Split | None

    def probe(self) -> "_Samples":
        """Some of them."""
        weights = None if self.weights is None else self.weights[::PROBE]
        return _Samples(self.labels[::PROBE], self.scores[::PROBE], weights, self.split)

    def chosen(self, part: slice, chosen: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
        """Some of a part of them: labels, scores, and weights if there are."""
        columns = (self.labels, self.scores) if self.weights is None else (self.labels, self.scores, self.weights)
        return tuple(column[part][chosen] for column in columns)


def _wanted(samples: _Samples, bins: Bins, metric: Metric) -> tuple[NDArray[Any], NDArray[np.bool_]] | None:
    """What is in each bin, and which may hold a best point; None where these hold too much."""
    held = _held(samples, bins)
    of_bins = held.sum(axis=0)
    filled = np.flatnonzero(of_bins.any(axis=1))[::-1]  # from the greatest scores
    wanted = np.zeros(len(of_bins), np.bool_)
    wanted[filled[_kept(of_bins[filled], metric)]] = True
    return (held, wanted) if of_bins[wanted].sum() * FEW <= of_bins.sum() else None


def _held(samples: _Samples, bins: Bins) -> NDArray[Any]:
    """(1, bins, 2) how many negatives and positives are in each, or (2, bins, 2) what these weigh, in two parts."""
    size = 2 * (int(bins(np.ones(1))[0]) + 1)
    found = np.zeros((1, size), np.int64) if samples.split is None else np.zeros((2, size))
    for start in range(0, len(samples.scores), CHUNK):
        part = slice(start, start + CHUNK)
        cells = bins(samples.scores[part]) * np.int32(2) + samples.labels[part]
        if samples.weights is None or samples.split is None:
            found[0] += np.bincount(cells, minlength=size)
            continue
        first, second = samples.split.parts(samples.weights[part])
        found[0] += np.bincount(cells, first, minlength=size)
        if second.any():
            found[1] += np.bincount(cells, second, minlength=size)
    return found.reshape(len(found), -1, 2)


def _of_bins(samples: _Samples, bins: Bins, held: NDArray[Any], wanted: NDArray[np.bool_]) -> OperatingPoints:
    """The operating points of the samples in the bins wanted, as they are among all samples."""
    runs = _runs(bins, wanted)
    parts = []
    for start in range(0, len(samples.scores), CHUNK):
        part = slice(start, start + CHUNK)
        scores = samples.scores[part]
        chosen = np.flatnonzero(_within(scores, runs) if len(runs) <= RUNS else wanted[bins(scores)])
        parts.append(samples.chosen(part, chosen))
    labels, scores, *weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    labels, scores, each = operating_points.sort_weighted(labels, scores, weights[0] if weights else None)
    points = operating_points.of_sorted(labels, scores)
    # Above each bin that is left come the samples of bins that are not.
    above = np.zeros((len(held), held.shape[1] + 1, 2), held.dtype)
    above[:, :-1] = np.cumsum((held * ~wanted[:, None])[:, ::-1], axis=1)[:, ::-1]
    places = bins(points.upper[1:])
    counted = []
    for of, called in enumerate((points.fp, points.tp)):
        if each is None or samples.split is None:
            sums = [called[1:]]
        else:
            within = samples.split.parts(each[labels == of][::-1])
            sums = [np.append(0.0, np.cumsum(one))[called[1:]] for one in within]
        counted.append(np.append(0, sum(one + over[places, of] for one, over in zip(sums, above, strict=True))))
    negatives, positives = held.sum(axis=1).sum(axis=0).tolist()
    return replace(points, tp=counted[1], fp=counted[0], positives=positives, negatives=negatives)


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


def _kept(held: NDArray[Any], metric: Metric) -> NDArray[np.bool_]:
    """Which bins, the greatest scores first, may hold a best point, and the next one below each."""
    fp, tp = np.vstack([np.zeros(2, held.dtype), np.cumsum(held, axis=0)]).T
    reached = _oriented(metric, tp, fp, tp[-1], fp[-1])
    bound = _oriented(metric, tp[1:], fp[:-1], tp[-1], fp[-1])
    best = reached.max()
    least = best - TOLERANCE * abs(best)
    kept = bound >= least
    kept[0] |= reached[0] >= least  # calling none is a best point: its neighbour is the greatest score
    kept[1:] |= kept[:-1].copy()
    return np.asarray(kept)


def _oriented(
    metric: Metric, tp: NDArray[Any], fp: NDArray[Any], positives: np.number[Any], negatives: np.number[Any]
) -> Values:
    return operating_points.oriented(metric.at_counts(tp, fp, positives - tp, negatives - fp), metric)
