"""The value of each metric over whole arrays; scikit-learn (1.5 s to import) is loaded by the metrics that need it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.metrics import checks, counts
from deeptrain.metrics.counts import CountFunction

Computation = Callable[[Any, Any, float], float]

SMALLEST = float(np.finfo(np.float64).eps)
"""Probabilities below this count as this in the logarithm, as in scikit-learn: a sample loses at most 36.04."""


def _of_counts(from_counts: CountFunction) -> Computation:
    def compute(labels: ArrayLike, outputs: ArrayLike, threshold: float) -> float:
        truth, scores = checks.binary(labels, outputs, "outputs")
        return float(from_counts(*counts.counted(truth, scores > threshold)))

    return compute


def _accuracy(labels: ArrayLike, outputs: ArrayLike, threshold: float) -> float:
    """Of a binary decision, or of the class with the greatest output, the first among equals."""
    if np.ndim(outputs) != 2:
        return _of_counts(counts.accuracy)(labels, outputs, threshold)
    truth, scores = checks.classes(labels, outputs)
    return float(np.mean(scores.argmax(axis=1) == truth))


def _log_loss(labels: ArrayLike, outputs: ArrayLike, _: float) -> float:
    """The mean of -log(probability given to the true class), in nats; J. Good, "Rational decisions", 1952."""
    if np.ndim(outputs) != 2:
        positive, scores = checks.binary(labels, outputs, "outputs")
        given = np.where(positive, scores, 1 - scores)
    else:
        truth, scores = checks.classes(labels, outputs)
        checks.probabilities(scores)
        given = scores[np.arange(len(truth)), truth]
    return float(-np.mean(np.log(np.clip(given, SMALLEST, 1))))


def _brier(labels: ArrayLike, outputs: ArrayLike, _: float) -> float:
    """The mean squared distance of the probability from 0 or 1; G. W. Brier, 1950, the form with values in [0, 1]."""
    truth, scores = checks.binary(labels, outputs, "outputs")
    return float(np.mean(np.square(scores - truth)))


def _roc_auc(labels: ArrayLike, outputs: ArrayLike, _: float) -> float:
    """The chance that a positive scores above a negative, ties counting half: nan when a class is missing."""
    truth, scores = checks.binary(labels, outputs, "outputs")
    if truth.all() or not truth.any():
        return float("nan")
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, scores))


def _average_precision(labels: ArrayLike, outputs: ArrayLike, _: float) -> float:
    """The sum of precision over the steps in recall, not interpolated: nan when there are no positives."""
    truth, scores = checks.binary(labels, outputs, "outputs")
    if not truth.any():
        return float("nan")
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, scores))


def _mean_absolute_error(labels: ArrayLike, outputs: ArrayLike, _: float) -> float:
    truth, predicted = checks.values(labels, outputs)
    return float(np.mean(np.abs(predicted - truth)))


def _mean_squared_error(labels: ArrayLike, outputs: ArrayLike, _: float) -> float:
    truth, predicted = checks.values(labels, outputs)
    return float(np.mean(np.square(predicted - truth)))


BY_NAME: Mapping[str, Computation] = {
    **{name: _of_counts(function) for name, function in counts.BY_NAME.items()},
    "accuracy": _accuracy,
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "log_loss": _log_loss,
    "brier": _brier,
    "mean_absolute_error": _mean_absolute_error,
    "mean_squared_error": _mean_squared_error,
}
"""The computations of the metrics in `metrics.names`; the same names, which a test holds."""
