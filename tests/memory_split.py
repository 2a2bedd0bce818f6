"""A split in memory, with what loading asks of one: ten lines where shards on disk would be slow to make."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


class MemorySplit:
    """Samples as an array, as a list of sequences, or as a mapping of these by input."""

    def __init__(
        self,
        samples: Any,
        labels: np.ndarray | None = None,
        *,
        weights: np.ndarray | None = None,
        name: str = "train",
    ) -> None:
        self.name = name
        self.samples = samples
        parts = samples if isinstance(samples, Mapping) else {"x": samples}
        self._count = len(next(iter(parts.values())))
        self.labels = labels
        self.weights = weights
        self.sets = np.arange(self._count, dtype=np.int64)
        self.bytes = 1
        self.columns: dict[str, Any] = {}
        self.blocks = np.arange(self._count + 1)
        self.lengths = {
            name: np.array([len(one) for one in part], np.int64)
            for name, part in parts.items()
            if isinstance(part, list)
        }

    def __len__(self) -> int:
        return self._count

    def take(self, indices: np.ndarray) -> Any:
        if isinstance(self.samples, Mapping):
            return {name: _taken(part, indices) for name, part in self.samples.items()}
        return _taken(self.samples, indices)


def _taken(part: Any, indices: np.ndarray) -> Any:
    return [part[index] for index in indices] if isinstance(part, list) else part[indices]


def series(lengths: Sequence[int], channels: int = 2, seed: int = 0) -> list[np.ndarray]:
    """Sequences of normal numbers, float32 (steps, channels)."""
    rng = np.random.Generator(np.random.Philox(seed))
    return [rng.standard_normal((length, channels), np.float32) for length in lengths]
