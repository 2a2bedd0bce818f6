"""From a model's raw outputs to probabilities or values, whichever the task is about."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from deeptrain.loading.arrays import Arrays
from deeptrain.metrics.metric import Kind
from deeptrain.shards.outputs import each

OutputKind = Literal["probabilities", "logits"]


def interpret(outputs: Arrays, kind: Kind | Mapping[str, Kind], given: OutputKind) -> Arrays:
    """What raw outputs say, of several each by its name.

    Args:
        outputs: binary: (..., 1) or (...); classes: (..., classes); values: as the labels, or with an axis of 1 more.
        kind: of the task, of several outputs by name.
        given: whether the model gives probabilities (or values) or logits.

    Returns:
        binary: (...) probabilities of the positive class; classes: (..., classes) probabilities; values: float64.
        All float64, so that nothing is lost after the model.
    """
    return each(lambda its, one: _interpreted(one, its, given), kinds(kind, outputs), outputs)  # type: ignore[no-any-return]


def _interpreted(outputs: np.ndarray, kind: Kind, given: OutputKind) -> np.ndarray:
    exact = outputs.astype(np.float64)
    if kind == "classes":
        return _softmax(exact) if given == "logits" else exact
    flat = exact[..., 0] if exact.shape[-1:] == (1,) else exact
    return _sigmoid(flat) if kind == "binary" and given == "logits" else flat


def kinds(kind: Kind | Mapping[str, Kind], arrays: Arrays) -> Kind | Mapping[str, Kind]:
    """The kind of each of several arrays by name, where one was told of all."""
    return dict.fromkeys(arrays, kind) if isinstance(arrays, Mapping) and isinstance(kind, str) else kind


def as_labels(values: Arrays, labels: Arrays, kind: Kind | Mapping[str, Kind]) -> Arrays:
    """Values in the shape of their labels: `interpret` takes a last axis of one away, which images may have."""
    return each(_as_labels, values, labels, kinds(kind, values))  # type: ignore[no-any-return]


def _as_labels(values: np.ndarray, labels: np.ndarray, kind: Kind) -> np.ndarray:
    return values.reshape(labels.shape) if kind == "values" and values.size == labels.size else values


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    # exp of a negative number only, so that nothing overflows.
    small = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0, 1 / (1 + small), small / (1 + small)))


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
