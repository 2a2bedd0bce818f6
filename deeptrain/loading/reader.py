"""Reading slices of a stream of samples: the blocks they touch in large reads by threads, then the samples in order.

Three ways, chosen by size and order:

- *held*: the whole split fits into the memory given. Blocks are read and compared once, when first touched, and stay.
- *windows*: blocks are read into recycled memory, compared, and their samples put in order from there. What the page
  cache holds is read when its turn comes, a few blocks at a time, if it is wanted as it is stored (see
  `Reader.parts`), and else mapped, if the files can be mapped next to each other.
- *mapped*: samples from everywhere in a split that does not fit: the page cache holds the files, blocks are compared
  when first touched (see `Column.mapped`), and samples are copied from there.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError
from deeptrain.shards import blocks, reading
from deeptrain.shards.blocks import PAGE, Integers
from deeptrain.shards.column import Column
from deeptrain.shards.memory import POOL, aligned
from deeptrain.shards.reading import Split

READ_BYTES = 4 << 20
THREADS = 8
TASKS = 16
"""A window's reads are handed to the threads in about so many tasks."""

ALIGN_BYTES = 256 << 10
"""The most that is left free between blocks so that the second begins at a page and is read straight to its place."""

STREAM_BYTES = 2 << 20
"""Of what the page cache holds so much is read at once: a copy that the processor's cache holds until it is used."""

Way = Literal["held", "windows", "mapped"]


@dataclass(frozen=True, eq=False)
class Window:
    """Samples of a split that are being read.

    Attributes:
        indices: (samples,) int64 in the split, in the order they are wanted.
        ordered: whether they lie in memory as they are wanted, so that to take them costs nothing.
    """

    indices: Integers
    ordered: bool
    reader: "Reader"
    pending: Sequence[Future[Any]]
    places: dict[str, "_Place | None"]

    def wait(self) -> None:
        """Until everything is read.

        Raises:
            AlteredError: naming shard, block and sets.
        """
        for one in self.pending:
            one.result()

    def take(self, first: int, last: int) -> dict[str, Any]:
        """Some of the samples, once they are read: by input (samples, *shape), or a list of arrays (steps, *shape)."""
        return {
            name: self.reader.samples(self.reader.split.columns[name], self.indices[first:last], place)
            for name, place in self.places.items()
        }


