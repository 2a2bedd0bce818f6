"""Inputs with mean 0 and standard deviation 1 over the training split, as the shards' statistics give them."""

import dataclasses

import numpy as np

from deeptrain.errors import DataError
from deeptrain.loading.batch import Batch
from deeptrain.shards.info import DataInfo


class Normalise:
    """(x - mean) / std with one mean and one population standard deviation over all values of the training split.

    Attributes:
        mean: as float32 holds it.
        scale: 1 / std, likewise.
    """

    def __init__(self, data: DataInfo) -> None:
        """Take the statistics.

        Raises:
            DataError: when every value of the training split is the same.
        """
        if not data.statistics.std > 0:
            raise DataError(f"normalise needs values that differ; the train split's std is {data.statistics.std}")
        self.mean = float(np.float32(data.statistics.mean))
        self.scale = float(np.float32(1.0 / data.statistics.std))

    def process(self, batch: Batch, rng: np.random.Generator | None) -> Batch:  # noqa: ARG002 - the protocol's
        """The batch with float32 inputs."""
        return dataclasses.replace(
            batch, x=(batch.x.astype(np.float32) - np.float32(self.mean)) * np.float32(self.scale)
        )
