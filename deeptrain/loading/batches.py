"""Batches of a split: any batch size over any shard size, each knowing its samples, its sets and its name."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from deeptrain import seeds
from deeptrain.errors import DataError
from deeptrain.loading.arrays import mapped, stacked
from deeptrain.loading.batch import Batch, letters, name_of
from deeptrain.loading.cursor import Cursor, Part, joined, part_of
from deeptrain.loading.order import Order, Sampling, Stream, stream
from deeptrain.loading.preprocessing import Preprocessor, piecewise, processed
from deeptrain.loading.reader import Reader
from deeptrain.shards.blocks import Integers
from deeptrain.shards.reading import Split

Last = Literal["keep", "drop", "fill"]
"""The last batch when samples are left over: `keep` it short, `drop` it, `fill` it with the epoch's first samples."""

SUPERBATCH_BYTES = 512 << 20
MOST_AHEAD_BYTES = 48 << 20
"""More reads at once gain nothing: these keep the disk busy, and fresh memory costs more CPU than a read into it."""


class Batches:
    """The batches of a split, by epoch and number.

    Everything about a batch follows from epoch and number, so that training goes on from any of them; what is kept
    between calls (samples held or read ahead) changes how fast a batch comes and nothing else.

    Attributes:
        preprocessors: applied to every batch.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        *,
        seed: int = 0,
        order: Order = "none",
        sets: Sequence[int] | None = None,
        last: Last = "keep",
        sampling: Sampling | None = None,
        superbatch_bytes: int = SUPERBATCH_BYTES,
        preprocessors: Sequence[Preprocessor] = (),
        augment: bool = False,
    ) -> None:
        """Cut a split into batches; nothing is read.

        Args:
            split: the samples.
            batch_size: samples in each batch but maybe the last.
            seed: what order, sampling and the preprocessors' generators follow from.
            order: of the samples in an epoch.
            sets: numbers of the sets that take part; by default all.
            last: what becomes of the last batch when samples are left over.
            sampling: draws samples instead of taking each once; needs `order="samples"`.
            superbatch_bytes: what may be held in memory. A split that fits is held as a whole once it is read;
                of others two windows are in memory, the one that is fed and the next one (64 MiB each in the order
                `blocks`, else 8 blocks), or more up to 48 MiB.
            preprocessors: applied to every batch, one after the other.
            augment: whether preprocessors get a generator, and so may change samples at random.

        Raises:
            DataError: when a batch does not fit, a set is not there, or order and sampling do not fit, or when a
                preprocessor makes several iterations of a batch.
        """
        self.split = split
        self.batch_size = batch_size
        self.seed = seed
        self.order: Order = order
        self.last: Last = last
        self._chosen = None if sets is None else _chosen(split, sets)
        self._sampling = sampling
        self.samples = len(split) if self._chosen is None else len(self._chosen)
        if not 1 <= batch_size <= self.samples:
            part = "" if sets is None else " in the chosen sets"
            raise DataError(
                f"batch_size must be between 1 and the {self.samples} samples of the {split.name} split{part}, "
                f"got {batch_size}"
            )
        if augment and piecewise(preprocessors):
            raise DataError(
                f"{piecewise(preprocessors)[0]}.pieces decides how many iterations a batch becomes, and here each is "
                "one: give it to PieceFeed(batches, preprocessors=...) instead"
            )
        self.preprocessors = tuple(preprocessors)
        self._augment = augment
        self._superbatch = superbatch_bytes
        self._reader = Reader(split, superbatch_bytes, scattered=order == "samples")
        self._stream = functools.lru_cache(maxsize=2)(
            functools.partial(_stream, order, split, seed, self._chosen, sampling)
        )
        self._running: Cursor | None = None
        self._next: tuple[int, int] | None = None

    def __len__(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(self.samples, self.batch_size)
        return whole + (rest > 0 and self.last != "drop")

    def size(self, number: int) -> int:
        """Samples in a batch of any epoch."""
        if self.last == "fill":
            return self.batch_size
        return min(self.batch_size, self.samples - number * self.batch_size)

    def indices(self, epoch: int, number: int, count: int = 1) -> np.ndarray:
        """Indices in the split of the samples of `count` batches in a row: (samples,) int64."""
        stream = self._stream(epoch)
        first, last = number * self.batch_size, (number + count) * self.batch_size
        found = stream.indices(first, last)
        if self.last == "fill" and last > self.samples:
            found = np.concatenate([found, stream.indices(0, last - self.samples)])
        elif self.last == "drop":
            found = found[: max(len(self) * self.batch_size - first, 0)]
        return found

    def name(self, epoch: int, number: int) -> str:
        """What a batch is called, without reading it.

        "12" is a whole set, "12-a", "12-b", ... its parts in the order they come, "12+13-a" a set and the first part of
        another, "b0412 (37 sets)" batch 412 of more than two sets. Orders that mix the samples of sets tell no parts.
        """
        sets = self.split.sets[self.indices(epoch, number)]
        found, firsts, counts = np.unique(sets, return_index=True, return_counts=True)
        if len(found) > 2 or self.order not in {"none", "sets"}:
            return name_of(number, sets)
        indices = self.indices(epoch, number)
        names = []
        for one in np.argsort(firsts):
            begin, end = np.searchsorted(self.split.sets, [found[one], found[one] + 1])
            name = str(found[one])
            if counts[one] < end - begin:
                # Where in the stream the set began, and so which batch held its first sample
                place = number * self.batch_size + int(firsts[one]) - int(indices[firsts[one]] - begin)
                name += f"-{letters(number - max(place, 0) // self.batch_size)}"
            names.append(name)
        return "+".join(names)

    def sets(self, epoch: int, number: int) -> list[int]:
        """The set numbers a batch holds, ascending."""
        return [int(part) for part in np.unique(self.split.sets[self.indices(epoch, number)])]

    def batch(self, epoch: int, number: int) -> Batch:
        """One batch, read and preprocessed. Asked for one after the other, they are read ahead.

        Raises:
            IndexError: for a number that no batch of an epoch has.
            AlteredError: when bytes of it are not those that were written, naming shard, block and sets.
            DataError: when a preprocessor loses samples.
        """
        return self._batch(epoch, number, self._part(epoch, number, 1))

    def stack(self, epoch: int, number: int, count: int) -> tuple[Any, Any]:
        """`count` batches of equal size in a row, for a group of fused iterations.

        Returns:
            x: (count, batch, *shape), by input where there are several, and y: (count, batch, ...), by output likewise.
            Not to be changed in place.
        """
        if self.preprocessors:
            batches = [self.batch(epoch, number + offset) for offset in range(count)]
            return stacked([batch.x for batch in batches]), stacked([batch.y for batch in batches])
        part = self._part(epoch, number, count)
        x = {name: array.reshape(count, -1, *array.shape[1:]) for name, array in part.x.items()}
        if part.y is None:
            return _single(x), _single(x)
        return _single(x), mapped(lambda labels: labels.reshape(count, -1, *labels.shape[1:]), part.y)

    def prefetch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on, read ahead in the background.

        Closing the iterator, or losing it, ends the reading. There are none from number `len` on.

        Raises:
            IndexError: for another `start` than 0 to `len`.
            AlteredError: as `batch`.
        """
        if not 0 <= start <= len(self):
            raise IndexError(f"prefetch begins at a batch from 0 to {len(self)}, got {start}")
        cursor = self._cursor(epoch, start)
        try:
            for number in range(start, len(self)):
                yield self._batch(epoch, number, self._taken(cursor, epoch, number, 1))
        finally:
            cursor.close()

    def begin(self, epoch: int, number: int) -> None:
        """Read ahead from a batch on, for `batch` and `stack`: it is the next one to be asked for."""
        self.close()
        self._running, self._next = self._cursor(epoch, number), (epoch, number)
        try:
            self._running.begin()
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Batch]:
        """The batches of the first epoch; for splits that are not shuffled, of any."""
        return self.prefetch(1)

    def close(self) -> None:
        """End reading ahead; a batch that is asked for later begins it again."""
        if self._running is not None:
            self._running.close()
        self._running = self._next = None

    def _part(self, epoch: int, number: int, count: int) -> Part:
        """The samples of `count` batches: from what is read ahead, if it goes on there.

        A cursor is begun at the first batch of an epoch, at the very first one asked for, and at one that follows the
        one before; a batch out of order is read by itself.
        """
        if not 0 <= number <= number + count - 1 < len(self):
            last = "" if count == 1 else f" to {number + count - 1}"
            raise IndexError(
                f"{self.split.name} has batches 0 to {len(self) - 1} of {self.batch_size} samples, got {number}{last}"
            )
        expected, self._next = self._next, (epoch, number + count)
        if self._running is not None and expected != (epoch, number):
            self._running.close()
            self._running = None
        if self._running is None and (number == 0 or expected in {None, (epoch, number)}):
            self._running = self._cursor(epoch, number)
        if self._running is None:
            indices = self.indices(epoch, number, count)
            return part_of(self.split, indices, self._reader.read(indices))
        try:
            part = self._taken(self._running, epoch, number, count)
        except BaseException:
            self.close()
            raise
        if number + count >= len(self):
            self._running.close()
            self._running = None
        return part

    def _cursor(self, epoch: int, number: int) -> Cursor:
        ahead = min(self._superbatch, MOST_AHEAD_BYTES)
        place = number * self.batch_size
        return Cursor(self.split, self._reader, self._stream(epoch), place, self.batch_size, ahead)

    def _taken(self, cursor: Cursor, epoch: int, number: int, count: int) -> Part:
        """The cursor's next `count` batches, the last one filled if it is to be."""
        wanted = count * self.batch_size
        left = self.samples - number * self.batch_size
        part = cursor.take(min(wanted, left))
        if wanted <= left or self.last != "fill":
            return part
        first = self._stream(epoch).indices(0, wanted - left)
        return joined([part, part_of(self.split, first, self._reader.read(first))])

    def _batch(self, epoch: int, number: int, part: Part) -> Batch:
        x = _single(part.x)
        named = functools.partial(self.name, epoch, number)
        batch = Batch(x, x if part.y is None else part.y, part.indices, part.sets, number, part.weights, named)
        if not self.preprocessors:
            return batch
        return processed(
            batch,
            self.preprocessors,
            lambda place: seeds.generator("preprocessor", self.seed, place, epoch, number) if self._augment else None,
        )


def _stream(
    order: Order, split: Split, seed: int, chosen: Integers | None, sampling: Sampling | None, epoch: int
) -> Stream:
    return stream(order, split, seed, epoch, chosen, sampling)


def _chosen(split: Split, sets: Sequence[int]) -> Integers:
    """Indices of the samples of these sets, ascending."""
    wanted = np.unique(np.asarray(sets, np.int64))
    missing = wanted[~np.isin(wanted, split.sets)]
    if len(missing):
        there = np.unique(split.sets)
        raise DataError(
            f"set {missing[0]} is not in the {split.name} split, which has {len(there)} sets, {there[0]} to {there[-1]}"
        )
    return np.flatnonzero(np.isin(split.sets, wanted))


def _single(x: dict[str, Any]) -> Any:
    """The one input, or all of several by name."""
    return x if len(x) > 1 else next(iter(x.values()))
