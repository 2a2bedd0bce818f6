"""Metrics of several classes that are read off the whole confusion matrix: balanced accuracy, correlation, kappa."""

import numpy as np

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


def balanced_accuracy(cells: Scores) -> float:
    """The mean recall of the classes that are there; nan when there is only one."""
    labelled = cells.sum(axis=1)
    there = labelled > 0
    if np.count_nonzero(there) < 2:
        return float("nan")
    return float(np.mean(np.diagonal(cells)[there] / labelled[there]))


def mcc(cells: Scores) -> float:
    """The correlation of classes and predictions, from -1 to 1; for two classes it is Matthews'.

    nan when there is only one class; 0 when all are predicted alike.
    Source: J. Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", 2004.
    """
    total, labelled, called = cells.sum(), cells.sum(axis=1), cells.sum(axis=0)
    if np.count_nonzero(labelled) < 2:
        return float("nan")
    if np.count_nonzero(called) < 2:
        return 0.0
    agreed = np.trace(cells) * total - labelled @ called
    spread = np.sqrt(total**2 - labelled @ labelled) * np.sqrt(total**2 - called @ called)
    return float(np.clip(agreed / spread, -1, 1))


def kappa(cells: Scores) -> float:
    """Cohen's kappa, agreement beyond that of chance, from -1 to 1; nan when there is only one class."""
    total, labelled, called = cells.sum(), cells.sum(axis=1), cells.sum(axis=0)
    if np.count_nonzero(labelled) < 2:
        return float("nan")
    by_chance = labelled @ called
    return float((np.trace(cells) * total - by_chance) / (total**2 - by_chance))
