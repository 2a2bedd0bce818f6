"""How sure a measured value is: 95 % confidence intervals of rates, of metrics of decisions, and of differences.

A metric that is a function of one rate, as F1 is of tp / (tp + fp + fn), has the exact interval of that rate, which
also says something where the rate is 0 or 1. Of every other the samples are resampled.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain.calibration.record import Record
from deeptrain.metrics import checks, counts
from deeptrain.metrics.checks import Integers, Labels, Scores
from deeptrain.metrics.counts import Counts
from deeptrain.metrics.metric import Metric, Ratio

LEVEL = 0.95
RESAMPLES = 2000
LEAST_RESAMPLES = 200
MOST_DRAWN = 20_000_000
"""Resamples times cells, of which more are too slow: of many cells, as weights make them, there are fewer resamples."""

BLOCK = 1 << 20
"""Resamples times cells that are drawn together: 8 MiB an array."""

SPARSE = 256
"""Of more cells that hold hardly a sample each, samples are drawn one by one, ten times as fast as a multinomial."""

Statistic = Callable[[NDArray[Any]], Scores]
"""From counts of cells (resamples, cells) a value of each resample, nan where undefined."""


@dataclass(frozen=True)
class Interval(Record):
    """A confidence interval, with both ends; nan where nothing was measured."""

    low: float
    high: float


@dataclass(frozen=True)
class Gain(Interval):
    """A difference in favour of the better, whichever direction a metric has, and its confidence interval.

    Attributes:
        value: above 0 for a gain, below for a loss.
    """

    value: float


UNKNOWN = Interval(math.nan, math.nan)


def clopper_pearson(hits: ArrayLike, trials: ArrayLike, level: float = LEVEL) -> tuple[Scores, Scores]:
    """Both ends of the exact interval of a rate, arrays that broadcast; (0, 1) of no trials; imports SciPy.

    Neither hits nor trials need be whole: of weighted samples, trials are the number of equal ones that would be as
    sure (E. L. Korn, B. I. Graubard, Survey Methodology 24, 1998).

    Source: C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934.
    """
    from scipy.special import betaincinv

    found, of = np.broadcast_arrays(np.asarray(hits, np.float64), np.asarray(trials, np.float64))
    misses, tail = of - found, (1 - level) / 2
    # Where an end is 1 for certain the other argument only has to be one that the function takes.
    high = np.where(misses > 0, betaincinv(found + 1, np.where(misses > 0, misses, 1), 1 - tail), 1.0)
    return lower_bound(found, of, tail), high


def lower_bound(hits: ArrayLike, trials: ArrayLike, tail: float) -> Scores:
    """What a rate is at least, but for a chance of `tail`, arrays that broadcast; 0 where nothing hit; imports SciPy.

    The lower end of Clopper and Pearson, 1934, by itself.
    """
    from scipy.special import betaincinv

    found, of = np.broadcast_arrays(np.asarray(hits, np.float64), np.asarray(trials, np.float64))
    some = np.where(found > 0, found, 1)
    return np.where(found > 0, betaincinv(some, np.where(found > 0, of - found, 0) + 1, tail), 0.0)


def of_rate(hits: int, trials: int) -> Interval:
    """Of a fraction of trials that were hits; of no trials unknown."""
    if trials == 0:
        return UNKNOWN
    low, high = clopper_pearson(hits, trials)
    return Interval(float(low), float(high))


def of_mean(values: ArrayLike) -> Interval:
    """Of the mean of a number that every sample has, such as its loss, or the difference of two losses; imports SciPy.

    Source: Student (W. S. Gosset), "The probable error of a mean", Biometrika 6, 1908.

    Args:
        values: (n,) finite; of a single one the interval is unknown.

    Raises:
        DataError: when they are not that.
    """
    from scipy.special import stdtrit

    found = checks.finite(values, "values").astype(np.float64)
    if len(found) < 2:
        return UNKNOWN
    reach = float(stdtrit(len(found) - 1, (1 + LEVEL) / 2)) * float(found.std(ddof=1)) / math.sqrt(len(found))
    return Interval(float(found.mean()) - reach, float(found.mean()) + reach)


def of_counts(metric: Metric, found: Counts, seed: int = 0) -> Interval:
    """Of a metric of counts, the decisions being given: exact where it is a function of one rate, else resampled.

    Given how many samples are in either part of the rate, as tp and fp + fn for F1, the first part is binomial.
    """
    exact = None if metric.ratio is None else _of_single_rate(metric.ratio, found)
    if exact is not None:
        return exact
    return resampled(np.array(found), lambda cells: metric.at_counts(*cells.T), seed)


def of_decisions(
    metric: Metric, labels: Labels, decisions: Labels, seed: int = 0, weights: Scores | None = None
) -> Interval:
    """Of a metric of counts of decisions about samples, both (n,) bool; see `of_counts`.

    With weights (n,) float64 samples are resampled, each with its weight.
    """
    if weights is None:
        return of_counts(metric, counts.counted(labels, decisions), seed)
    kinds, cells, each = alike(labels * np.int64(2) + decisions, weights)
    columns = np.eye(4)[kinds] * each[:, None]
    return resampled(cells, lambda drawn: metric.at_counts(*(drawn @ columns).T[[3, 1, 2, 0]]), seed)


def alike(kinds: Integers, weights: Scores | None) -> tuple[Integers, Integers, Scores]:
    """Which samples are alike: the kinds there are, how many samples are of each, and the weight of one of them.

    Args:
        kinds: (n,) of each sample.
        weights: (n,) float64; by default all weigh 1.
    """
    if weights is None:
        found, cells = np.unique(kinds, return_counts=True)
        return found, cells, np.ones(len(found))
    pairs, cells = np.unique(np.stack([kinds.astype(np.float64), weights]), axis=1, return_counts=True)
    return pairs[0].astype(np.int64), cells, pairs[1]


def of_gain(
    metric: Metric,
    labels: Labels,
    first: Labels,
    second: Labels,
    seed: int = 0,
    weights: Scores | None = None,
) -> Gain:
    """What `second` decisions gain over `first` ones about the same samples, all (n,) bool; by resampling pairs.

    Samples with equal label and decisions are alike, so that a resample is one multinomial draw of eight counts; with
    weights (n,) float64 only those of equal weight.
    """

    def difference(cells: NDArray[Any]) -> Scores:
        each = cells.reshape(-1, 2, 2, 2)  # resample, label, first, second
        one, other = each.sum(axis=3), each.sum(axis=2)
        before, after = (metric.at_counts(of[:, 1, 1], of[:, 0, 1], of[:, 1, 0], of[:, 0, 0]) for of in (one, other))
        return after - before if metric.maximize else before - after

    kinds = labels * np.int64(4) + first * np.int64(2) + second
    if weights is None:
        return gain(np.bincount(kinds, minlength=8), difference, seed)
    there, cells, each = alike(kinds, weights)
    columns = np.eye(8)[there] * each[:, None]
    return gain(cells, lambda drawn: difference(drawn @ columns), seed)


def gain(cells: Integers, difference: Statistic, seed: int = 0) -> Gain:
    """A difference and its interval; see `resampled`."""
    interval = resampled(cells, difference, seed)
    return Gain(interval.low, interval.high, float(difference(cells[None])[0]))


def resampled(cells: Integers, statistic: Statistic, seed: int = 0) -> Interval:
    """Of a statistic of how many samples there are of each kind, by percentiles of up to `RESAMPLES` resamples.

    The same for the same counts and seed. Source: B. Efron, "Bootstrap methods: another look at the jackknife", Annals
    of Statistics 7, 1979.

    Args:
        cells: (cells,) int64, how many samples there are of each kind, together at least 1.
        statistic: of (resamples, cells) such counts.
        seed: of the drawing.

    Returns:
        Unknown where the statistic is undefined, or so in half of the resamples.
    """
    samples, there = int(cells.sum()), np.flatnonzero(cells)
    if math.isnan(float(statistic(cells[None])[0])):
        return UNKNOWN
    generator = np.random.Generator(np.random.Philox([seed, samples]))
    rows = max(1, BLOCK // len(cells))
    values = np.empty(max(LEAST_RESAMPLES, min(RESAMPLES, MOST_DRAWN // len(cells))))
    sparse = len(there) > SPARSE and samples < 8 * len(there)
    cell = np.repeat(np.arange(len(cells)), cells) if sparse else there
    for start in range(0, len(values), rows):
        part = values[start : start + rows]
        drawn = np.zeros((len(part), len(cells)), np.int64)
        if sparse:
            for row in drawn:
                row[:] = np.bincount(cell[generator.integers(samples, size=samples)], minlength=len(cells))
        else:
            drawn[:, there] = generator.multinomial(samples, cells[there] / samples, size=len(part))
        part[:] = statistic(drawn)
    finite = values[np.isfinite(values)]
    if 2 * len(finite) <= len(values):
        return UNKNOWN
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def _of_single_rate(ratio: Ratio, found: Counts) -> Interval | None:
    """(a hits) / (a hits + c misses) grows with hits / (hits + misses); None for a ratio of another form."""
    parts = list(zip(ratio.numerator, ratio.denominator, found, strict=True))
    hits = {over for over, _, _ in parts if over}
    misses = {under for over, under, _ in parts if under and not over}
    if len(hits) != 1 or len(misses) != 1 or any(over != under for over, under, _ in parts if over):
        return None
    (weight,), (other,) = hits, misses
    right = sum(count for over, _, count in parts if over)
    wrong = sum(count for over, under, count in parts if under and not over)
    if right + wrong == 0:
        return UNKNOWN
    return Interval(*(_odds_weighted(float(end), weight, other) for end in clopper_pearson(right, right + wrong)))


def _odds_weighted(rate: float, weight: int, other: int) -> float:
    return weight * rate / (weight * rate + other * (1 - rate))
