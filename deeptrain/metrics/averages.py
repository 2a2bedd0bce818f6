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
from deeptrain.metrics import checks
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
    if np.ndim(labels) == 1:
        numbers, scores = checks.classes(labels, outputs)
        every = np.arange(scores.shape[1])
        truth, decisions = numbers[:, None] == every, scores.argmax(axis=1)[:, None] == every
        if from_counts is None:
            checks.probabilities(scores)
    else:
        truth, scores = checks.several(labels, outputs)
        decisions = scores > _thresholds(threshold, scores.shape[1])
    each = np.ones(len(truth)) if weights is None else weights
    if from_counts is not None:
        columns = _counts(truth, decisions, each)
        if average == "micro":
            return float(from_counts(*(column.sum() for column in columns), **arguments))
        values = from_counts(*columns, **arguments)
    elif average == "micro":
        repeated = None if weights is None else np.repeat(weights, truth.shape[1])
        return of_scores(truth.reshape(-1), scores.reshape(-1), repeated, threshold, **arguments)
    else:
        pairs = zip(truth.T, scores.T, strict=True)
        values = np.array([of_scores(one, scored, weights, threshold, **arguments) for one, scored in pairs])
    support = np.ones(truth.shape[1]) if average == "macro" else _total(truth, each)
    support = np.where(np.isnan(values), 0.0, support)
    return float(np.average(values[support > 0], weights=support[support > 0])) if support.any() else float("nan")


def _thresholds(threshold: Any, labels: int) -> Scores:
    found = np.asarray(threshold, np.float64)
    if found.shape not in ((), (labels,)) or not np.isfinite(found).all():
        raise DataError(f"threshold must be a finite number, or one for each of the {labels} labels, got {threshold}")
    return found


def _counts(truth: Labels, decisions: Labels, weights: Scores) -> tuple[Scores, Scores, Scores, Scores]:
    return (
        _total(truth & decisions, weights),
        _total(~truth & decisions, weights),
        _total(truth & ~decisions, weights),
        _total(~truth & ~decisions, weights),
    )


def _total(chosen: Labels, weights: Scores) -> Scores:
    found: Scores = np.where(chosen, weights[:, None], 0.0).sum(axis=0)
    return found
