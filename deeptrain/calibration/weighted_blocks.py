"""Samples that count differently, in blocks of neighbours, of which few may hold the best operating point.

As in `contenders`: within a block a metric is at most its value for the true positives at the lower end and the false
ones at the upper end, so that sums over blocks tell where points need not be told apart. Of a resample what was drawn
of each block is summed first; how often each sample was is counted only in the blocks that are left.
"""

from collections.abc import Callable

import numpy as np

from deeptrain.calibration import draws, operating_points
from deeptrain.calibration.contenders import TOLERANCE
from deeptrain.calibration.operating_points import Integers, OperatingPoints
from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.counts import Values
from deeptrain.metrics.metric import Metric

Times = Callable[[int, int], Integers] | None
"""How often each sample of the blocks from one to another counts; None where each does once."""


class WeightedBlocks:
    """Samples in ascending order of score, ready to be resampled."""

    def __init__(
        self, labels: Labels, scores: Scores, weights: Scores, metric: Metric, bounds: tuple[float, float] | None
    ) -> None:
        """Sum nothing yet.

        Args:
            labels: (n,) bool.
            scores: (n,) float64 in [0, 1], ascending.
            weights: (n,) float64, above 0.
            metric: a metric of counts.
            bounds: (least, most) of the thresholds.
        """
        self._scores, self._metric, self._bounds = scores, metric, bounds
        self._signed = weights.copy()
        np.negative(self._signed, where=~labels, out=self._signed)
        self._edges = draws.edges(len(scores))
        # A cut calls positive what is behind it. Of each edge the nearest cut before it that some threshold makes, and
        # the blocks' edges around that one.
        inner = self._edges[:-1]
        self._cuts = np.append(np.searchsorted(scores, scores[inner], "left"), len(scores))
        self._before, self._behind = self._cuts // draws.WIDTH, -(-self._cuts // draws.WIDTH)
        self._before[-1] = len(inner)
        first, last = 0, len(scores)
        if bounds is not None:
            first, last = (int(np.searchsorted(scores, at, "right")) for at in bounds)
        self._cuts_allowed = (self._cuts >= first) & (self._cuts <= last)
        self._allowed = (inner <= last) & (self._edges[1:] >= first)

    def contenders(self) -> OperatingPoints:
        """Some operating points of the samples, all best ones and the neighbours of each among them."""
        begin = self._edges[:-1]
        tp = np.add.reduceat(np.maximum(self._signed, 0), begin)
        fp = np.add.reduceat(np.minimum(self._signed, 0), begin)
        return self._points(tp, -fp, None)

    def resample(self, generator: np.random.Generator) -> OperatingPoints:
        """The same of as many samples drawn with replacement."""
        drawn = draws.draw(len(self._scores), generator)
        tp, fp = np.zeros(len(drawn.times)), np.zeros(len(drawn.times))
        for part, samples, begin, some in drawn.parts():
            values = self._signed.take(samples)
            tp[part][some] = np.add.reduceat(np.maximum(values, 0), begin)
            fp[part][some] = np.add.reduceat(np.minimum(values, 0), begin)

        def times(first: int, after: int) -> Integers:
            return np.bincount(drawn.of(first, after), minlength=int(self._edges[after] - self._edges[first]))

        return self._points(tp, -fp, times)

    def _points(self, tp: Scores, fp: Scores, times: Times) -> OperatingPoints:
        """The points of the blocks that may hold a best one, of sums over each block."""
        tp, fp = (np.append(np.cumsum(of[::-1])[::-1], 0.0) for of in (tp, fp))
        positives, negatives = float(tp[0]), float(fp[0])
        parts = []
        if positives > 0 and negatives > 0:
            parts = [self._apart(int(one), int(after), tp, fp, times) for one, after in self._kept(tp, fp)]
        none = np.array([len(self._scores)]), np.zeros(1), np.zeros(1)
        if not parts or parts[0][0][0] != none[0][0]:
            parts = [none, *parts]
        cuts, called_tp, called_fp = (np.concatenate(column) for column in zip(*parts, strict=True))
        return OperatingPoints(*operating_points.spans(self._scores, cuts), called_tp, called_fp, positives, negatives)

    def _kept(self, tp: Scores, fp: Scores) -> Integers:
        """(runs, 2) unbroken runs of blocks that may hold a best point, from the greatest scores: first, and behind."""
        reached = self._oriented(tp[self._behind], fp[self._before], tp, fp)
        bound = self._oriented(tp[:-1], fp[1:], tp, fp)
        best = reached[self._cuts_allowed].max(initial=-np.inf)
        # Where all that is allowed is worse than calling none, a metric need not grow with true positives.
        least = best - TOLERANCE * abs(best) if best >= reached[-1] else -np.inf
        kept = self._allowed & (bound >= least)
        runs = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]]).astype(np.int8))).reshape(-1, 2)
        descending: Integers = runs[::-1]
        return descending

    def _apart(self, first: int, after: int, tp: Scores, fp: Scores, times: Times) -> tuple[Integers, Scores, Scores]:
        """Cuts that some threshold makes, from the greatest, and what they call, in some blocks and at their ends."""
        begin, end = int(self._edges[first]), int(self._edges[after])
        each = self._signed[begin:end]
        if times is not None:
            each = each * times(first, after)
        each = each[::-1]
        within = slice(max(begin, 1), min(end, len(self._scores) - 1) + 1)
        differ = self._scores[within.start - 1 : within.stop - 1] != self._scores[within]
        cuts = within.start + np.flatnonzero(differ)
        ends = [[0]] * (begin == 0), [[len(self._scores)]] * (end == len(self._scores))
        cuts = np.concatenate([*ends[0], cuts, *ends[1]]).astype(np.int64)[::-1]
        called = end - cuts
        of_tp = _summed(np.maximum(each, 0), tp[[after, first]])
        of_fp = _summed(-np.minimum(each, 0), fp[[after, first]])
        return cuts, of_tp[called], of_fp[called]

    def _oriented(self, called_tp: Scores, called_fp: Scores, tp: Scores, fp: Scores) -> Values:
        at = self._metric.at_counts(called_tp, called_fp, tp[0] - called_tp, fp[0] - called_fp)
        return operating_points.oriented(at, self._metric)


def _summed(each: Scores, ends: Scores) -> Scores:
    """(n + 1,) the running sum of (n,) from one end to the other, which is reached when nothing more is to come.

    Sums in another order differ by rounding, and what is left would be a little more, or less, than nothing.
    """
    found = np.cumsum(np.append(ends[0], each))
    return np.asarray(np.where(found == found[-1], ends[1], np.minimum(found, ends[1])))
