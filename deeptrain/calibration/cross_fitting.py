"""Decisions about samples by thresholds that were chosen without them, and how sure a difference of two is.

A metric at a threshold that was tuned on the same samples is too high, by .08 on average with 100 samples. Choosing
the threshold on the other folds and deciding about each fold by it takes most of that away.
Source of the idea: M. Stone, "Cross-validatory choice and assessment of statistical predictions", 1974.
"""

import numpy as np

from deeptrain.calibration import operating_points
from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.metric import Metric

RESAMPLES = 1000


def decisions(labels: Labels, scores: Scores, metric: Metric, folds: int, seed: int) -> Labels | None:
    """Whether each sample is called positive by the best threshold of the other folds.

    Folds are stratified: the members of each class are dealt out as evenly as can be. A function of the sorted samples,
    the seed and the number of folds alone.

    Args:
        labels: (n,) bool, in the order `operating_points.sort` gives.
        scores: (n,) float64, ascending.
        metric: a metric of counts.
        folds: at least 2.
        seed: of the dealing.

    Returns:
        (n,) bool, or None when a class has a single member, which the other folds would miss.
    """
    positives = int(np.count_nonzero(labels))
    if min(positives, len(labels) - positives) < 2:
        return None
    generator = np.random.Generator(np.random.Philox([seed, folds]))
    fold = np.empty(len(labels), np.int64)
    # The negatives are dealt on where the positives ended, so that the folds differ by one sample at most.
    fold[labels] = generator.permutation(positives) % folds
    fold[~labels] = (generator.permutation(len(labels) - positives) + positives) % folds
    called = np.zeros(len(labels), np.bool_)
    for number in range(min(folds, len(labels))):
        held_out = fold == number
        points = operating_points.of_sorted(labels[~held_out], scores[~held_out])
        threshold = points.threshold(operating_points.best(points, metric))
        called[held_out] = scores[held_out] > threshold
    return called


def error_of_difference(labels: Labels, first: Labels, second: Labels, metric: Metric, seed: int) -> float:
    """Standard error of metric(first) - metric(second), two decisions about the same samples, all (n,) bool.

    By the paired bootstrap (B. Efron, 1979): samples with equal label and decisions are alike, so that resampling them
    is one multinomial draw of eight counts, whatever n is.

    Returns:
        nan when hardly any resample has both classes.
    """
    cells = np.bincount(labels * np.int64(4) + first * np.int64(2) + second, minlength=8)
    generator = np.random.Generator(np.random.Philox([seed, len(labels)]))
    drawn = generator.multinomial(len(labels), cells / len(labels), size=RESAMPLES)
    drawn = drawn.reshape(RESAMPLES, 2, 2, 2)  # resample, label, first, second
    one, other = drawn.sum(axis=3), drawn.sum(axis=2)
    of_one = metric.at_counts(one[:, 1, 1], one[:, 0, 1], one[:, 1, 0], one[:, 0, 0])
    of_other = metric.at_counts(other[:, 1, 1], other[:, 0, 1], other[:, 1, 0], other[:, 0, 0])
    difference = of_one - of_other
    difference = difference[np.isfinite(difference)]
    return float(difference.std(ddof=1)) if len(difference) > 1 else float("nan")
