"""New samples in memory, read as a split is read: for predictions on what was never converted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.shards.info import DataInfo


class InMemory:
    """Sequences of one input, without labels, as `Batches` and `WindowFeed` read a `Split`.

    Attributes:
        name: for messages.
        info: of the data they are like.
        labels: (samples,) zeros: nothing is asked of them.
        sets: (samples,) int64 zeros.
        weights: none.
        lengths: by input, (samples,) int64 steps of each.
    """

    def __init__(self, sequences: Sequence[NDArray[Any]], info: DataInfo) -> None:
        """Take sequences (steps, *shape) of one dtype."""
        self.name = "given"
        self.info = info
        self.labels = np.zeros(len(sequences), np.int64)
        self.sets = np.zeros(len(sequences), np.int64)
        self.weights = None
        self.lengths = {info.inputs[0].name: np.array([len(one) for one in sequences], np.int64)}
        self.blocks = np.arange(len(sequences) + 1)
        self.columns: dict[str, Any] = {}
        self.bytes = sum(one.nbytes for one in sequences)
        self._sequences = list(sequences)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._sequences)

    def take(self, indices: NDArray[np.integer[Any]]) -> list[NDArray[Any]]:
        """The sequences at `indices`."""
        return [self._sequences[index] for index in indices]
