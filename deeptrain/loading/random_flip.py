"""Samples mirrored along an axis, some of them, in training only."""

import numpy as np

from deeptrain.errors import DataError
from deeptrain.loading.batch import Batch, changed
from deeptrain.shards.info import DataInfo


class RandomFlip:
    """Mirrors each sample with a probability along one of its axes: 1 of an image is left to right, 0 upside down."""

    def __init__(
        self,
        data: DataInfo,  # noqa: ARG002 - all preprocessors are made alike
        axis: int = 1,
        probability: float = 0.5,
        input: str | None = None,
    ) -> None:
        """Take the axis of a sample, the probability, and which of several inputs it is about.

        Raises:
            DataError: when the axis is no whole number from 0, or the probability not between 0 and 1.
        """
        if type(axis) is not int or axis < 0:
            raise DataError(f"random_flip: axis must be a whole number from 0, got {axis!r}")
        if not (isinstance(probability, int | float) and 0 <= probability <= 1):
            raise DataError(f"random_flip: probability must be between 0 and 1, got {probability!r}")
        self.axis = axis
        self.probability = probability
        self._input = input

    def process(self, batch: Batch, rng: np.random.Generator | None) -> Batch:
        """The batch with some samples mirrored.

        Raises:
            DataError: when samples have no such axis.
        """

        def flipped(x: np.ndarray) -> np.ndarray:
            if self.axis + 1 >= x.ndim:
                raise DataError(f"random_flip: samples of {list(x.shape[1:])} have no axis {self.axis}")
            if rng is None:
                return x
            chosen = rng.random(len(x)) < self.probability
            out = x.copy()
            out[chosen] = np.flip(x[chosen], self.axis + 1)
            return out

        return changed(batch, flipped, self._input)
