"""Reading slices of a stream of samples: the blocks they touch in large reads by threads, then the samples in order.

Three ways, chosen by size and order:

- *held*: the whole split fits into the memory given. Blocks are read and compared once, when first touched, and stay.
- *windows*: blocks are read into recycled memory, compared, and their samples put in order from there, a batch at a
  time. What the page cache holds is read by the thread that asks for it, a block at a time, when it is wanted as it
  is stored (see `Reader._stored`).
- *rows*: samples from everywhere in a split that does not fit: the page cache holds the files, blocks are compared
  when first touched, and samples are copied from there (see `Column.gather`).
"""

import functools
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError
from deeptrain.loading.threads import Threads
from deeptrain.shards import blocks, reading
from deeptrain.shards.blocks import PAGE, Integers
from deeptrain.shards.column import Column, Seen
from deeptrain.shards.memory import POOL, Ring, Slab, aligned
from deeptrain.shards.reading import Split

READ_BYTES = 4 << 20
TASKS = 16
"""A window's reads are handed to the threads in about so many tasks."""

ALIGN_BYTES = 256 << 10
"""The most that is left free between blocks so that the second begins at a page and is read straight to its place."""

STREAM_BYTES = 1 << 20
"""Of what the page cache holds so much is read at once: a copy that the processor's cache holds until it is used."""

Way = Literal["held", "windows", "rows"]


