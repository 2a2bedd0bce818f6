"""Gaussian noise on the inputs, in training only."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from deeptrain.errors import DataError
from deeptrain.loading.arrays import mapped
from deeptrain.loading.batch import Batch
from deeptrain.shards.info import DataInfo


class Noise:
    """Adds a normal number of mean 0 to every value; inputs become float32.

    Labels that are the inputs themselves stay without noise: a model learns to remove it.
    """

    def __init__(self, data: DataInfo, std: float) -> None:  # noqa: ARG002 - all preprocessors are made alike
        """Take the standard deviation, in the units of the inputs where it stands in the chain.

        Raises:
            DataError: when it is no number above 0.
        """
        if not (isinstance(std, int | float) and math.isfinite(std) and std > 0):
            raise DataError(f"noise: std must be a number above 0, got {std!r}")
        self.std = float(std)

    def process(self, batch: Batch, rng: np.random.Generator | None) -> Batch:
        """The batch with float32 inputs, noisy where there is a generator."""

        def noisy(x: np.ndarray) -> np.ndarray:
            exact = x.astype(np.float32)
            if rng is None:
                return exact
            return exact + np.float32(self.std) * rng.standard_normal(x.shape, np.float32)

        x: Any = mapped(noisy, batch.x)
        labels: Any = batch.y
        if labels is batch.x and isinstance(labels, Mapping):
            labels = dict(labels)  # what comes behind changes the noisy inputs alone
        return dataclasses.replace(batch, x=x, y=labels)
