"""One number for several classes or labels: each against the rest, then their macro, micro or weighted average.

macro: the mean over classes; micro: all classes counted together; weighted: the mean, each class weighing as much as
it has samples. A class for which the metric is undefined, for want of samples, is left out; nan when all are.
Source: Y. Yang, "An evaluation of statistical approaches to text categorization", 1999.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.errors import DataError
from deeptrain.metrics import checks, confusion
from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.metric import Average


def value(
    average: Average,
    from_counts: Callable[..., Scores] | None,
    of_scores: Callable[..., float],
    labels: ArrayLike,
    outputs: ArrayLike,
    weights: Scores | None,
    threshold: Any,
    arguments: Mapping[str, Any],
) -> float:
    """The average over classes, or over several labels.

    Args:
        average: which.
        from_counts: the metric as a function of counts, or None.
        of_scores: the binary metric as (labels, scores, weights, threshold), for one that is none.
        labels: (n,) class numbers, or (n, labels) of 0 and 1.
        outputs: (n, classes) one score each, the greatest being the class that is said; or (n, labels) probabilities.
        weights: (n,) or None.
        threshold: for several labels; one number, or one for each.
        arguments: of the metric.

    Raises:
        DataError: when they are not that.
    """
    if from_counts is not None:
        return float(of_columns(average, from_counts, _counts(labels, outputs, weights, threshold), arguments))
    truth, scores = _columns(labels, outputs)
    if average == "micro":
        repeated = None if weights is None else np.repeat(weights, truth.shape[1])
        return of_scores(truth.reshape(-1), scores.reshape(-1), repeated, threshold, **arguments)
    pairs = zip(truth.T, scores.T, strict=True)
    values = np.array([of_scores(one, scored, weights, threshold, **arguments) for one, scored in pairs])
    return float(_mean(values, None if average == "macro" else _total(truth, weights)))


def of_columns(
    average: Average,
    from_counts: Callable[..., Scores],
    columns: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike],
    arguments: Mapping[str, Any],
) -> Scores:
    """The average of a metric of counts, tp, fp, fn and tn of each class or label being on the last axis.

    Returns:
        float64 of the shape of the leading axes.
    """
    if average == "micro":
        return from_counts(*(np.sum(column, axis=-1) for column in columns), **arguments)
    tp, _, fn, _ = columns
    return _mean(from_counts(*columns, **arguments), None if average == "macro" else np.add(tp, fn))


def _mean(values: Scores, support: ArrayLike | None) -> Scores:
    """Over the last axis, of what is defined, weighed by the support; nan where nothing is left."""
    weights = np.where(np.isnan(values), 0.0, 1.0 if support is None else support)
    total = weights.sum(axis=-1)
    found: Scores = np.full(np.shape(total), np.nan)
    np.divide(np.sum(np.where(weights > 0, values, 0) * weights, axis=-1), total, out=found, where=total > 0)
    return found


def _thresholds(threshold: Any, labels: int) -> Scores:
    found = np.asarray(threshold, np.float64)
    if found.shape not in ((), (labels,)) or not np.isfinite(found).all():
        raise DataError(f"threshold must be a finite number, or one for each of the {labels} labels, got {threshold}")
    return found


def _columns(labels: ArrayLike, outputs: ArrayLike) -> tuple[Labels, Scores]:
    """Labels as bool and probabilities, both (n, classes or labels)."""
    if np.ndim(labels) != 1:
        return checks.several(labels, outputs)
    numbers, scores = checks.classes(labels, outputs)
    checks.probabilities(scores)
    return numbers[:, None] == np.arange(scores.shape[1]), scores


def _counts(
    labels: ArrayLike, outputs: ArrayLike, weights: Scores | None, threshold: Any
) -> tuple[Scores, Scores, Scores, Scores]:
    if np.ndim(labels) == 1:
        numbers, scores = checks.classes(labels, outputs)
        cells = confusion.matrix(numbers, scores.argmax(axis=1), scores.shape[1], weights)
        return confusion.each_against_the_rest(cells)
    truth, scores = checks.several(labels, outputs)
    decisions = scores > _thresholds(threshold, scores.shape[1])
    return (
        _total(truth & decisions, weights),
        _total(~truth & decisions, weights),
        _total(truth & ~decisions, weights),
        _total(~truth & ~decisions, weights),
    )


def _total(chosen: Labels, weights: Scores | None) -> Scores:
    if weights is None:
        return np.asarray(chosen.sum(axis=0), np.float64)
    found: Scores = np.where(chosen, weights[:, None], 0.0).sum(axis=0)
    return found
