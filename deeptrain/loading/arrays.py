"""One array or several by name: what a model takes and gives."""

from collections.abc import Callable, Mapping

import numpy as np

Arrays = np.ndarray | Mapping[str, np.ndarray]
"""An array, or a mapping of arrays by the name of the input or output."""


def mapped(change: Callable[[np.ndarray], np.ndarray], arrays: Arrays) -> Arrays:
    """Each array changed, in the same structure."""
    if isinstance(arrays, Mapping):
        return {name: change(array) for name, array in arrays.items()}
    return change(arrays)


def stacked(parts: list[Arrays]) -> Arrays:
    """Arrays of one structure and shape on a new first axis, in memory of their own."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {name: np.stack([part[name] for part in parts]) for name in first}
    return np.stack(parts)  # type: ignore[arg-type]


def joined(parts: list[Arrays]) -> Arrays:
    """Arrays of one structure, one after the other along the first axis."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {name: np.concatenate([part[name] for part in parts]) for name in first}
    return np.concatenate(parts)  # type: ignore[arg-type]


def samples(arrays: Arrays) -> int:
    """How many rows there are: the length of the first axis."""
    return len(next(iter(arrays.values()))) if isinstance(arrays, Mapping) else len(arrays)


def nbytes(arrays: Arrays) -> int:
    """Bytes of all arrays together."""
    return sum(array.nbytes for array in arrays.values()) if isinstance(arrays, Mapping) else arrays.nbytes


def finite(arrays: Arrays) -> bool:
    """Whether every number of all arrays is finite."""
    parts = arrays.values() if isinstance(arrays, Mapping) else [arrays]
    return all(bool(np.isfinite(part).all()) for part in parts)
