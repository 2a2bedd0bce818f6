"""Metrics of decisions for one of several classes, as vectorised functions of a few counts of each class.

What such a metric knows of n decisions is, for each class, how often it was said rightly, said, and true: three arrays
(..., classes), whose leading axes are as many sets of decisions as one likes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.errors import SettingsError
from deeptrain.metrics import averages, confusion, counts, names
from deeptrain.metrics.checks import Integers
from deeptrain.metrics.counts import Values
from deeptrain.metrics.metric import Average, Metric


class ClassCounts(NamedTuple):
    """How often each class was said rightly, said, and true, each (..., classes)."""

    right: Integers | Values
    said: Integers | Values
    true: Integers | Values


def counted(truth: Integers, said: Integers, classes: int, weights: Values | None = None) -> ClassCounts:
    """Of decisions: class numbers (n,) that are true and that were said; with weights (n,) sums of them."""
    hit = truth == said
    right = np.bincount(truth[hit], None if weights is None else weights[hit], minlength=classes)
    return ClassCounts(right, *(np.bincount(of, weights, minlength=classes) for of in (said, truth)))


def applies(metric: Metric) -> bool:
    """Whether a metric is a function of these counts."""
    if "classes" not in metric.kinds or metric.source != "here":
        return False
    return metric.computation in (_OF_CLASSES if metric.average is None else counts.BY_NAME)


def metric(name: str) -> Metric:
    """The metric of that name, which is of decisions for one of several classes.

    Raises:
        SettingsError: when there is none, or it is of something else.
    """
    found = names.get(name)
    if not applies(found):
        if found.name in names.AVERAGED:
            cures = " or ".join(f"{found.name}_{average}" for average in names.AVERAGES)
            raise SettingsError(f"metric {name} is of two classes; for more say {cures}")
        fit = ", ".join(one.name for one in names.known() if applies(one) and one.average in (None, "macro"))
        raise SettingsError(f"metric {name} is not of decisions for one of several classes; those that are: {fit}")
    return found


def of_binary(name: str, average: Average) -> Metric:
    """What a metric of a binary decision becomes for several classes: its average, or its own form for them."""
    found = names.get(name)
    return metric(f"{found.name}_{average}" if found.name in names.AVERAGED else name)


def at(metric: Metric, found: ClassCounts) -> Values:
    """A metric to which these counts apply, of the shape of their leading axes; nan where it is undefined."""
    if metric.average is None:
        return _OF_CLASSES[metric.computation](*found)
    total = found.true.sum(axis=-1, keepdims=True)
    wrongly, missed = found.said - found.right, found.true - found.right
    columns = (found.right, wrongly, missed, total - found.right - wrongly - missed)
    return averages.of_columns(metric.average, counts.BY_NAME[metric.computation], columns, metric.arguments)


def _accuracy(right: ArrayLike, said: ArrayLike, true: ArrayLike) -> Values:  # noqa: ARG001
    hits = np.sum(right, axis=-1)
    return counts.accuracy(hits, np.sum(true, axis=-1) - hits, 0, 0)


_OF_CLASSES = {
    "accuracy": _accuracy,
    "balanced_accuracy": confusion.balanced_accuracy,
    "mcc": confusion.mcc,
    "kappa": confusion.kappa,
}
