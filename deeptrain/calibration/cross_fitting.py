"""Decisions about samples by thresholds that were chosen without them, and how sure their value is.

A metric at a threshold that was tuned on the same samples is too high, by .08 on average with 100 samples. Choosing
the threshold on the other folds and deciding about each fold by it takes most of that away.
Source of the idea: M. Stone, "Cross-validatory choice and assessment of statistical predictions", 1974.
"""

from collections.abc import Callable

import numpy as np

from deeptrain.calibration import folds as dealing
from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.counts import Values
from deeptrain.metrics.metric import Metric

RESAMPLES = 1000
WEIGHTED_RESAMPLES = 200

Rule = Callable[[Labels, Scores, Scores | None, int], float]
"""The threshold for labels, scores in ascending order, weights, and the number of the fold that is left out."""


def decisions(
    labels: Labels, scores: Scores, rule: Rule, folds: int, seed: int, weights: Scores | None = None
) -> Labels | None:
    """Whether each sample is called positive by the threshold that the other folds lead to.

    A function of the sorted samples, the rule, the seed and the number of folds alone; see `folds`.

    Args:
        labels: (n,) bool, in the order `operating_points.sort` gives.
        scores: (n,) float64, ascending.
        rule: chooses a threshold.
        folds: at least 2.
        seed: of the dealing.
        weights: (n,) float64, what each sample counts for.

    Returns:
        (n,) bool, or None when a class has a single member, which the other folds would miss.
    """
    positives = int(np.count_nonzero(labels))
    if min(positives, len(labels) - positives) < 2:
        return None
    fold = dealing.dealt(labels, folds, seed).astype(np.min_scalar_type(folds))
    called = np.zeros(len(labels), np.bool_)
    for number in range(min(folds, len(labels))):
        held_out = fold == number
        others = ~held_out
        of_others = None if weights is None else weights[others]
        called[held_out] = scores[held_out] > rule(labels[others], scores[others], of_others, number)
    return called


def interval(
    labels: Labels, decided: Labels, metric: Metric, confidence: float, seed: int, weights: Scores | None = None
) -> tuple[float, float]:
    """Where a metric of decisions lies with some confidence: the middle part of its values over resampled samples.

    By the percentile bootstrap (B. Efron, 1979).

    Returns:
        Twice nan when hardly any resample has both classes.
    """
    (at,) = _resampled(labels, (decided,), metric, seed, weights)
    at = at[np.isfinite(at)]
    if len(at) < 2:
        return float("nan"), float("nan")
    low, high = np.quantile(at, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return low, high


def error_of_difference(
    labels: Labels, first: Labels, second: Labels, metric: Metric, seed: int, weights: Scores | None = None
) -> float:
    """Standard error of metric(first) - metric(second), two decisions about the same samples, all (n,) bool.

    By the paired bootstrap (B. Efron, 1979).

    Returns:
        nan when hardly any resample has both classes.
    """
    of_first, of_second = _resampled(labels, (first, second), metric, seed, weights)
    difference = of_first - of_second
    difference = difference[np.isfinite(difference)]
    return float(difference.std(ddof=1)) if len(difference) > 1 else float("nan")


def _resampled(
    labels: Labels, decided: tuple[Labels, ...], metric: Metric, seed: int, weights: Scores | None
) -> tuple[Values, ...]:
    """The metric of each of one or two decisions about resampled samples, (resamples,) each."""
    first, second = decided[0], decided[-1]
    cells = labels * np.uint8(4) + first * np.uint8(2) + second
    generator = np.random.Generator(np.random.Philox([seed, len(labels)]))
    if weights is None:
        # Samples with equal label and decisions are alike, so that resampling them is one multinomial draw of eight
        # counts, whatever n is.
        held = np.bincount(cells, minlength=8)
        drawn = generator.multinomial(len(labels), held / len(labels), size=RESAMPLES).astype(np.float64)
    else:
        picks = (generator.integers(len(labels), size=len(labels)) for _ in range(WEIGHTED_RESAMPLES))
        drawn = np.array([np.bincount(cells[pick], weights[pick], minlength=8) for pick in picks])
    drawn = drawn.reshape(len(drawn), 2, 2, 2)  # resample, label, first, second
    sums = (drawn.sum(axis=3), drawn.sum(axis=2))[: len(decided)]
    return tuple(metric.at_counts(one[:, 1, 1], one[:, 0, 1], one[:, 1, 0], one[:, 0, 0]) for one in sums)
