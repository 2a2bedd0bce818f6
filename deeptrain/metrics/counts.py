"""The family of counts: metrics as vectorised functions of true and false positives and negatives.

Each takes (tp, fp, fn, tn) as numbers or arrays that broadcast, integers or sums of weights, and gives float64 of the
broadcast shape. What is 0/0 because the *data* lack a class, or are empty, is nan: nothing was measured. What is 0/0
because of what was *predicted*, such as the precision of no positives, is 0, scikit-learn's convention. So with both
classes present every metric is a number at every threshold. Numerators and denominators are exact in float64 while the
square of the number of samples is below 2**53, and metrics that are equal as fractions are then equal as floats.

Definitions: D. M. W. Powers, "Evaluation: from precision, recall and F-measure to ROC, informedness, markedness and
correlation", 2011 (arXiv:2010.16061), where no other source is given.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain.errors import DataError, SettingsError
from deeptrain.metrics import checks

Values: TypeAlias = NDArray[np.float64]
CountFunction: TypeAlias = Callable[..., Values]
"""Of tp, fp, fn, tn, and arguments by name, such as the `beta` of `f_beta`."""


class Counts(NamedTuple):
    """True positives, false positives, false negatives, true negatives."""

    tp: int
    fp: int
    fn: int
    tn: int


def counts_at(labels: ArrayLike, scores: ArrayLike, threshold: float) -> Counts:
    """The confusion counts when a sample is called positive if its score is greater than the threshold.

    Args:
        labels: (n,) of 0 and 1.
        scores: (n,) probabilities in [0, 1].
        threshold: a finite number.

    Raises:
        DataError: when labels or scores are not that.
    """
    truth, values = checks.binary(labels, scores)
    return counted(truth, values > threshold)


def counted(labels: NDArray[np.bool_], decisions: NDArray[np.bool_]) -> Counts:
    """The confusion counts of decisions already taken; both (n,) bool."""
    tp = int(np.count_nonzero(labels & decisions))
    positives, called = int(np.count_nonzero(labels)), int(np.count_nonzero(decisions))
    return Counts(tp, called - tp, positives - tp, len(labels) - positives - called + tp)


def counted_columns(
    labels: NDArray[np.bool_], decisions: NDArray[np.bool_], weights: Values | None = None
) -> tuple[NDArray[Any], ...]:
    """tp, fp, fn, tn of each of several labels, each (labels,), of decisions already taken; both (n, labels) bool.

    With weights (n,) sums of them instead.
    """
    if weights is not None:
        cells = (labels & decisions, ~labels & decisions, labels & ~decisions, ~labels & ~decisions)
        return tuple(weights @ cell for cell in cells)
    tp = np.count_nonzero(labels & decisions, axis=0)
    positives, called = np.count_nonzero(labels, axis=0), np.count_nonzero(decisions, axis=0)
    return tp, called - tp, positives - tp, len(labels) - positives - called + tp


def weighed(
    labels: NDArray[np.bool_], decisions: NDArray[np.bool_], weights: Values | None
) -> tuple[float, float, float, float]:
    """The confusion counts of decisions already taken, each sample counting as much as its weight; all (n,)."""
    if weights is None:
        return counted(labels, decisions)
    # Each of the four is a sum of its own: a difference of sums would leave a little of what is not there.
    tn, fp, fn, tp = np.bincount(labels * np.int64(2) + decisions, weights, minlength=4).tolist()
    return tp, fp, fn, tn


def counts_at_thresholds(
    labels: ArrayLike, scores: ArrayLike, thresholds: ArrayLike, weights: ArrayLike | None = None
) -> tuple[Values, Values, Values, Values]:
    """The confusion counts at many thresholds by one sort: tp, fp, fn, tn, each float64 of the thresholds' shape.

    `f1_score(*counts_at_thresholds(labels, scores, thresholds))` is F1 at each of them.

    Args:
        labels: (n,) of 0 and 1.
        scores: (n,) probabilities in [0, 1].
        thresholds: finite numbers, of any shape.
        weights: (n,) what each sample counts for.

    Raises:
        DataError: when they are not that.
    """
    truth, values = checks.binary(labels, scores)
    given, cuts = checks.weights(weights, len(truth)), np.asarray(thresholds, np.float64)
    if not np.isfinite(cuts).all():
        raise DataError(f"thresholds must be finite, got {cuts[~np.isfinite(cuts)][0]}")
    order = np.argsort(values, kind="stable")
    each = np.ones(len(truth)) if given is None else given[order]
    below = np.searchsorted(values[order], cuts, side="right")
    truth = truth[order]
    positive, negative = (np.append(0.0, np.cumsum(np.where(chosen, each, 0))) for chosen in (truth, ~truth))
    fn, tn = positive[below], negative[below]
    return positive[-1] - fn, negative[-1] - tn, fn, tn


def f_beta(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike, beta: float = 1.0) -> Values:  # noqa: ARG001
    """F-beta: the harmonic mean of precision and recall, recall weighing beta times as much.

    nan when there are no positives and none is predicted. Source: C. J. van Rijsbergen, Information Retrieval, 1979.

    Raises:
        SettingsError: when beta is not a finite number above 0.
    """
    if not (np.isfinite(beta) and beta > 0):
        raise SettingsError(f"beta must be a finite number above 0, got {beta}")
    weight = beta * beta
    hits = (1 + weight) * _floats(tp)
    return _ratio(hits, hits + weight * _floats(fn) + _floats(fp))


def f1_score(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike) -> Values:
    """F1, 2 tp / (2 tp + fp + fn): nan when there are no positives and none is predicted."""
    return f_beta(tp, fp, fn, tn)


def precision(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike) -> Values:  # noqa: ARG001
    """The fraction of predicted positives that are: 0 when none is predicted."""
    return _ratio(_floats(tp), _floats(tp) + _floats(fp), undefined=0.0)


def recall(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike) -> Values:  # noqa: ARG001
    """The fraction of positives that are found (sensitivity, true positive rate): nan when there are none."""
    return _ratio(_floats(tp), _floats(tp) + _floats(fn))


def specificity(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike) -> Values:  # noqa: ARG001
    """The fraction of negatives that are called so (true negative rate): nan when there are none."""
    return _ratio(_floats(tn), _floats(tn) + _floats(fp))


def accuracy(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike) -> Values:
    """The fraction of samples that are called right: nan when there are no samples."""
    right = _floats(tp) + _floats(tn)
    return _ratio(right, right + _floats(fp) + _floats(fn))


def balanced_accuracy(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike) -> Values:
    """The mean of recall and specificity: nan when a class is missing."""
    hits, passes = _floats(tp), _floats(tn)
    positives, negatives = hits + _floats(fn), passes + _floats(fp)
    return _ratio(hits * negatives + passes * positives, 2 * positives * negatives)


def informedness(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike) -> Values:
    """Recall + specificity - 1 (Youden's J), from -1 to 1, 0 for guessing: nan when a class is missing.

    Source: W. J. Youden, "Index for rating diagnostic tests", 1950.
    """
    tp, fp, fn, tn = _floats(tp), _floats(fp), _floats(fn), _floats(tn)
    return _ratio(tp * tn - fp * fn, (tp + fn) * (tn + fp))


def mcc(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike) -> Values:
    """Matthews' correlation of labels and predictions, from -1 to 1.

    nan when a class is missing from the labels; 0 when all are predicted alike, which tells nothing.
    Source: B. W. Matthews, 1975; the 0 as in D. Chicco and G. Jurman, 2020 (doi:10.1186/s12864-019-6413-7).
    """
    tp, fp, fn, tn = _floats(tp), _floats(fp), _floats(fn), _floats(tn)
    labelled, called = (tp + fn) * (tn + fp), (tp + fp) * (tn + fn)
    value = _ratio(tp * tn - fp * fn, np.sqrt(labelled) * np.sqrt(called), undefined=0.0)
    return _floats(np.where(labelled == 0, np.nan, np.clip(value, -1, 1)))


def jaccard(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike) -> Values:  # noqa: ARG001
    """Intersection over union of positives and predicted positives: nan when both are empty."""
    return _ratio(_floats(tp), _floats(tp) + _floats(fp) + _floats(fn))


def kappa(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike) -> Values:
    """Cohen's kappa: agreement of labels and predictions beyond that of chance, from -1 to 1.

    nan when a class is missing from the labels: chance then explains everything, whatever is predicted.
    Source: J. Cohen, "A coefficient of agreement for nominal scales", 1960.
    """
    tp, fp, fn, tn = _floats(tp), _floats(fp), _floats(fn), _floats(tn)
    labelled = (tp + fn) * (tn + fp)
    value = _ratio(2 * (tp * tn - fp * fn), (tp + fp) * (fp + tn) + (tp + fn) * (fn + tn))
    return _floats(np.where(labelled == 0, np.nan, value))


def cost(
    tp: ArrayLike,
    fp: ArrayLike,
    fn: ArrayLike,
    tn: ArrayLike,
    false_positive: float = 1.0,
    false_negative: float = 1.0,
) -> Values:
    """The mean cost of a sample, mistakes having a price; less is better: nan when there are no samples.

    Source: C. Elkan, "The foundations of cost-sensitive learning", 2001.

    Raises:
        SettingsError: when a price is not a finite number, at least 0.
    """
    for name, price in (("false_positive", false_positive), ("false_negative", false_negative)):
        if not (np.isfinite(price) and price >= 0):
            raise SettingsError(f"{name} must be a finite number, at least 0, got {price}")
    tp, fp, fn, tn = _floats(tp), _floats(fp), _floats(fn), _floats(tn)
    return _ratio(false_positive * fp + false_negative * fn, tp + fp + fn + tn)


BY_NAME: Mapping[str, CountFunction] = {
    "accuracy": accuracy,
    "f1_score": f1_score,
    "f_beta": f_beta,
    "precision": precision,
    "recall": recall,
    "specificity": specificity,
    "jaccard": jaccard,
    "balanced_accuracy": balanced_accuracy,
    "informedness": informedness,
    "mcc": mcc,
    "kappa": kappa,
    "cost": cost,
}
"""The functions of the metrics of counts in `metrics.names`; the same names, which a test holds."""


def _floats(count: ArrayLike) -> Values:
    return np.asarray(count, np.float64)


def _ratio(numerator: Values, denominator: Values, undefined: float = np.nan) -> Values:
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    result: Values = np.full(shape, undefined)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result
