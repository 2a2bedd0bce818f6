"""What a sample counts for in the training loss: by its class, by itself."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError
from deeptrain.formats.cells import listed
from deeptrain.loading.batch import Batch
from deeptrain.shards.info import DataInfo
from deeptrain.shards.outputs import parts
from deeptrain.shards.reading import Split
from deeptrain.shards.settings import ONLY


def of_classes(given: str | Mapping[str, float] | None, data: DataInfo) -> NDArray[np.float32] | None:
    """(classes,) float32: the weight of each class by its number; None where there are none.

    Args:
        given: "balanced" weighs every class with samples / (classes * samples of the class) of the train split, as
            scikit-learn does, so that all classes count alike and the mean weight is 1; or the weights of the classes
            by name, 1 for those that are not named.
        data: names and counts of the classes.

    Raises:
        DataError: when the labels are of several outputs or have no classes, a class is unknown, or a weight is no
            number from 0.
    """
    if given is None:
        return None
    if isinstance(data.classes, dict):
        raise DataError(
            f"training.class_weights are for the labels of one output, there are {', '.join(data.named)}; "
            f"training.loss_weights say what each output counts for"
        )
    if not data.classes:
        raise DataError("training.class_weights need labels that are classes; these are values")
    if isinstance(given, str):
        found = np.array(parts(data.label_counts["train"])[ONLY], np.float64)
        if not found.all():
            raise DataError(
                f"training.class_weights = {given}: the train split has no sample of the class "
                f"{data.classes[int(np.argmin(found))]!r}; give the weights by class"
            )
        return np.asarray(found.sum() / (len(found) * found), np.float32)
    unknown = sorted(given.keys() - set(data.classes))
    if unknown:
        raise DataError(
            f"training.class_weights: there is no class {unknown[0]!r}; the classes are {listed(data.classes, 64)}"
        )
    for name, weight in given.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise DataError(f"training.class_weights.{name}: expected a finite number from 0, got {weight}")
    return np.array([given.get(name, 1.0) for name in data.classes], np.float32)


def of_samples(
    labels: NDArray[Any] | None, own: NDArray[np.floating[Any]] | None, classes: NDArray[np.float32] | None
) -> NDArray[np.float32] | None:
    """The product of class weights and samples' own weights, float32; None where there are neither.

    Args:
        labels: (samples,) or (samples, steps) class numbers; only needed with class weights.
        own: (samples,) weights from the data.
        classes: (classes,) by class number.
    """
    if classes is None or labels is None:
        return None if own is None else own.astype(np.float32)
    by_class: NDArray[np.float32] = classes[labels.astype(np.int64)]
    if own is None:
        return by_class
    product = own.astype(np.float32)
    return np.asarray(by_class * product.reshape(-1, *[1] * (by_class.ndim - 1)), np.float32)


def of_batches(
    batches: Sequence[Batch], split: Split, classes: NDArray[np.float32] | None, own: bool
) -> NDArray[np.float32] | None:
    """(batches, samples) float32: the weights of the samples of batches of equal size; None where there are none.

    Args:
        batches: as they are fed.
        split: that they are of, whose labels tell the classes.
        classes: (classes,) by class number, or None.
        own: whether the samples' own weights count.
    """
    found = []
    for batch in batches:
        labels = None if classes is None else split.labels[batch.indices]
        weight = of_samples(labels, batch.weights if own else None, classes)
        if weight is None:
            return None
        found.append(weight)
    return np.stack(found)