class Reader:
    """Reads samples of a split; what it holds in memory lives as long as it does."""

    def __init__(self, split: Split, memory_bytes: int, *, scattered: bool = False) -> None:
        """Choose the way of reading; nothing is read.

        Args:
            split: whose samples.
            memory_bytes: what may be held: the whole split if it fits, otherwise what is read ahead.
            scattered: whether samples next to each other in the stream come from everywhere in the split.

        Raises:
            DataError: for compressed samples from everywhere that do not fit.
        """
        self.split = split
        self.way: Way = "held" if split.bytes <= memory_bytes else "mapped" if scattered else "windows"
        if self.way == "mapped" and not all(column.mappable for column in split.columns.values()):
            raise DataError(
                f"compressed samples in an order across the whole split must be held in memory: {split.name} needs "
                f'{split.bytes:,} bytes, superbatch_bytes allows {memory_bytes:,}; raise it, or take order = "blocks"'
            )
        self._held = {name: _Held(column) for name, column in split.columns.items()} if self.way == "held" else {}

    def read(self, indices: Integers) -> dict[str, Any]:
        """Samples by their index, at once and without threads of its own: by input, as `Window.take`."""
        window = self.start(indices, None)
        window.wait()
        return window.take(0, len(indices))

    def start(self, indices: Integers, threads: ThreadPoolExecutor | None) -> Window:
        """Begin to read samples."""
        numbers = _unique(np.searchsorted(self.split.blocks, indices, side="right") - 1)
        ordered = self.way != "mapped" and _consecutive(indices)
        begun = {name: self._begin(column, numbers, threads, ordered) for name, column in self.split.columns.items()}
        pending = [one for futures, _ in begun.values() for one in futures]
        return Window(indices, ordered, self, pending, {name: place for name, (_, place) in begun.items()})

    def parts(self, indices: Integers, least: int) -> list[slice]:
        """Parts in which `read_run` is to read samples; none where they are better read at once, and ahead.

        Samples that are one after the other, in blocks that the page cache holds and this reader does not, come in
        parts of whole blocks, of `STREAM_BYTES` or `least` samples: one thread copies and compares them as fast as the
        memory gives them, and more in flight than the processor's cache holds is slower.
        """
        if self.way != "windows" or not _consecutive(indices):
            return []
        first, last = int(indices[0]), int(indices[-1]) + 1
        begin, end = self._blocks_of(first, last)
        for column in self.split.columns.values():
            if not all(column.cached(*run) for run in column.runs(np.arange(begin, end), READ_BYTES)):
                return []
        most = max(least, STREAM_BYTES * len(self.split) // self.split.bytes)
        cuts = [first]
        for edge in self.split.blocks[begin + 1 : end].tolist():
            if edge - cuts[-1] >= most:
                cuts.append(edge)
        return [slice(one - first, two - first) for one, two in pairwise([*cuts, last])]

    def read_run(self, first: int, last: int) -> dict[str, Any]:
        """The samples `first` to `last` - 1, read and compared now, by this thread: by input, as `Window.take`."""
        begin, end = self._blocks_of(first, last)
        found: dict[str, Any] = {}
        for name, column in self.split.columns.items():
            above, below = int(column.rows[begin]), int(column.rows[end])
            data = POOL.take((below - above) * column.row_bytes)
            for run in column.runs(np.arange(begin, end), len(data)):
                start, stop = ((int(column.rows[edge]) - above) * column.row_bytes for edge in run)
                column.read(*run, data[start:stop])
            rows = data.view(np.dtype(column.stored.dtype)).reshape(-1, *column.stored.shape)
            if column.starts is None:
                found[name] = rows[first - above : last - above]
            else:
                starts = column.starts[first : last + 1]
                found[name] = reading.cut(rows[int(starts[0]) - above :], starts)
        return found

    def _blocks_of(self, first: int, last: int) -> tuple[int, int]:
        """First block and the one after the last of the samples `first` to `last` - 1."""
        begin, end = np.searchsorted(self.split.blocks, [first, last - 1], side="right").tolist()
        return begin - 1, end

    def samples(self, column: Column, indices: Integers, place: "_Place | None") -> Any:
        """Samples that are read: an array, or a list of sequences."""
        rows = indices if column.starts is None else reading.steps_of(column.starts, indices)
        found = self._rows(column, rows, place)
        if column.starts is None:
            return found
        return reading.cut(found, blocks.offsets((column.starts[1:] - column.starts[:-1])[indices]))

    def _begin(
        self, column: Column, numbers: Integers, threads: ThreadPoolExecutor | None, ordered: bool
    ) -> "tuple[Sequence[Future[Any]], _Place | None]":
        place: _Place | None
        runs = column.runs(numbers, READ_BYTES)
        if self.way == "mapped" or (not ordered and self._there(column, runs)):
            # First of all: a file that changed is mapped anew, and compared
            for shard in _unique(column.shards_of(numbers)).tolist():
                column.mapped(shard, numbers[:0])
            pending = [_submit(threads, column.mapped, *task) for task in _tasks(column, column.unchecked(numbers))]
            joined = column.joined
            place = None if joined is None else _Place(joined.reshape(-1).view(np.uint8), None, column.rows)
            return pending, place
        if self.way == "held":
            held = self._held[column.stored.name]
            place, runs = held.place, column.runs(held.missing(numbers), READ_BYTES)
        else:
            place = _packed(column, numbers)
        # Small reads are handed to a thread several at a time: to wake one costs as much as half a read
        together = max(1, len(runs) // TASKS)
        pending = [
            _submit(threads, self._read, column, runs[at : at + together], place)
            for at in range(0, len(runs), together)
        ]
        return pending, place

    def _there(self, column: Column, runs: Sequence[tuple[int, int]]) -> bool:
        """Whether blocks are to be used where the page cache holds them."""
        return self.way == "windows" and column.joined is not None and all(column.cached(*run) for run in runs)

    def _read(self, column: Column, runs: Sequence[tuple[int, int]], place: "_Place") -> None:
        for first, last in runs:
            start = place.row(first) * column.row_bytes
            size = int(column.rows[last] - column.rows[first]) * column.row_bytes
            column.read(first, last, place.data[start : start + size])
            if self._held:
                self._held[column.stored.name].there[first:last] = True

    def _rows(self, column: Column, rows: Integers, place: "_Place | None") -> NDArray[Any]:
        """Rows that are there, in their order: a view where they lie so, else in recycled memory."""
        shape = (len(rows), *column.stored.shape)
        dtype = np.dtype(column.stored.dtype)
        if place is None:
            out, scratch = (POOL.take(len(rows) * column.row_bytes).view(dtype).reshape(shape) for _ in range(2))
            column.take_rows(rows, out, scratch)
            return out
        data = place.data[: len(place.data) // column.row_bytes * column.row_bytes].view(dtype)
        data = data.reshape(-1, *column.stored.shape)
        local = place.rows_of(column, rows)
        if len(local) and int(local[-1]) - int(local[0]) + 1 == len(local) and bool((np.diff(local) == 1).all()):
            view = data[int(local[0]) : int(local[0]) + len(local)]
            if self._held:
                view.setflags(write=False)
            return view
        out = POOL.take(len(rows) * column.row_bytes).view(dtype).reshape(shape)
        # mode="clip" lets NumPy write into `out` without a second buffer; the range is right
        np.take(data, local, axis=0, out=out, mode="clip")
        return out


class _Place:
    """Where blocks lie in memory: block `numbers[i]` begins at row `firsts[i]` of `data`."""

    def __init__(self, data: NDArray[np.uint8], numbers: Integers | None, firsts: Integers) -> None:
        self.data = data
        self._numbers = numbers
        self._firsts = firsts

    def row(self, number: int) -> int:
        at = number if self._numbers is None else int(np.searchsorted(self._numbers, number))
        return int(self._firsts[at])

    def rows_of(self, column: Column, rows: Integers) -> Integers:
        if self._numbers is None:
            return rows
        shifts = self._firsts - column.rows[self._numbers]
        if bool((shifts == shifts[0]).all()):
            return rows + int(shifts[0])
        return rows + shifts[np.searchsorted(column.rows[self._numbers], rows, side="right") - 1]


class _Held:
    """All rows of an input in memory, each block read once."""

    def __init__(self, column: Column) -> None:
        self.place = _Place(aligned(column.bytes), None, column.rows)
        self.there = np.zeros(len(column.rows) - 1, bool)

    def missing(self, numbers: Integers) -> Integers:
        return numbers[~self.there[numbers]]


def _packed(column: Column, numbers: Integers) -> _Place:
    """Memory for blocks one after the other, in which blocks begin at pages where that costs little."""
    sizes = column.rows[numbers + 1] - column.rows[numbers]
    step = PAGE // int(np.gcd(PAGE, column.row_bytes))
    if step * column.row_bytes <= ALIGN_BYTES:
        # A run of blocks is read at once: rows may be left free only after a block that ends off a page, and with it
        # a shard, unless the writer cut blocks elsewhere
        last_of_run = np.append(np.diff(numbers) != 1, True)
        for number in np.flatnonzero(sizes % step != 0).tolist():
            last_of_run[number] |= number + 1 < len(numbers) and column.shard_of(
                int(numbers[number])
            ) != column.shard_of(int(numbers[number + 1]))
        sizes = np.where(last_of_run, -(-sizes // step) * step, sizes)
    firsts = np.concatenate([[0], np.cumsum(sizes)])
    return _Place(POOL.take(int(firsts[-1]) * column.row_bytes), numbers, firsts[:-1])


def _tasks(column: Column, numbers: Integers) -> list[tuple[int, Integers]]:
    """Blocks to be compared where they are mapped: each shard's, in about `TASKS` tasks all together."""
    together = max(1, len(numbers) // TASKS)
    shards = column.shards_of(numbers)
    edges = [0, *(np.flatnonzero(np.diff(shards)) + 1).tolist(), len(numbers)]
    return [
        (int(shards[at]), numbers[at : min(at + together, end)])
        for begin, end in pairwise(edges)
        for at in range(begin, end, together)
    ]


def _consecutive(indices: Integers) -> bool:
    return len(indices) > 0 and bool((np.diff(indices) == 1).all())


def _unique(numbers: Integers) -> Integers:
    """Ascending and each once; fast where they are so already."""
    steps = np.diff(numbers)
    if bool((steps >= 0).all()):
        return numbers[np.concatenate([[True], steps > 0])] if len(numbers) else numbers
    return np.unique(numbers)


def _submit(threads: ThreadPoolExecutor | None, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
    if threads is not None:
        return threads.submit(work, *arguments)
    done: Future[Any] = Future()
    done.set_result(work(*arguments))
    return done
