"""Batches whose preprocessors decide how many iterations each becomes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain import seeds
from deeptrain.loading import weights
from deeptrain.loading.arrays import Arrays, nbytes, stacked
from deeptrain.loading.batch import Batch
from deeptrain.loading.batch_feed import refuse_sequences
from deeptrain.loading.batches import Batches
from deeptrain.loading.feed import Group, estimated, labels_of
from deeptrain.loading.position import Position
from deeptrain.loading.preprocessing import Preprocessor, pieces, processed, remembering, unmoved
from deeptrain.loading.walk import Walk


class PieceFeed:
    """A split's batches, each as many iterations as its preprocessors make of it; see `Feed`.

    Recurrent states go on from piece to piece as long as these are of the same samples, and are reset before others.
    """

    def __init__(
        self,
        batches: Batches,
        *,
        preprocessors: Sequence[Preprocessor],
        class_weights: NDArray[np.float32] | None = None,
        own_weights: bool = True,
    ) -> None:
        """Feed batches in pieces.

        Args:
            batches: of a split, without preprocessors of their own.
            preprocessors: applied one after the other, those behind a `Piecewise` one to each of its pieces.
            class_weights: (classes,), multiplied with the samples' own weights.
            own_weights: whether the samples' own weights count in the loss.

        Raises:
            DataError: when the samples are sequences, which batches cannot hold as arrays.
        """
        refuse_sequences(batches.split)
        self.split = batches.split
        self.preprocessors = tuple(preprocessors)
        self.iteration_bytes = nbytes(batches.split.take(batches.indices(1, 0)[:1])) * batches.batch_size
        self.in_parts = self.estimates = True
        self.batches = batches
        self._class_weights = class_weights
        self._own_weights = own_weights and batches.split.weights is not None
        self._walk = Walk(self._made, _alike, preprocessors)
        self._remembering = remembering(preprocessors)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.batches)

    def left(self, at: Position, done: int) -> int:
        """How many are left if the batches to come make as many pieces as those before."""
        return estimated(at, done, len(self))

    def group(self, at: Position, most: int) -> Group | None:
        """The pieces from a position on that are of one shape, of one batch."""
        found = self._walk.take(at.epoch, at.batch, at.window, most)
        return self._group([piece for piece, _ in found], [begins for _, begins in found]) if found else None

    def after(self, at: Position, iterations: int) -> Position:
        """The position behind as many pieces: the next piece, or the next batch."""
        window, batch = at.window + iterations, at.batch
        if self._walk.ends(at.epoch, batch, window):
            window, batch = 0, batch + 1
        return Position(at.epoch, batch, at.iteration + iterations, window)

    def name(self, at: Position) -> str:
        """What the batch at a position is called, and which of its pieces it is, from 1: "12+13 piece 2"."""
        return f"{self.batches.name(at.epoch, at.batch)} piece {at.window + 1}"

    def sets(self, at: Position) -> list[int]:
        """The set numbers that the batch at a position holds, ascending."""
        return self.batches.sets(at.epoch, at.batch)

    def judged(self, number: int) -> Iterator[Group]:
        """The batch as its preprocessors make it where nothing may be random: whole."""
        with unmoved(self._remembering):
            whole = processed(self.batches.batch(1, number), self.preprocessors, lambda _: None)
        yield self._group([whole], [True])

    def combined(self, number: int, outputs: Sequence[Arrays]) -> Arrays:  # noqa: ARG002 - the protocol's
        """What came out for the batch."""
        return outputs[0]

    def close(self) -> None:
        """End reading ahead, and preprocessors stand where the batch began."""
        self._walk.close()
        self.batches.close()

    @property
    def began_with(self) -> Mapping[str, Mapping[str, Any]]:
        """What preprocessors that keep something kept when the batch of the newest iteration of `group` began."""
        return self._walk.began_with

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

    def _group(self, found: Sequence[Batch], begins: Sequence[bool]) -> Group:
        return Group(
            x=stacked([piece.x for piece in found]),
            y=stacked([piece.y for piece in found]),
            weights=weights.of_batches(found, self.split, self._class_weights, self._own_weights),
            real=None,
            mask=None,
            begins=np.array(begins),
            counts_as=weights.of_batches(found, self.split, None, self._own_weights),
        )

    def _made(self, epoch: int, number: int, first: int) -> Iterator[tuple[Batch, bool]]:  # noqa: ARG002 - Walk's
        """The pieces of a batch, and whether states are reset before each."""
        batch = self.batches.batch(epoch, number)
        before = None
        for piece in pieces(
            batch,
            self.preprocessors,
            lambda place, count: seeds.generator("preprocessor", self.batches.seed, epoch, number, place, count),
        ):
            yield piece, before is None or not np.array_equal(piece.indices, before)
            before = piece.indices


def _alike(one: tuple[Batch, bool], two: tuple[Batch, bool]) -> bool:
    return all(_shapes(getattr(one[0], part)) == _shapes(getattr(two[0], part)) for part in ("x", "y"))


def _shapes(arrays: Arrays) -> Any:
    if isinstance(arrays, np.ndarray):
        return arrays.shape, arrays.dtype
    return {name: _shapes(part) for name, part in arrays.items()}
