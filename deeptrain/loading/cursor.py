"""Going through a stream of samples from any place on, any number at a time, with labels, sets and weights."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deeptrain.loading import arrays
from deeptrain.loading.arrays import mapped
from deeptrain.loading.order import Stream
from deeptrain.loading.prefetch import Prefetch, Slice, pieces
from deeptrain.loading.reader import Reader
from deeptrain.shards.blocks import Integers
from deeptrain.shards.reading import Split

SMALL_BYTES = 8 << 20
"""Of a split that is held in memory: up to here reading ahead costs more than it gains."""


@dataclass(frozen=True, eq=False)
class Part:
    """Samples next to each other in a stream, with what is known of them.

    Attributes:
        x: by input: an array (samples, *shape), or a list of arrays (steps, *shape).
        y: labels, by output where there are several; None where the input is the label.
        indices: (samples,) int64 in the split.
        sets: (samples,) int64.
        weights: (samples,) float32, or None.
    """

    x: dict[str, Any]
    y: Any
    indices: Integers
    sets: Integers
    weights: Any

    def cut(self, first: int, last: int) -> "Part":
        """The samples from one place to another: views."""
        part = slice(first, last)
        x = {name: array[part] for name, array in self.x.items()}
        y = None if self.y is None else mapped(lambda labels: labels[part], self.y)
        weights = None if self.weights is None else self.weights[part]
        return Part(x, y, self.indices[part], self.sets[part], weights)


def part_of(split: Split, indices: Integers, x: dict[str, Any]) -> Part:
    """Samples that were read, with what is known of them."""
    y = None if split.info.labels_are_input else mapped(lambda labels: labels[indices], split.labels)
    return Part(x, y, indices, split.sets[indices], None if split.weights is None else split.weights[indices])


def joined(parts: Sequence[Part]) -> Part:
    """Samples of several parts in a row, in memory of their own."""
    if len(parts) == 1:
        return parts[0]
    x = {name: _joined([part.x[name] for part in parts]) for name in parts[0].x}
    return Part(
        x,
        None if parts[0].y is None else arrays.joined([part.y for part in parts]),
        np.concatenate([part.indices for part in parts]),
        np.concatenate([part.sets for part in parts]),
        None if parts[0].weights is None else np.concatenate([part.weights for part in parts]),
    )


class Cursor:
    """Takes samples off a stream, in its order; to be closed.

    Attributes:
        place: in the stream, of the next sample.
    """

    def __init__(self, split: Split, reader: Reader, stream: Stream, place: int, least: int, ahead_bytes: int) -> None:
        """Stand at a place of a stream and begin to read.

        Args:
            split: whose samples.
            reader: of the split.
            stream: the samples' order.
            place: of the first sample to take.
            least: samples that are wanted first.
            ahead_bytes: of what is read at once.
        """
        self.place = place
        self._split = split
        self._first = self._last = place
        self._part: Part | None = None
        small = reader.way == "held" and split.bytes <= SMALL_BYTES
        self._slices: Prefetch | Generator[Slice, None, None] = (
            _one_by_one(reader, stream, place) if small else Prefetch(reader, stream, place, least, ahead_bytes)
        )

    def take(self, count: int) -> Part:
        """The next samples; there must be so many left.

        Raises:
            AlteredError: when bytes of them are not those that were written, naming shard, block and sets.
        """
        parts = []
        while count:
            if self.place == self._last:
                self._part = None  # its memory may serve the slice that comes
                found = next(self._slices)
                self._part = part_of(self._split, found.indices, found.x)
                self._first, self._last = found.first, found.last
                del found
            taken = min(count, self._last - self.place)
            at = self.place - self._first
            parts.append(self._part.cut(at, at + taken))  # type: ignore[union-attr]
            self.place += taken
            count -= taken
        return joined(parts)

    def close(self) -> None:
        """End reading; calling it again does nothing."""
        self._part = None
        self._slices.close()


def _one_by_one(reader: Reader, stream: Stream, place: int) -> Generator[Slice, None, None]:
    for first, last in stream.reads(place):
        yield from pieces(reader, reader.start(stream.indices(first, last), None), first)


def _joined(pieces: Sequence[Any]) -> Any:
    if isinstance(pieces[0], list):
        return [one for piece in pieces for one in piece]
    return np.concatenate(pieces)
