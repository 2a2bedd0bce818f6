"""Whole numbers as vectors with a single one."""

from typing import Any

import numpy as np

from deeptrain.errors import DataError
from deeptrain.loading.batch import Batch, changed
from deeptrain.shards.info import DataInfo


class OneHot:
    """Turns inputs that are numbers of kinds, 0 to depth - 1, into float32 vectors: (samples, ...) to (..., depth)."""

    def __init__(self, data: DataInfo, depth: int, input: str | None = None) -> None:  # noqa: ARG002
        """Take the number of kinds, and which of several inputs it is about.

        Raises:
            DataError: when it is no whole number of at least 2.
        """
        if type(depth) is not int or depth < 2:
            raise DataError(f"one_hot: depth must be a whole number of at least 2, got {depth!r}")
        self.depth = depth
        self._input = input

    def process(self, batch: Batch, rng: np.random.Generator | None) -> Batch:  # noqa: ARG002 - the protocol's
        """The batch with one axis more.

        Raises:
            DataError: when a value is no whole number in the range, with its sample.
        """
        return changed(batch, self._vectors, self._input)

    def _vectors(self, x: np.ndarray) -> np.ndarray:
        numbers: Any = x.astype(np.int64)
        bad = (numbers != x) | (numbers < 0) | (numbers >= self.depth)
        if bad.any():
            where = tuple(int(axis[0]) for axis in np.nonzero(bad))
            raise DataError(
                f"one_hot: expected whole numbers from 0 to {self.depth - 1}, got {x[where]} in sample {where[0]} "
                "of a batch"
            )
        return np.asarray(numbers[..., None] == np.arange(self.depth), np.float32)
