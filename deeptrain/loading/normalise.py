"""Inputs with mean 0 and standard deviation 1 over the training split, as the shards' statistics give them."""

from typing import Any

import numpy as np

from deeptrain.errors import DataError
from deeptrain.loading.batch import Batch, changed
from deeptrain.shards.info import DataInfo


class Normalise:
    """(x - mean) / std with one mean and one population standard deviation over all values of the training split.

    What is missing (NaN, where `data.allow_missing` lets it in) counts in neither and stays NaN.

    Attributes:
        mean: as float32 holds it; of the chosen input where there are several.
        scale: 1 / std, likewise.
    """

    def __init__(self, data: DataInfo, input: str | None = None) -> None:
        """Take the statistics of the only input, or of the one that is named.

        Raises:
            DataError: when there are several inputs and none is named, or it is not there, or every value of it in the
                training split is the same.
        """
        inputs = {one.name: one for one in data.inputs}
        if input is None and len(inputs) > 1:
            raise DataError(f"normalise: name the input of {', '.join(inputs)} as input; each needs one of its own")
        if input is not None and (input not in inputs or len(inputs) == 1):
            there = f"there are {', '.join(inputs)}" if len(inputs) > 1 else "there is one, which needs no name"
            raise DataError(f"normalise: there is no input {input!r}; {there}")
        statistics = (data.inputs[0] if input is None else inputs[input]).statistics
        if not statistics.std > 0:
            raise DataError(f"normalise needs values that differ; the train split's std is {statistics.std}")
        self.mean = float(np.float32(statistics.mean))
        self.scale = float(np.float32(1.0 / statistics.std))
        self._input = input

    def process(self, batch: Batch, rng: np.random.Generator | None) -> Batch:  # noqa: ARG002 - the protocol's
        """The batch with float32 inputs."""

        def normalised(x: np.ndarray) -> np.ndarray:
            result: Any = (x.astype(np.float32) - np.float32(self.mean)) * np.float32(self.scale)
            return np.asarray(result)

        return changed(batch, normalised, self._input)
