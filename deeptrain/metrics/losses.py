"""The losses of Keras as metrics: what each sample loses, in float64, and the weighted mean of it.

Formulas are those of `keras.losses` (3.15), from which a test takes the values; other sources are named. Means over
samples divide by the sum of weights. Keras clips probabilities at 1e-7, and so do the cross-entropies here; `log_loss`
clips at 2e-16.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.errors import DataError
from deeptrain.metrics import checks
from deeptrain.metrics.checks import Scores

EPSILON = 1e-7
"""`keras.config.epsilon()`, as it is by default."""

Loss = Callable[..., Scores]
"""Of labels and outputs, and arguments by name: what each sample loses, (n,) or (n, ...), whose mean it is."""


def mean(values: ArrayLike, weights: Scores | None) -> float:
    """The mean of values (n, ...) over all of them, or by the weights (n,) of the samples."""
    found = np.asarray(values)
    if weights is None:
        return float(np.mean(found))
    return float(np.average(found.reshape(len(found), -1).mean(axis=1), weights=weights))


def absolute_error(labels: ArrayLike, outputs: ArrayLike) -> Scores:
    """|output - label|."""
    truth, said = checks.values(labels, outputs)
    return np.asarray(np.abs(said - truth))


def squared_error(labels: ArrayLike, outputs: ArrayLike) -> Scores:
    """(output - label)²."""
    truth, said = checks.values(labels, outputs)
    return np.asarray(np.square(said - truth))


def absolute_percentage_error(labels: ArrayLike, outputs: ArrayLike) -> Scores:
    """100 |output - label| / |label|, labels nearer to 0 than 1e-7 counting as that; in percent."""
    truth, said = checks.values(labels, outputs)
    return 100 * np.abs(said - truth) / np.maximum(np.abs(truth), EPSILON)


def squared_logarithmic_error(labels: ArrayLike, outputs: ArrayLike) -> Scores:
    """(log(1 + output) - log(1 + label))², what is below 1e-7 counting as that."""
    truth, said = checks.values(labels, outputs)
    found: Scores = np.square(np.log1p(np.maximum(said, EPSILON)) - np.log1p(np.maximum(truth, EPSILON)))
    return found


def log_cosh(labels: ArrayLike, outputs: ArrayLike) -> Scores:
    """log(cosh(output - label)), without overflow: |d| + log(1 + exp(-2 |d|)) - log 2."""
    truth, said = checks.values(labels, outputs)
    distance = np.abs(said - truth)
    found: Scores = distance + np.log1p(np.exp(-2 * distance)) - np.log(2)
    return found


def huber(labels: ArrayLike, outputs: ArrayLike, delta: float = 1.0) -> Scores:
    """d²/2 up to delta, and delta |d| - delta²/2 beyond; P. J. Huber, 1964."""
    truth, said = checks.values(labels, outputs)
    distance = np.abs(said - truth)
    return np.where(distance <= delta, np.square(distance) / 2, delta * distance - delta * delta / 2)


def poisson(labels: ArrayLike, outputs: ArrayLike) -> Scores:
    """The output - label log(output + 1e-7): Poisson's likelihood, but for what the output does not change."""
    truth, said = checks.values(labels, outputs)
    checks.within(said, "outputs", 0, np.inf)
    return said - truth * np.log(said + EPSILON)


def cosine_similarity(labels: ArrayLike, outputs: ArrayLike) -> Scores:
    """Minus the cosine of the angle between label and output along the last axis, from -1 (alike) to 1.

    A vector of zeros has no direction and counts 0. `keras.metrics.CosineSimilarity` has the other sign.
    """
    truth, said = checks.values(labels, outputs)
    if truth.ndim < 2:
        raise DataError(f"labels must have the shape (samples, ..., values), got {truth.shape}")
    found: Scores = -np.sum(_unit(truth) * _unit(said), axis=-1)
    return found


def hinge(labels: ArrayLike, outputs: ArrayLike) -> Scores:
    """max(1 - label output, 0); labels are -1 and 1, and where all are 0 or 1, 0 stands for -1."""
    truth, said = _signed(labels, outputs)
    return np.maximum(1 - truth * said, 0)


def squared_hinge(labels: ArrayLike, outputs: ArrayLike) -> Scores:
    """The square of `hinge`."""
    return np.asarray(np.square(hinge(labels, outputs)))


