"""Batches as iterations: a batch is one, and any number of equal size may be fit in one call."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError
from deeptrain.loading import weights
from deeptrain.loading.arrays import Arrays, nbytes, stacked
from deeptrain.loading.batches import Batches
from deeptrain.loading.feed import Group, labels_of
from deeptrain.loading.position import Position
from deeptrain.loading.preprocessing import memories, remembering, unmoved
from deeptrain.shards.reading import Split


class BatchFeed:
    """A split's batches, each an iteration; see `Feed`. Recurrent states are reset before each: its samples are new."""

    def __init__(
        self,
        batches: Batches,
        *,
        class_weights: NDArray[np.float32] | None = None,
        own_weights: bool = True,
    ) -> None:
        """Feed batches.

        Args:
            batches: of a split, preprocessed by themselves.
            class_weights: (classes,), multiplied with the samples' own weights.
            own_weights: whether the samples' own weights count in the loss.

        Raises:
            DataError: when the samples are sequences, which batches cannot hold as arrays.
        """
        refuse_sequences(batches.split)
        self.batches = batches
        self.split = batches.split
        self.preprocessors = batches.preprocessors
        self._remembering = remembering(batches.preprocessors)
        self._began_with: dict[str, dict[str, Any]] = {}
        self.in_parts = self.estimates = False
        self.iteration_bytes = nbytes(batches.split.take(batches.indices(1, 0)[:1])) * batches.batch_size
        self._class_weights = class_weights
        self._own_weights = own_weights and batches.split.weights is not None

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.batches)

    def left(self, at: Position, done: int) -> int:  # noqa: ARG002 - the protocol's
        """Batches from a position on."""
        return len(self) - at.batch

    def group(self, at: Position, most: int) -> Group:
        """The batches from a position on that are of one size."""
        size = self.batches.size(at.batch)
        last = at.batch + 1
        while last < min(at.batch + most, len(self)) and self.batches.size(last) == size:
            last += 1
        return self._group(at.epoch, range(at.batch, last))

    def after(self, at: Position, iterations: int) -> Position:
        """The position behind as many batches."""
        return at.after(iterations)

    def name(self, at: Position) -> str:
        """What the batch at a position is called."""
        return self.batches.name(at.epoch, at.batch)

    def sets(self, at: Position) -> list[int]:
        """The set numbers that the batch at a position holds, ascending."""
        return self.batches.sets(at.epoch, at.batch)

    def judged(self, number: int) -> Iterator[Group]:
        """The batch itself."""
        with unmoved(self._remembering):
            whole = self._group(1, range(number, number + 1))
        yield whole

    def combined(self, number: int, outputs: Sequence[Arrays]) -> Arrays:  # noqa: ARG002 - the protocol's
        """What came out for the batch."""
        return outputs[0]

    def close(self) -> None:
        """End reading ahead."""
        self.batches.close()

    @property
    def began_with(self) -> Mapping[str, Mapping[str, Any]]:
        """What preprocessors that keep something kept when the batch of the newest iteration of `group` began."""
        return self._began_with

    @property
    def labels(self) -> Arrays:
        """(samples, ...) labels of the split, by output where there are several; where they are inputs, as judged."""
        return labels_of(self)

    @property
    def label_sets(self) -> NDArray[np.int64]:
        """(samples,) set numbers of the split."""
        return self.split.sets

    @property
    def label_weights(self) -> NDArray[np.float32] | None:
        """(samples,) the weights of the samples in the data, or None."""
        return self.split.weights

    def _group(self, epoch: int, numbers: range) -> Group:
        weight = own = None
        if self._class_weights is None and not self._own_weights and not self._remembering:
            x, y = self.batches.stack(epoch, numbers.start, len(numbers))
        else:
            found = [self.batches.batch(epoch, number) for number in numbers[:-1]]
            self._began_with = memories(self._remembering)
            found.append(self.batches.batch(epoch, numbers[-1]))
            x, y = stacked([batch.x for batch in found]), stacked([batch.y for batch in found])
            weight = weights.of_batches(found, self.split, self._class_weights, self._own_weights)
            own = weights.of_batches(found, self.split, None, self._own_weights)
        begins = np.ones(len(numbers), bool)
        return Group(x=x, y=y, weights=weight, real=None, mask=None, begins=begins, counts_as=own)


def refuse_sequences(split: Split) -> None:
    """Batches cannot hold sequences of different lengths as arrays.

    Raises:
        DataError: when the samples are sequences.
    """
    if split.info.sequences:
        longest = max(int(lengths.max()) for lengths in split.lengths.values())
        raise DataError(
            f"the samples of the {split.name} split are sequences of up to {longest} steps: add [training.windows] "
            f"with size = {longest} to feed each whole, or less to feed it in windows"
        )
