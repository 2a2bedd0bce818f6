"""New samples in memory, read as a split is read: for predictions on what was never converted."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError, in_one_line
from deeptrain.formats import numbers
from deeptrain.shards.info import DataInfo, InputInfo
from deeptrain.shards.outputs import each


class InMemory:
    """Samples without labels, as `Batches` and `WindowFeed` read a `Split`. Made of what a user gives by `of`.

    Attributes:
        name: for messages.
        info: of the data they are like.
        labels: zeros of the shape that labels of the data have: nothing is asked of them.
        sets: (samples,) int64 zeros.
        weights: none.
        lengths: by input that is a sequence, (samples,) int64 steps of each.
    """

    def __init__(self, inputs: Mapping[str, NDArray[Any] | Sequence[NDArray[Any]]], info: DataInfo) -> None:
        """Take by input an array (samples, *shape), or sequences (steps, *shape), of one dtype."""
        count = len(next(iter(inputs.values())))
        self.name = "given"
        self.info = info
        self.sets = np.zeros(count, np.int64)
        self.weights = None
        self.lengths = {
            name: np.array([len(one) for one in given], np.int64)
            for name, given in inputs.items()
            if not isinstance(given, np.ndarray)
        }
        labels = int(next(iter(self.lengths.values())).sum()) if info.per_step else count
        self.labels = each(lambda _: np.zeros(labels, np.int64), info.kind)
        self.blocks = np.arange(count + 1)
        self.columns: dict[str, Any] = {}
        self.bytes = sum(
            given.nbytes if isinstance(given, np.ndarray) else sum(one.nbytes for one in given)
            for given in inputs.values()
        )
        self._inputs = dict(inputs)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.sets)

    def take(self, indices: NDArray[np.integer[Any]]) -> Any:
        """The samples at `indices`: an array, a list of sequences, or these by input where there are several."""
        found = {
            name: given[indices] if isinstance(given, np.ndarray) else [given[index] for index in indices]
            for name, given in self._inputs.items()
        }
        return found if len(found) > 1 else next(iter(found.values()))


def of(given: Any, info: DataInfo, *, allow_missing: bool = False) -> InMemory:
    """Samples that a user gives, checked and in the dtype of the data.

    Args:
        given: (samples, *shape), or as many values a sample on one axis; a list of arrays (steps, *shape) where samples
            are sequences; a mapping of these by input where there are several.
        info: what the model was trained on.
        allow_missing: whether floats may be NaN.

    Raises:
        DataError: for another shape or dtype, an input that lacks, or no samples at all.
    """
    names = [one.name for one in info.inputs]
    if len(names) == 1 and not isinstance(given, Mapping):
        given = {names[0]: given}
    if not isinstance(given, Mapping):
        told = ", ".join(names)
        raise DataError(f"samples must be a mapping of the inputs {told} to arrays, got {type(given).__name__}")
    missing = [name for name in names if name not in given]
    if missing:
        raise DataError(f"samples lack {len(missing)} of the {len(names)} inputs: {', '.join(missing[:5])}")
    inputs = {
        one.name: (_sequences if one.sequence else _alike)(given[one.name], one, allow_missing) for one in info.inputs
    }
    counts = {name: len(part) for name, part in inputs.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        raise DataError(f"each input must have as many samples, got {told}")
    if not counts[names[0]]:
        raise DataError("there are no samples to predict for: expected at least 1, got 0")
    return InMemory(inputs, info)


def _alike(given: Any, like: InputInfo, missing: bool) -> NDArray[Any]:
    shape, told = tuple(size for size in like.shape if size is not None), _told("samples", like)
    array = _array(given, told, like)
    if array.ndim < 1 or array.shape[1:] not in (shape, (math.prod(shape),)):
        raise DataError(f"{told} must have the shape (samples, {', '.join(map(str, shape))}), got {array.shape}")
    return _cast(array.reshape(len(array), *shape), like, f"{told}: number", missing)


def _sequences(given: Any, like: InputInfo, missing: bool) -> list[NDArray[Any]]:
    step, told = like.shape[1:], _told("sequences", like)
    found = []
    for number, one in enumerate(given):
        array = _array(one, told, like)
        place = f"for number {number} (counted from 0)"
        if array.ndim == 0 or array.shape[1:] != step:
            raise DataError(
                f"{told} must have the shape (steps, {', '.join(map(str, step))}), got {array.shape} {place}"
            )
        if not len(array):
            raise DataError(f"{told} must have at least 1 step, got 0 {place}")
        found.append(_cast(array, like, f"{told}: number {number}, step", missing))
    return found


def _array(given: Any, told: str, like: InputInfo) -> NDArray[Any]:
    try:
        array = np.asarray(given)
    except ValueError as error:  # lists of different lengths
        raise DataError(f"{told} must be arrays of one shape: {in_one_line(error)}") from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"{told} must be numbers ({like.dtype}), got dtype {array.dtype}")
    return array


def _cast(array: NDArray[Any], like: InputInfo, place: str, missing: bool) -> NDArray[Any]:
    return numbers.cast(array, like.dtype, lambda row: f"{place} {row}", missing)


def _told(what: str, like: InputInfo) -> str:
    return what if like.name == "x" else f"{what} of {like.name}"