@dataclass(frozen=True, eq=False)
class Window:
    """Samples of a split that are being read.

    Attributes:
        indices: (samples,) int64 in the split, in the order they are wanted.
        pending: what is waited for.
        inputs: the samples of each input, once all of it is done.
    """

    indices: Integers
    pending: Sequence[Future[Any]]
    inputs: "dict[str, _Samples | _Stored]"

    def wait(self) -> None:
        """Until everything is read.

        Raises:
            AlteredError: naming shard, block and sets.
        """
        for one in self.pending:
            one.result()

    def take(self, first: int, last: int) -> dict[str, Any]:
        """Some of the samples, once they are read: by input (samples, *shape), or a list of arrays (steps, *shape).

        Raises:
            AlteredError: as `wait`, where samples are read or looked at for the last time by who asks for them.
        """
        return {name: samples[first:last] for name, samples in self.inputs.items()}


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
        self.way: Way = "held" if split.bytes <= memory_bytes else "rows" if scattered else "windows"
        if self.way == "rows" and not all(column.mappable for column in split.columns.values()):
            raise DataError(
                f"compressed samples in an order across the whole split must be held in memory: {split.name} needs "
                f'{split.bytes:,} bytes, superbatch_bytes allows {memory_bytes:,}; raise it, or take order = "blocks"'
            )
        self._scattered = scattered
        self._held: dict[str, _Held] = {}
        self.renew()

    def renew(self) -> None:
        """Read into other memory from now on: a thread that is stuck may still write where it was told to."""
        columns = self.split.columns if self.way == "held" else {}
        self._held = {name: _Held(column) for name, column in columns.items()}

    def read(self, indices: Integers) -> dict[str, Any]:
        """Samples by their index, at once and without threads of its own: by input, as `Window.take`."""
        window = self.start(indices, None)
        window.wait()
        return window.take(0, len(indices))

    def start(self, indices: Integers, threads: Threads | None) -> Window:
        """Begin to read samples; without threads they are read when this returns."""
        begun = {name: self._begin(column, indices, threads) for name, column in self.split.columns.items()}
        pending = [one for futures, _ in begun.values() for one in futures]
        return Window(indices, pending, {name: samples for name, (_, samples) in begun.items()})

    def _stored(self, column: Column, indices: Integers) -> "_Stored | None":
        """Samples as they are stored, if the page cache holds them and this reader does not.

        Who asks for them copies and compares them, as fast as the memory gives them. Another thread would only cost
        what it takes to hand them over.
        """
        if self.way != "windows" or not column.mappable or not _consecutive(indices):
            return None
        first, last = int(indices[0]), int(indices[-1]) + 1
        begin, end = np.searchsorted(self.split.blocks, [first, last - 1], side="right").tolist()
        if not all(column.cached(*run) for run in column.runs(np.arange(begin - 1, end), READ_BYTES)):
            return None
        return _Stored(column, self.split.blocks[begin - 1 : end + 1].tolist(), begin - 1, first)

    def _begin(
        self, column: Column, indices: Integers, threads: Threads | None
    ) -> "tuple[Sequence[Future[Any]], _Samples | _Stored]":
        if self._scattered:
            return self._gather(column, indices, threads)
        if (stored := self._stored(column, indices)) is not None:
            return (), stored
        held = self._held.get(column.stored.name)
        runs: Sequence[tuple[int, int]] = ()
        read = _read
        if held is None or not held.whole:
            numbers = _unique(np.searchsorted(self.split.blocks, indices, side="right") - 1)
            runs = column.runs(numbers if held is None else held.missing(numbers), READ_BYTES)
        if held is not None:
            place, read = held.place, held.read
        else:
            place = _packed(column, numbers)
        # Small reads are handed to a thread several at a time: to wake one costs as much as half a read
        together = max(1, len(runs) // TASKS)
        pending = [
            _submit(threads, read, column, runs[at : at + together], place) for at in range(0, len(runs), together)
        ]
        local = place.local(column, indices)
        return pending, _Samples(column, _rows_of(column, place.data), local, indices, kept=held is not None)

    def _gather(
        self, column: Column, indices: Integers, threads: Threads | None
    ) -> "tuple[Sequence[Future[Any]], _Samples]":
        """Samples from everywhere, put in order by the threads: each has to wait for blocks that lie anywhere."""
        rows = indices if column.starts is None else reading.steps_of(column.starts, indices)
        out = _rows_of(column, POOL.take(len(rows) * column.row_bytes))
        held = self._held.get(column.stored.name)
        take = column.gather if held is None else functools.partial(held.take_rows, column)
        # Blocks that are read and compared on the way take most of the time: so many threads share them
        missing = column.left_to_compare(rows) if held is None else len(held.missing_of(column, rows))
        together = -(-len(rows) // min(max(missing, 1), TASKS))
        pending = [
            _submit(threads, take, rows[at : at + together], out[at : at + together])
            for at in range(0, len(rows), max(1, together))
        ]
        lengths = None if column.starts is None else (column.starts[1:] - column.starts[:-1])[indices]
        local = np.arange(len(indices)) if lengths is None else blocks.offsets(lengths)[:-1]
        if held is not None:
            return pending, _Samples(column, out, local, indices, kept=False)
        return pending, _Gathered(column, out, local, indices, rows, pending)


class _Samples:
    """Samples of an input that lie in memory: where, and in which order they are wanted.

    Rows that are wanted as they lie are given as they lie; others are copied, as many as are asked for.
    """

    def __init__(self, column: Column, rows: NDArray[Any], local: Integers, indices: Integers, *, kept: bool) -> None:
        """Take them in order.

        Args:
            column: of the input.
            rows: where they lie.
            local: (samples,) first row of each among them.
            indices: (samples,) in the split.
            kept: whether they are used again, and so not to be changed.
        """
        self._rows = rows
        self._local = local
        self._slab = Slab()
        self._kept = kept
        self._lengths = None if column.starts is None else (column.starts[1:] - column.starts[:-1])[indices]
        ends = local + (1 if self._lengths is None else self._lengths)
        # Samples before which rows lie that are not wanted
        self._gaps: list[int] = (np.flatnonzero(local[1:] != ends[:-1]) + 1).tolist()

    def __getitem__(self, samples: slice) -> Any:
        """The samples from one place to another: an array (samples, *shape), or a list of arrays (steps, *shape)."""
        first, last = samples.start, samples.stop
        at = bisect_left(self._gaps, first + 1)
        whole = at == len(self._gaps) or self._gaps[at] >= last
        if self._lengths is None:
            return self._run(int(self._local[first]), last - first) if whole else self._copied(self._local[first:last])
        lengths = self._lengths[first:last]
        edges = blocks.offsets(lengths)
        if whole:
            found = self._run(int(self._local[first]), int(edges[-1]))
        else:
            begins = self._local[first:last]
            found = self._copied(np.arange(edges[-1]) + np.repeat(begins - edges[:-1], lengths))
        return reading.cut(found, edges)

    def _run(self, begin: int, count: int) -> NDArray[Any]:
        view = self._rows[begin : begin + count]
        if self._kept:
            view.setflags(write=False)
        return view

    def _copied(self, local: Integers) -> NDArray[Any]:
        shape = (len(local), *self._rows.shape[1:])
        size = len(local) * self._rows.strides[0] if len(self._rows) else 0
        out = self._slab.take(size).view(self._rows.dtype).reshape(shape)
        # mode="clip" lets NumPy write into `out` without a second buffer; the range is right
        np.take(self._rows, local, axis=0, out=out, mode="clip")
        return out


class _Gathered(_Samples):
    """Samples that threads copied out of files, whose last look at these is taken by who asks for the samples.

    So it is taken once for all threads, which let others run at each look: at 32 files, half of their time.
    """

    def __init__(
        self,
        column: Column,
        rows: NDArray[Any],
        local: Integers,
        indices: Integers,
        wanted: Integers,
        pending: "Sequence[Future[set[Seen]]]",
    ) -> None:
        """As `_Samples`, of the rows `wanted` of the column, `pending` until they are all there."""
        super().__init__(column, rows, local, indices, kept=False)
        self._column = column
        self._wanted = wanted
        self._pending = pending

    def __getitem__(self, samples: slice) -> Any:
        """The samples from one place to another: an array (samples, *shape), or a list of arrays (steps, *shape)."""
        if self._pending:
            if not self._column.unchanged(set().union(*(one.result() for one in self._pending))):
                self._column.take_rows(self._wanted, self._rows)
            self._pending = ()
        return super().__getitem__(samples)


class _Stored:
    """Samples in a row, read and compared by who asks for them, whole blocks at a time; cheapest from first to last."""

    def __init__(self, column: Column, edges: list[int], number: int, first: int) -> None:
        """Read nothing yet.

        Args:
            column: of the input.
            edges: first sample of each of their blocks, and the one after the last block.
            number: of the first of these blocks.
            first: sample from which is counted.
        """
        self._column = column
        self._edges = edges
        self._number = number
        self._first = first
        self._ring = Ring()
        self._next = 0  # block to be read next, from the first of these on
        self._begin = 0  # first row in memory
        self._rows: NDArray[Any] | None = None

    def __getitem__(self, samples: slice) -> Any:
        """The samples from one place to another: an array (samples, *shape), or a list of arrays (steps, *shape)."""
        first, last = self._first + samples.start, self._first + samples.stop
        starts = self._column.starts
        begin, end = (first, last) if starts is None else (int(starts[first]), int(starts[last]))
        rows, at = self._rows, begin - self._begin
        if rows is None or at < 0 or at + end - begin > len(rows):
            del rows  # its memory may serve the next ones
            rows, at = self._read(first, last, begin), begin - self._begin
        found = rows[at : at + end - begin]
        return found if starts is None else reading.cut(found, starts[first : last + 1])

    def _read(self, first: int, last: int, begin: int) -> NDArray[Any]:
        """Read whole blocks, so that the samples from `first`, whose first row is `begin`, to `last` - 1 are in memory.

        What is in memory of them already is taken along.
        """
        column, kept = self._column, None
        if self._rows is not None and 0 <= begin - self._begin < len(self._rows):
            kept = self._rows[begin - self._begin :].reshape(-1).view(np.uint8)
        else:
            self._next = bisect_right(self._edges, first) - 1
            begin = column.first_row(self._number + self._next)
        self._rows = None
        start, end = self._number + self._next, max(bisect_left(self._edges, last), self._next + 1)
        while end < len(self._edges) - 1 and column.size(start, self._number + end) < STREAM_BYTES:
            end += 1
        old = 0 if kept is None else len(kept)
        data = self._ring.take(old + column.size(start, self._number + end))
        if kept is not None:
            data[:old] = kept
        column.copy(start, self._number + end, data[old:].data)
        self._next, self._begin, self._rows = end, begin, _rows_of(column, data)
        return self._rows


class _Place:
    """Where blocks lie in memory: block `numbers[i]` begins at row `firsts[i]` of `data`."""

    def __init__(self, data: NDArray[np.uint8], numbers: Integers | None, firsts: Integers) -> None:
        self.data = data
        self._numbers = numbers
        self._firsts = firsts

    def piece(self, column: Column, first: int, last: int) -> NDArray[np.uint8]:
        """Where the blocks `first` to `last` - 1, which are one run, are to lie."""
        at = first if self._numbers is None else int(np.searchsorted(self._numbers, first))
        start = int(self._firsts[at]) * column.row_bytes
        return self.data[start : start + int(column.rows[last] - column.rows[first]) * column.row_bytes]

    def local(self, column: Column, indices: Integers) -> Integers:
        """First row of each of these samples."""
        rows = indices if column.starts is None else column.starts[indices]
        if self._numbers is None:
            return rows
        shifts = self._firsts - column.rows[self._numbers]
        if bool((shifts == shifts[0]).all()):
            return rows + int(shifts[0])
        found: Integers = rows + shifts[np.searchsorted(column.rows[self._numbers], rows, side="right") - 1]
        return found


class _Held:
    """All rows of an input in memory, each block read once."""

    def __init__(self, column: Column) -> None:
        self.place = _Place(aligned(column.bytes), None, column.rows)
        self._there = np.zeros(len(column.rows) - 1, bool)
        self._begun = np.zeros(len(column.rows) - 1, bool)
        self._changed = threading.Condition()
        self._whole = False

    def missing(self, numbers: Integers) -> Integers:
        return numbers[~self._there[numbers]]

    def missing_of(self, column: Column, rows: Integers) -> Integers:
        """The blocks of these rows that are missing, ascending."""
        return self.missing(np.empty(0, np.int64) if self.whole else np.unique(column.blocks_of(rows)))

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        self._whole = self._whole or bool(self._there.all())
        return self._whole

    def take_rows(self, column: Column, rows: Integers, out: NDArray[Any]) -> None:
        """As `Column.take_rows`, of what is held and read when it is not."""
        self.read(column, column.runs(self.missing_of(column, rows), READ_BYTES), self.place)
        # mode="clip" lets NumPy write into `out` without a second buffer; the range is right
        np.take(_rows_of(column, self.place.data), rows, axis=0, out=out, mode="clip")

    def read(self, column: Column, runs: Sequence[tuple[int, int]], place: _Place) -> None:
        """Read what is missing of some runs: bytes that somebody has compared are never written again.

        What another thread reads just now is waited for.
        """
        if not runs:
            return
        numbers = np.concatenate([np.arange(*run) for run in runs])
        while True:
            with self._changed:
                numbers = self.missing(numbers)
                if not len(numbers):
                    return
                mine = numbers[~self._begun[numbers]]
                if not len(mine):
                    self._changed.wait()
                    continue
                self._begun[mine] = True
            try:
                for run in column.runs(mine, READ_BYTES):
                    _read(column, [run], place)
                    self._there[run[0] : run[1]] = True
            finally:
                with self._changed:
                    self._begun[mine] = False
                    self._changed.notify_all()


def _read(column: Column, runs: Sequence[tuple[int, int]], place: _Place) -> None:
    for first, last in runs:
        column.read(first, last, place.piece(column, first, last))


def _rows_of(column: Column, data: NDArray[np.uint8]) -> NDArray[Any]:
    """Bytes as rows, as many as there are whole ones."""
    whole = data[: len(data) // column.row_bytes * column.row_bytes]
    return whole.view(np.dtype(column.stored.dtype)).reshape(-1, *column.stored.shape)


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


def _consecutive(indices: Integers) -> bool:
    return len(indices) > 0 and bool((np.diff(indices) == 1).all())


def _unique(numbers: Integers) -> Integers:
    """Ascending and each once; fast where they are so already."""
    steps = np.diff(numbers)
    if bool((steps >= 0).all()):
        return numbers[np.concatenate([[True], steps > 0])] if len(numbers) else numbers
    return np.unique(numbers)


def _submit(threads: Threads | None, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
    if threads is not None:
        return threads.submit(work, *arguments)
    done: Future[Any] = Future()
    done.set_result(work(*arguments))
    return done
