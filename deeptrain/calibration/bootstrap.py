"""The best thresholds of resampled samples: how much a threshold depends on chance, and one that depends on it less.

The median of them is a better threshold for other samples than the best of these. Samples are drawn with replacement,
as many as there are (B. Efron, "Bootstrap methods", 1979). What is drawn of neighbouring samples is drawn together
first, by one multinomial; only neighbours that may hold the best point are then told apart (as in `contenders`), which
gives the same distribution at a fraction of the cost. With weights all are drawn, block by block.
"""

import numpy as np
from numpy.typing import NDArray

from deeptrain.calibration import operating_points
from deeptrain.calibration.contenders import TOLERANCE
from deeptrain.calibration.operating_points import Integers, OperatingPoints
from deeptrain.calibration.weighted_blocks import WeightedBlocks
from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.counts import Values
from deeptrain.metrics.metric import Metric

APART = 4096
"""So many distinct scores are drawn one by one; more are put into BLOCKS of neighbours."""

BLOCKS = 2048


def thresholds(
    labels: Labels,
    scores: Scores,
    metric: Metric,
    resamples: int,
    generator: np.random.Generator,
    preference: float = 0.5,
    bounds: tuple[float, float] | None = None,
    weights: Scores | None = None,
    points: OperatingPoints | None = None,
) -> Scores:
    """The best threshold of each resample: (k,) float64, k <= resamples.

    A resample that lacks a class, which one of few samples may, tells nothing and is left out.

    Args:
        labels: (n,) bool, in ascending order of score.
        scores: (n,) float64 in [0, 1].
        metric: a metric of counts.
        resamples: how many.
        generator: draws them.
        preference: among equals the threshold nearest to it is taken.
        bounds: (least, most) of the thresholds.
        weights: (n,) float64, what each sample counts for.
        points: all operating points of the samples without weights, where they are at hand.
    """
    if weights is not None:
        weighted = WeightedBlocks(labels, scores, weights, metric, bounds)
        resampled = (weighted.resample(generator) for _ in range(resamples))
    else:
        blocks = _Blocks(points or operating_points.of_sorted(labels, scores), resamples, generator, metric, bounds)
        resampled = (blocks.draw(number) for number in range(resamples))
    found = [
        _best(drawn, metric, preference, bounds) for drawn in resampled if drawn.positives > 0 and drawn.negatives > 0
    ]
    return np.array(found, np.float64)


