"""Batches of a split: any batch size over any shard size, each knowing its samples, its sets and its name."""

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from deeptrain import seeds
from deeptrain.errors import DataError
from deeptrain.loading.batch import Batch, name_of
from deeptrain.loading.order import Order, order
from deeptrain.loading.preprocessing import Preprocessor
from deeptrain.shards.reading import Split


class Batches:
    """The batches of a split, by epoch and number; nothing is kept between calls but the current epoch's order.

    The last batch of an epoch holds what is left over; no sample is dropped or fed twice.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        *,
        seed: int = 0,
        kind: Order = "none",
        preprocessors: Sequence[Preprocessor] = (),
        augment: bool = False,
    ) -> None:
        """Cut a split into batches.

        Args:
            split: the samples.
            batch_size: samples in each batch but the last.
            seed: what the order and the preprocessors' generators follow from.
            kind: the order of samples in an epoch.
            preprocessors: applied to every batch, one after the other.
            augment: whether preprocessors get a generator, and so may change samples at random.

        Raises:
            DataError: when the split is smaller than one batch.
        """
        if not 1 <= batch_size <= len(split):
            raise DataError(
                f"batch_size must be between 1 and the {len(split)} samples of the {split.name} split, got {batch_size}"
            )
        self.split = split
        self.batch_size = batch_size
        self.seed = seed
        self._kind: Order = kind
        self._preprocessors = tuple(preprocessors)
        self._augment = augment
        self._order = functools.lru_cache(maxsize=2)(self._order_of)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.split) // self.batch_size)

    def size(self, number: int) -> int:
        """Samples in a batch of any epoch."""
        return min(self.batch_size, len(self.split) - number * self.batch_size)

    def indices(self, epoch: int, number: int, count: int = 1) -> np.ndarray:
        """Indices in the split of the samples of `count` batches in a row: (samples,) int64."""
        first = number * self.batch_size
        return self._order(epoch)[first : first + count * self.batch_size]

    def name(self, epoch: int, number: int) -> str:
        """What a batch is called, without reading it."""
        return name_of(number, self.split.sets[self.indices(epoch, number)])

    def sets(self, epoch: int, number: int) -> list[int]:
        """The set numbers a batch holds, ascending."""
        return [int(part) for part in np.unique(self.split.sets[self.indices(epoch, number)])]

    def batch(self, epoch: int, number: int) -> Batch:
        """One batch, read and preprocessed."""
        indices = self.indices(epoch, number)
        batch = Batch(self.split.take(indices), self.split.labels[indices], indices, self.split.sets[indices], number)
        for place, preprocessor in enumerate(self._preprocessors):
            rng = seeds.generator("preprocessor", self.seed, place, epoch, number) if self._augment else None
            batch = preprocessor.process(batch, rng)
            if len(batch.x) != len(indices) or len(batch.y) != len(indices):
                raise DataError(
                    f"{type(preprocessor).__name__}.process must return as many samples as it got: "
                    f"expected {len(indices)}, got {len(batch.x)} inputs and {len(batch.y)} labels"
                )
        return batch

    def stack(self, epoch: int, number: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """`count` batches of equal size in a row, for a group of fused iterations.

        Returns:
            x: (count, batch, *shape) and y: (count, batch, ...), in memory of their own.
        """
        batches = [self.batch(epoch, number + offset) for offset in range(count)]
        return np.stack([batch.x for batch in batches]), np.stack([batch.y for batch in batches])

    def __iter__(self) -> Iterator[Batch]:
        """The batches of the first epoch; for splits that are not shuffled, of any."""
        return (self.batch(1, number) for number in range(len(self)))

    def _order_of(self, epoch: int) -> np.ndarray:
        return order(self._kind, len(self.split), self.seed, epoch)
