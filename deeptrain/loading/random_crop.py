"""A part of each sample: anywhere in training, the middle elsewhere."""

from collections.abc import Sequence

import numpy as np

from deeptrain.errors import DataError
from deeptrain.loading.batch import Batch, changed
from deeptrain.shards.info import DataInfo


class RandomCrop:
    """Cuts the first axes of each sample to a size: (samples, 32, 32, 3) with size [28, 28] to (samples, 28, 28, 3)."""

    def __init__(self, data: DataInfo, size: Sequence[int], input: str | None = None) -> None:  # noqa: ARG002
        """Take the size of the first axes, and which of several inputs it is about.

        Raises:
            DataError: when it is no list of whole numbers of at least 1.
        """
        if not size or any(type(axis) is not int or axis < 1 for axis in size):
            raise DataError(f"random_crop: size must be a list of whole numbers of at least 1, got {size!r}")
        self.size = tuple(size)
        self._input = input

    def process(self, batch: Batch, rng: np.random.Generator | None) -> Batch:
        """The batch with smaller samples, each cut at a place of its own.

        Raises:
            DataError: when samples are smaller than the size.
        """

        def cropped(x: np.ndarray) -> np.ndarray:
            room = [have - want for have, want in zip(x.shape[1:], self.size, strict=False)]
            if len(room) < len(self.size) or min(room) < 0:
                raise DataError(f"random_crop: size {list(self.size)} does not fit in samples of {list(x.shape[1:])}")
            middle = np.tile([left // 2 for left in room], (len(x), 1))
            begin = middle if rng is None else rng.integers(0, room, (len(x), len(room)), endpoint=True)
            out = np.empty((len(x), *self.size, *x.shape[1 + len(self.size) :]), x.dtype)
            for row, first in enumerate(begin.tolist()):
                part = tuple(slice(at, at + want) for at, want in zip(first, self.size, strict=True))
                out[row] = x[row][part]
            return out

        return changed(batch, cropped, self._input)