def binary_crossentropy(labels: ArrayLike, outputs: ArrayLike) -> Scores:
    """-label log(output) - (1 - label) log(1 - output), in nats; both in [0, 1]."""
    truth, said = checks.values(labels, outputs)
    checks.within(truth, "labels", 0, 1)
    checks.within(said, "outputs", 0, 1)
    said = np.clip(said, EPSILON, 1 - EPSILON)
    return -truth * np.log(said) - (1 - truth) * np.log1p(-said)


def categorical_crossentropy(labels: ArrayLike, outputs: ArrayLike) -> Scores:
    """Minus the sum over classes of label log(output), in nats.

    Labels are class numbers (n,), or distributions (n, classes), of which one-hot rows are some.
    """
    truth, said = _distributions(labels, outputs)
    said = said / said.sum(axis=1, keepdims=True)
    found: Scores = -np.sum(truth * np.log(np.clip(said, EPSILON, 1 - EPSILON)), axis=1)
    return found


def kullback_leibler_divergence(labels: ArrayLike, outputs: ArrayLike) -> Scores:
    """The sum over classes of label log(label / output), in nats, both clipped at 1e-7; Kullback and Leibler, 1951."""
    truth, said = (np.clip(one, EPSILON, 1) for one in _distributions(labels, outputs))
    found: Scores = np.sum(truth * np.log(truth / said), axis=1)
    return found


def categorical_hinge(labels: ArrayLike, outputs: ArrayLike) -> Scores:
    """max(1 + the greatest output of a wrong class - that of the right one, 0); labels as above, or any values."""
    truth, said = _one_hot(labels, outputs) if np.ndim(labels) == 1 else checks.values(labels, outputs)
    if truth.ndim != 2:
        raise DataError(f"labels must have the shape (samples,) or (samples, classes), got {truth.shape}")
    found: Scores = np.maximum(np.max((1 - truth) * said, axis=1) - np.sum(truth * said, axis=1) + 1, 0)
    return found


BY_NAME: Mapping[str, Loss] = {
    "mean_absolute_error": absolute_error,
    "mean_squared_error": squared_error,
    "mean_absolute_percentage_error": absolute_percentage_error,
    "mean_squared_logarithmic_error": squared_logarithmic_error,
    "log_cosh": log_cosh,
    "huber": huber,
    "poisson": poisson,
    "cosine_similarity": cosine_similarity,
    "hinge": hinge,
    "squared_hinge": squared_hinge,
    "binary_crossentropy": binary_crossentropy,
    "categorical_crossentropy": categorical_crossentropy,
    "kullback_leibler_divergence": kullback_leibler_divergence,
    "categorical_hinge": categorical_hinge,
}
"""By the name of the metric."""


def _signed(labels: ArrayLike, outputs: ArrayLike) -> tuple[Scores, Scores]:
    truth, said = checks.values(labels, outputs)
    return (2 * truth - 1, said) if ((truth == 0) | (truth == 1)).all() else (truth, said)


def _one_hot(labels: ArrayLike, outputs: ArrayLike) -> tuple[Scores, Scores]:
    truth, said = checks.classes(labels, outputs)
    return (truth[:, None] == np.arange(said.shape[1])).astype(np.float64), said


def _distributions(labels: ArrayLike, outputs: ArrayLike) -> tuple[Scores, Scores]:
    truth, said = _one_hot(labels, outputs) if np.ndim(labels) == 1 else checks.values(labels, outputs)
    if truth.ndim != 2:
        raise DataError(f"labels must have the shape (samples,) or (samples, classes), got {truth.shape}")
    checks.probabilities(truth, "labels")
    checks.probabilities(said)
    return truth, said


def _unit(vectors: Scores) -> Scores:
    # Scaled by the greatest first, so that squares neither overflow nor vanish.
    greatest = np.abs(vectors).max(axis=-1, keepdims=True)
    scaled = np.divide(vectors, greatest, out=np.zeros_like(vectors), where=greatest > 0)
    length = np.sqrt(np.sum(np.square(scaled), axis=-1, keepdims=True))
    found: Scores = np.divide(scaled, length, out=np.zeros_like(vectors), where=length > 0)
    return found
