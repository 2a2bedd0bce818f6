"""What a map from scores to probabilities is, and what scores nearest to 0 and 1 count for in all of them."""

from typing import Any, Protocol

import numpy as np

from deeptrain.metrics.checks import Integers, Scores

LEAST = 2.0**-24
"""Scores below it, or above 1 less it, count as these: float32 has none between 1 - 2^-24 and 1, so that a score of
exactly 0 or 1 says no more than that. Log-odds are then within 16.64 of 0, and no log loss is over 16.64."""


class Map(Protocol):
    """A map from scores to probabilities; it never reverses the order of two scores of a class."""

    @property
    def name(self) -> str:
        """Of the method."""

    def apply(self, outputs: Scores) -> Scores:
        """Probabilities for scores, float64 of the same shape; each row depends on that row alone.

        Args:
            outputs: (n,) scores of the positive class, or (n, classes), in [0, 1].
        """

    def plain(self) -> dict[str, Any]:
        """Its numbers for JSON."""


def clipped(outputs: Scores) -> Scores:
    """Scores no nearer to 0 and 1 than `LEAST`."""
    return np.clip(outputs, LEAST, 1 - LEAST)


def log_odds(scores: Scores) -> Scores:
    """log(p / (1 - p)) of clipped scores."""
    inside = clipped(scores)
    found: Scores = np.log(inside) - np.log1p(-inside)
    return found


def sigmoid(values: Scores) -> Scores:
    """1 / (1 + exp(-v)) without overflow."""
    small = np.exp(-np.abs(values))  # of negative numbers only
    return np.asarray(np.where(values >= 0, 1 / (1 + small), small / (1 + small)))


def softmax(values: Scores) -> Scores:
    """exp(v) / sum of exp(v) along the last axis, without overflow."""
    found: Scores = np.exp(values - values.max(axis=-1, keepdims=True))
    found /= found.sum(axis=-1, keepdims=True)
    return found


def targets(labels: Integers, classes: int, weights: Scores | float = 1.0) -> Scores:
    """What maps are fitted to instead of 0 and 1: (n, classes) float64, rows sum to 1.

    Of the n members of a class each counts (n + 1) / (n + 2) for its class, and the rest is shared by the others: as if
    one more sample had been seen on each side. Every fit is finite then, also of separable data and of classes
    without a sample. Source, for two classes: J. Platt, "Probabilistic outputs for support vector machines", 1999.

    Args:
        labels: (n,) class numbers.
        classes: how many there are.
        weights: (n,) what each sample counts for, 1 on average; n is then their sum.
    """
    members = np.bincount(labels, np.broadcast_to(weights, labels.shape), classes)[labels]
    found: Scores = np.repeat((1 / (members + 2) / (classes - 1))[:, None], classes, axis=1)
    found[np.arange(len(labels)), labels] = (members + 1) / (members + 2)
    return found