class _Blocks:
    """Neighbouring samples that are drawn together."""

    def __init__(
        self,
        points: OperatingPoints,
        resamples: int,
        generator: np.random.Generator,
        metric: Metric,
        bounds: tuple[float, float] | None,
    ) -> None:
        self.points, self.generator, self.metric = points, generator, metric
        last = len(points.tp) - 1
        samples = int(points.tp[-1] + points.fp[-1])
        if last <= APART:
            self.ends = np.arange(last + 1)
        else:
            cuts = np.ceil(np.linspace(0, samples, BLOCKS + 1)).astype(np.int64)
            self.ends = np.unique(np.append(0, np.searchsorted(points.tp + points.fp, cuts)))
        held = np.concatenate([np.diff(points.tp[self.ends]), np.diff(points.fp[self.ends])])
        drawn = generator.multinomial(samples, held / held.sum(), size=resamples)
        none = np.zeros((resamples, 1), np.int64)
        half = len(self.ends) - 1
        self.tp = np.hstack([none, np.cumsum(drawn[:, :half], axis=1)])
        self.fp = np.hstack([none, np.cumsum(drawn[:, half:], axis=1)])
        if last > APART:
            # Of each positive and each negative, the greatest score first, the point that calls it first.
            allowed = slice(0, last + 1) if bounds is None else points.between(*bounds)
            self.ends_allowed = (self.ends >= allowed.start) & (self.ends < allowed.stop)
            self.allowed = (self.ends[1:] >= allowed.start) & (self.ends[:-1] + 1 < allowed.stop)
            self.of_positives, self.of_negatives = _numbered(points.tp), _numbered(points.fp)

    def draw(self, number: int) -> OperatingPoints:
        """A resample at all points, or at those where it may be best."""
        tp, fp = self.tp[number], self.fp[number]
        positives, negatives = int(tp[-1]), int(fp[-1])
        if len(self.ends) == len(self.points.tp) or positives == 0 or negatives == 0:
            return self._points(self.ends, tp, fp, positives, negatives)
        reached = self._oriented(tp, fp, positives, negatives)
        bound = self._oriented(tp[1:], fp[:-1], positives, negatives)
        best = reached[self.ends_allowed].max(initial=-np.inf)
        # Where all that is allowed is worse than calling none, a metric need not grow with true positives.
        least = best - TOLERANCE * abs(best) if best >= reached[0] else -np.inf
        kept = np.flatnonzero(self.allowed & (bound >= least))
        begin, end = self.ends[kept], self.ends[kept + 1]
        sizes = end - begin
        shift = begin + 1 - np.append(0, np.cumsum(sizes)[:-1])  # from a place among those kept to its point
        at = np.arange(sizes.sum()) + np.repeat(shift, sizes)
        of_tp = self._apart(self.of_positives, self.points.tp, tp, kept, shift, len(at))
        of_fp = self._apart(self.of_negatives, self.points.fp, fp, kept, shift, len(at))
        return self._points(
            np.append(0, at),
            np.append(0, of_tp + np.repeat(_skipped(tp, kept), sizes)),
            np.append(0, of_fp + np.repeat(_skipped(fp, kept), sizes)),
            positives,
            negatives,
        )

    def _points(self, at: Integers, tp: Integers, fp: Integers, positives: int, negatives: int) -> OperatingPoints:
        """Some of the operating points, by their indices, with what is drawn."""
        return OperatingPoints(self.points.lower[at], self.points.upper[at], tp, fp, positives, negatives)

    def _apart(
        self, of: NDArray[np.int32], counted: Integers, drawn: Integers, kept: Integers, shift: Integers, places: int
    ) -> Integers:
        """(places,) how many of the samples of the blocks kept are drawn up to each of their points."""
        times = drawn[kept + 1] - drawn[kept]
        first = counted[self.ends[kept]]
        width = counted[self.ends[kept + 1]] - first
        chosen = self.generator.random(int(times.sum())) * np.repeat(width, times)
        samples = chosen.astype(np.int64) + np.repeat(first, times)
        hits = np.bincount(of[samples] - np.repeat(shift, times), minlength=places)
        return np.cumsum(hits)

    def _oriented(self, tp: Integers, fp: Integers, positives: int, negatives: int) -> Values:
        return operating_points.oriented(self.metric.at_counts(tp, fp, positives - tp, negatives - fp), self.metric)


def _numbered(counted: Integers) -> NDArray[np.int32]:
    """The point that calls it first of each sample that is counted, the greatest score first."""
    found = np.empty(counted[-1], np.int32)
    for start in range(0, len(counted) - 1, operating_points.CHUNK):
        part = counted[start : start + operating_points.CHUNK + 1]
        numbers = np.arange(start + 1, start + len(part), dtype=np.int32)
        found[part[0] : part[-1]] = np.repeat(numbers, np.diff(part))
    return found


def _skipped(drawn: Integers, kept: Integers) -> Integers:
    """What was drawn above each of the blocks kept, in blocks that are not."""
    times = drawn[kept + 1] - drawn[kept]
    skipped: Integers = drawn[kept] - (np.cumsum(times) - times)
    return skipped


def _best(drawn: OperatingPoints, metric: Metric, preference: float, bounds: tuple[float, float] | None) -> float:
    called = drawn.tp + drawn.fp
    # Points that differ in no sample that was drawn are one point of the resample, with the thresholds of all of them.
    first = np.flatnonzero(np.append(True, called[1:] != called[:-1]))
    last = np.append(first[1:], len(called)) - 1
    lower, upper = drawn.lower[last], drawn.upper[first]
    # The bounds beyond 0 and 1 are for scores of exactly 0 and 1; where these were not drawn, a run goes on over them.
    of_resample = OperatingPoints(
        np.where(first < last, np.maximum(lower, 0), lower),
        np.where(first < last, np.minimum(upper, 1), upper),
        drawn.tp[first],
        drawn.fp[first],
        drawn.positives,
        drawn.negatives,
    )
    if bounds is not None:
        of_resample = of_resample.within(*bounds)
    return of_resample.threshold(operating_points.best(of_resample, metric, preference))
