"""The value of each metric over whole arrays; scikit-learn (1.5 s to import) is loaded by the metrics that need it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain.errors import DataError, SettingsError
from deeptrain.metrics import averages, checks, confusion, counts, losses, scikit
from deeptrain.metrics.checks import Scores
from deeptrain.metrics.metric import Metric

Computation = Callable[..., float]
"""Of labels, outputs, weights (n,) or None, threshold, and arguments by name."""

SMALLEST = float(np.finfo(np.float64).eps)
"""Probabilities below this count as this in the logarithm, as in scikit-learn: a sample loses at most 36.04."""


def value(metric: Metric, labels: ArrayLike, outputs: ArrayLike, weights: ArrayLike | None, threshold: Any) -> float:
    """The value of a metric; see `Metric`."""
    found = np.asarray(labels)
    if found.ndim == 0:
        raise DataError("labels must have at least one axis, that of the samples, got a single value")
    counted = checks.weights(weights, len(found)) if len(found) == len(np.atleast_1d(np.asarray(outputs))) else None
    if metric.function is not None:
        return metric.function(labels, outputs, counted, threshold)
    if metric.source == "keras":
        raise SettingsError(f"metric {metric.name} is computed by Keras: name it in an experiment, or to a Trainer")
    if counted is not None and not counted.all():
        # A sample of weight 0 is none; what is 0/0 only then is found so by the same code as without it.
        _refuse_non_finite(outputs)
        present = counted > 0
        labels, outputs, counted = found[present], np.asarray(outputs)[present], counted[present]
    if metric.source == "scikit-learn":
        return scikit.value(metric.computation, labels, outputs, counted, threshold, metric.arguments)
    computation = BY_NAME[metric.computation]
    if metric.average is not None:
        of_counts = counts.BY_NAME.get(metric.computation)
        return averages.value(
            metric.average, of_counts, computation, labels, outputs, counted, threshold, metric.arguments
        )
    return computation(labels, outputs, counted, threshold, **metric.arguments)


def _refuse_non_finite(outputs: ArrayLike) -> None:
    checks.finite(outputs, "outputs")


def _of_counts(from_counts: Callable[..., NDArray[np.float64]]) -> Computation:
    def compute(
        labels: ArrayLike, outputs: ArrayLike, weights: Scores | None, threshold: Any, **arguments: Any
    ) -> float:
        truth, scores = checks.binary(labels, outputs, "outputs")
        return float(from_counts(*counts.weighed(truth, scores > _single(threshold), weights), **arguments))

    return compute


def _single(threshold: Any) -> float:
    if np.ndim(threshold) != 0 or not np.isfinite(threshold):
        raise DataError(f"threshold must be one finite number here, got {threshold}")
    return float(threshold)


def _of_classes(binary: Callable[..., NDArray[np.float64]], several: Callable[..., Scores]) -> Computation:
    """A metric of counts that has a definition of its own for several classes, by their confusion matrix."""

    def compute(labels: ArrayLike, outputs: ArrayLike, weights: Scores | None, threshold: Any) -> float:
        if np.ndim(outputs) != 2:
            return _of_counts(binary)(labels, outputs, weights, threshold)
        truth, scores = checks.classes(labels, outputs)
        cells = confusion.matrix(truth, scores.argmax(axis=1), scores.shape[1], weights)
        return float(several(*confusion.of_matrix(cells)))

    return compute


def _accuracy(labels: ArrayLike, outputs: ArrayLike, weights: Scores | None, threshold: Any) -> float:
    """Of a binary decision, or of the class with the greatest output, the first among equals."""
    if np.ndim(outputs) != 2:
        return _of_counts(counts.accuracy)(labels, outputs, weights, threshold)
    truth, scores = checks.classes(labels, outputs)
    return losses.mean(scores.argmax(axis=1) == truth, weights)


def _top_k(labels: ArrayLike, outputs: ArrayLike, weights: Scores | None, _: Any, k: int = 5) -> float:
    """How often the true class is among the k with the greatest outputs; of equals as many count as there is room for.

    Keras takes all of them, so that a constant model is always right.
    """
    truth, scores = checks.classes(labels, outputs)
    own = scores[np.arange(len(truth)), truth][:, None]
    before = (scores > own).sum(axis=1)
    alike = (scores == own).sum(axis=1)
    return losses.mean(np.clip((k - before) / alike, 0, 1), weights)


def _log_loss(labels: ArrayLike, outputs: ArrayLike, weights: Scores | None, _: Any) -> float:
    """The mean of -log(probability given to the true class), in nats; J. Good, "Rational decisions", 1952."""
    if np.ndim(outputs) != 2:
        positive, scores = checks.binary(labels, outputs, "outputs")
        given = np.where(positive, scores, 1 - scores)
    else:
        truth, scores = checks.classes(labels, outputs)
        checks.probabilities(scores)
        given = scores[np.arange(len(truth)), truth]
    return -losses.mean(np.log(np.clip(given, SMALLEST, 1)), weights)


def _brier(labels: ArrayLike, outputs: ArrayLike, weights: Scores | None, _: Any) -> float:
    """The mean squared distance of the probability from 0 or 1; G. W. Brier, 1950, the form with values in [0, 1]."""
    truth, scores = checks.binary(labels, outputs, "outputs")
    return losses.mean(np.square(scores - truth), weights)


def _roc_auc(labels: ArrayLike, outputs: ArrayLike, weights: Scores | None, _: Any) -> float:
    """The chance that a positive scores above a negative, ties counting half: nan when a class is missing."""
    truth, scores = checks.binary(labels, outputs, "outputs")
    if truth.all() or not truth.any():
        return float("nan")
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, scores, sample_weight=weights))


def _average_precision(labels: ArrayLike, outputs: ArrayLike, weights: Scores | None, _: Any) -> float:
    """The sum of precision over the steps in recall, not interpolated: nan when there are no positives."""
    truth, scores = checks.binary(labels, outputs, "outputs")
    if not truth.any():
        return float("nan")
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, scores, sample_weight=weights))


def _of_loss(loss: losses.Loss) -> Computation:
    def compute(labels: ArrayLike, outputs: ArrayLike, weights: Scores | None, _: Any, **arguments: Any) -> float:
        return losses.mean(loss(labels, outputs, **arguments), weights)

    return compute


BY_NAME: Mapping[str, Computation] = {
    **{name: _of_counts(function) for name, function in counts.BY_NAME.items()},
    **{name: _of_loss(loss) for name, loss in losses.BY_NAME.items()},
    "accuracy": _accuracy,
    "balanced_accuracy": _of_classes(counts.balanced_accuracy, confusion.balanced_accuracy),
    "mcc": _of_classes(counts.mcc, confusion.mcc),
    "kappa": _of_classes(counts.kappa, confusion.kappa),
    "top_k_categorical_accuracy": _top_k,
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "log_loss": _log_loss,
    "brier": _brier,
}
"""The computations of the metrics in `metrics.names` that are computed here; the same names, which a test holds."""
