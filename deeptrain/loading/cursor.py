"""Going through a stream of samples from any place on, any number at a time, with labels, sets and weights."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from deeptrain.loading import arrays
from deeptrain.loading.arrays import mapped
from deeptrain.loading.order import Stream
from deeptrain.loading.prefetch import Prefetch, Slice
from deeptrain.loading.reader import Reader
from deeptrain.shards.blocks import Integers
from deeptrain.shards.memory import POOL
from deeptrain.shards.reading import Split


class Part(NamedTuple):
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

    def cut(self, first: int, last: int, x: dict[str, Any]) -> "Part":
        """What is known of the samples from one place to another, views, with these inputs."""
        y = None if self.y is None else mapped(lambda labels: labels[first:last], self.y)
        weights = None if self.weights is None else self.weights[first:last]
        return Part(x, y, self.indices[first:last], self.sets[first:last], weights)


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
        """Stand at a place of a stream; reading begins with the first sample that is taken.

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
        self._slices = Prefetch(reader, stream, place, least, ahead_bytes)
        self._slice: Slice | None = None
        self._known = part_of(split, np.empty(0, np.int64), {})
        self._at = 0

    def begin(self) -> None:
        """Begin to read before the first sample is taken."""
        self._slices.begin()

    def take(self, count: int) -> Part:
        """The next samples; there must be so many left.

        Raises:
            AlteredError: when bytes of them are not those that were written, naming shard, block and sets.
        """
        parts: list[Part] = []
        missing = count
        while True:
            first = self._at
            last = min(first + missing, len(self._known.indices))
            if first < last and self._slice is not None:
                part = self._known.cut(first, last, self._slice.take(first, last))
                self._at = last
                self.place += last - first
                missing -= last - first
                if not parts and not missing:
                    return part
                parts.append(part)
            if not missing:
                return joined(parts)
            self._slice = None  # its memory may serve the one that comes
            self._slice = next(self._slices)
            self._known, self._at = part_of(self._split, self._slice.indices, {}), 0

    def close(self) -> None:
        """End reading; calling it again does nothing."""
        self._slice = None
        self._known = part_of(self._split, self._known.indices[:0], {})
        self._slices.close()


def _joined(pieces: Sequence[Any]) -> Any:
    if isinstance(pieces[0], list):
        return [one for piece in pieces for one in piece]
    first = pieces[0]
    out = POOL.take(sum(piece.nbytes for piece in pieces)).view(first.dtype)
    return np.concatenate(pieces, out=out.reshape(-1, *first.shape[1:]))
