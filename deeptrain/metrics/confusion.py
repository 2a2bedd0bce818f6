"""Metrics of several classes that are read off the whole confusion matrix: balanced accuracy, correlation, kappa."""

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.metrics.checks import Integers, Scores


def matrix(truth: Integers, said: Integers, classes: int, weights: Scores | None) -> Scores:
    """(classes, classes) float64: the weight of the samples of each class (row) that were said to be each (column).

    Args:
        truth: (n,) class numbers.
        said: (n,) class numbers.
        classes: how many there are.
        weights: (n,) or None, each sample counting as 1.
    """
    cells = np.bincount(truth * classes + said, weights, minlength=classes * classes)
    return cells.astype(np.float64).reshape(classes, classes)


def each_against_the_rest(cells: Scores) -> tuple[Scores, Scores, Scores, Scores]:
    """tp, fp, fn, tn of every class, each (classes,) float64, from the matrix."""
    tp = np.diagonal(cells)
    wrong = cells - np.diag(tp)
    fp, fn, labelled = wrong.sum(axis=0), wrong.sum(axis=1), cells.sum(axis=1)
    # The others are added up from both sides: a difference from the total would leave a little where there are none.
    return tp, fp, fn, np.maximum(_others(labelled) - fp, 0)


def _others(weights: Scores) -> Scores:
    below = np.append(0.0, np.cumsum(weights)[:-1])
    above = np.append(np.cumsum(weights[::-1])[::-1][1:], 0.0)
    found: Scores = below + above
    return found


def balanced_accuracy(right: ArrayLike, said: ArrayLike, true: ArrayLike) -> Scores:  # noqa: ARG001
    """The mean recall of the classes that are there; nan when there is only one.

    This and the others take, for each class, how often it was said rightly, said, and true, each (..., classes) counts
    or sums of weights, and give (...) float64.
    """
    hits, labelled = np.asarray(right, np.float64), np.asarray(true, np.float64)
    there = labelled > 0
    recall = np.divide(hits, labelled, out=np.zeros(np.broadcast_shapes(hits.shape, labelled.shape)), where=there)
    number = np.count_nonzero(there, axis=-1)
    return np.where(number < 2, np.nan, recall.sum(axis=-1) / np.maximum(number, 1))


def mcc(right: ArrayLike, said: ArrayLike, true: ArrayLike) -> Scores:
    """The correlation of classes and predictions, from -1 to 1; for two classes it is Matthews'.

    nan when there is only one class; 0 when all are predicted alike.
    Source: J. Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", 2004.
    """
    hits, called, labelled, total = _totals(right, said, true)
    agreed = hits * total - _dot(labelled, called)
    spread = np.sqrt(total**2 - _dot(labelled, labelled)) * np.sqrt(total**2 - _dot(called, called))
    alike = np.count_nonzero(called, axis=-1) < 2
    value = np.divide(agreed, spread, out=np.zeros(np.shape(spread)), where=~alike & (spread > 0))
    return np.where(np.count_nonzero(labelled, axis=-1) < 2, np.nan, np.clip(value, -1, 1))


def kappa(right: ArrayLike, said: ArrayLike, true: ArrayLike) -> Scores:
    """Cohen's kappa, agreement beyond that of chance, from -1 to 1; nan when there is only one class."""
    hits, called, labelled, total = _totals(right, said, true)
    by_chance = _dot(labelled, called)
    defined = np.count_nonzero(labelled, axis=-1) >= 2
    value: Scores = np.full(np.shape(by_chance), np.nan)
    np.divide(hits * total - by_chance, total**2 - by_chance, out=value, where=defined)
    return value


def of_matrix(cells: Scores) -> tuple[Scores, Scores, Scores]:
    """What those metrics take, each (classes,), from the matrix."""
    return np.diagonal(cells), cells.sum(axis=0), cells.sum(axis=1)


def _totals(right: ArrayLike, said: ArrayLike, true: ArrayLike) -> tuple[Scores, Scores, Scores, Scores]:
    """Right decisions (...), said and true by class, and all samples (...)."""
    called, labelled = np.asarray(said, np.float64), np.asarray(true, np.float64)
    return np.asarray(right, np.float64).sum(axis=-1), called, labelled, labelled.sum(axis=-1)


def _dot(one: Scores, other: Scores) -> Scores:
    found: Scores = np.sum(one * other, axis=-1)
    return found
