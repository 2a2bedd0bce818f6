"""One input of a split on disk: its blocks read and compared with their checksums, or single rows taken from anywhere.

Where the page cache holds bytes they are copied from there. Where it does not, they are read past it (O_DIRECT)
straight into the caller's memory: a tenth of the CPU of a read through it, and faster. Single rows always come through
the page cache: their blocks are compared once, and again when the file changed. Whether it did is looked up after the
rows were copied: what was written into it meanwhile is not handed out.
"""

import bisect
import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from deeptrain.errors import AlteredError, DeeptrainError, in_one_line, unreadable
from deeptrain.shards import blocks, memory, npy, page_cache
from deeptrain.shards.blocks import PAGE, Integers
from deeptrain.shards.layout import Compression, InputLayout
from deeptrain.shards.mapping import Mapping
from deeptrain.shards.shard_file import OpenFile, ShardFile, State, fill, state_of

BOUNCE = 1 << 20
LOOK_BYTES = 64 << 10
FILES = 64
"""Shards of an input that are open at once."""

PATIENCE_SECONDS = 10.0
"""How long a thread waits for another one that compares the same block before it does so itself."""

Seen = tuple[int, int, State]
"""A shard, its turn, and its file's state when that began: see `Column.gather`."""


class Column:
    """One input of all samples of a split.

    Attributes:
        stored: name, dtype and shape.
        rows: (blocks + 1,) int64: first row (sample, or step of a sequence) of each block, and at the end their number.
        starts: (samples + 1,) int64 first step of each sequence and their number at the end; None if no sequence.
    """

    def __init__(
        self,
        stored: InputLayout,
        files: Sequence[ShardFile],
        firsts: Integers,
        starts: Integers | None,
        checks: NDArray[np.uint64],
        sizes: Integers | None,
        compression: Compression | None,
        told: Callable[[int], str],
    ) -> None:
        """Lay out what is told; no file is opened.

        Args:
            stored: name, dtype and shape.
            files: of the shards, in order.
            firsts: (blocks + 1,) first sample of each block.
            starts: (samples + 1,) first step of each sequence.
            checks: (blocks,) checksums.
            sizes: (blocks,) bytes as stored, when compressed.
            compression: of the blocks.
            told: what a block holds, in words, for messages.
        """
        self.stored = stored
        self.dtype = np.dtype(stored.dtype).newbyteorder("<")
        self.row_bytes = blocks.row_bytes(stored)
        self.starts = starts
        self.rows: Integers = firsts if starts is None else starts[firsts]
        self._files = files
        edges = np.cumsum([0, *(file.samples for file in files)])
        self._first_row: Integers = edges if starts is None else starts[edges]
        self._first_block: Integers = np.searchsorted(firsts, edges)
        self._first_blocks: list[int] = self._first_block.tolist()
        self._compression = compression
        self._told = told
        raw = np.diff(self.rows) * self.row_bytes
        self.stored_bytes: Integers = raw if sizes is None else sizes
        # Single numbers are taken from views of memory: of an array each takes ten times as long
        self._offset = np.concatenate([[0], np.cumsum(self.stored_bytes)]).astype(np.int64).data
        self._row = self.rows.astype(np.int64).data
        self._check = checks.astype(np.uint64).data
        # A block is compared if it was in the present turn of its shard; a shard that changed begins another one
        self._compared = np.full(len(checks), -1, np.int64)
        self._turns = np.zeros(len(files), np.int64)
        self._left = len(checks)
        self._seen: dict[int, Seen] = {}
        self._comparing = [threading.Lock() for _ in range(FILES)]
        self._mapping: Mapping | None = None
        self._mappable = self.mappable
        self._open_files: OrderedDict[int, OpenFile] = OrderedDict()
        self._lock = threading.Lock()
        self._own = threading.local()

    @property
    def bytes(self) -> int:
        """Of all samples, in memory."""
        return int(self.rows[-1]) * self.row_bytes

    @property
    def mappable(self) -> bool:
        """Whether its samples are on disk as they are in memory."""
        return self._compression is None

    def shard_of(self, block: int) -> int:
        """Which shard a block lies in, from 0."""
        return bisect.bisect_right(self._first_blocks, block) - 1

    def shards_of(self, numbers: Integers) -> Integers:
        """Which shard each of these blocks lies in, from 0."""
        shards: Integers = np.searchsorted(self._first_block, numbers, side="right") - 1
        return shards

    def runs(self, numbers: Integers, most: int) -> list[tuple[int, int]]:
        """Ascending block numbers as runs (first, after the last), one read each: in one shard, up to `most` bytes."""
        runs: list[tuple[int, int]] = []
        shards = self.shards_of(numbers).tolist()
        sizes = self.stored_bytes[numbers].tolist()
        held, shard_before = 0, -1
        for number, shard, size in zip(numbers.tolist(), shards, sizes, strict=True):
            if runs and runs[-1][1] == number and shard == shard_before and held + size <= most:
                runs[-1] = (runs[-1][0], number + 1)
                held += size
            else:
                runs.append((number, number + 1))
                held = size
            shard_before = shard
        return runs

    def first_row(self, number: int) -> int:
        """Row with which a block begins; after the last block, the number of rows."""
        return int(self._row[number])

    def size(self, first: int, last: int) -> int:
        """Bytes in memory of the blocks `first` to `last` - 1."""
        return int(self._row[last] - self._row[first]) * self.row_bytes

    def copy(self, first: int, last: int, out: memoryview) -> None:
        """As `read`, for blocks of any shards, as they are in memory, out of the page cache."""
        at, end = 0, -1
        for number in range(first, last):
            if number >= end:
                shard = self.shard_of(number)
                file, end = self._file(shard), self._first_blocks[shard + 1]
                offset = self._place(number, shard) - at
            size = self._offset[number + 1] - self._offset[number]
            piece = out[at : at + size]
            try:
                fill(file.plain, offset + at, piece, file.path)
            except OSError as error:
                raise self._unreadable(number, shard, error) from error
            if xxhash.xxh3_64_intdigest(piece) != self._check[number]:
                self._compare(number, shard, piece)
            at += size

    def read(self, first: int, last: int, out: NDArray[np.uint8], *, cached: bool | None = None) -> None:
        """Read the blocks `first` to `last` - 1 of one shard, and compare each with its checksum.

        Args:
            first: number of the first block.
            last: number after the last one.
            out: (bytes,) uint8 that takes exactly these rows; reads are cheapest where it begins at a page.
            cached: whether the page cache holds them, where the caller has looked.

        Raises:
            AlteredError: naming shard, block and both checksums, or both sizes.
        """
        shard = self.shard_of(first)
        file = self._file(shard)
        start = self._offset[first]
        offset = self._place(first, shard)
        packed = out if self.mappable else np.empty(self._offset[last] - start, np.uint8)
        number = first
        try:
            if cached is None:
                cached = not file.direct or page_cache.holds(file.plain, offset, len(packed))
            if not cached:
                self._fetch_directly(file, offset, packed)
            whole = packed.data
            for number in range(first, last):
                at = self._offset[number] - start
                piece = whole[at : self._offset[number + 1] - start]
                if cached:  # block by block, so that the checksum finds the bytes in the processor's cache
                    fill(file.plain, offset + at, piece, file.path)
                self._compare(number, shard, piece)
                if not self.mappable:
                    row, stop = ((self._row[one] - self._row[first]) * self.row_bytes for one in (number, number + 1))
                    self._unpack(number, shard, piece, out[row:stop])
        except OSError as error:
            raise self._unreadable(number, shard, error) from error

    def cached(self, first: int, last: int) -> bool:
        """Whether the page cache seems to hold the blocks `first` to `last` - 1 of one shard as they are in memory.

        To ask for every page would cost a fifth of what reading them does: their beginning and end are looked at.
        """
        if not self.mappable:
            return False
        shard = self.shard_of(first)
        begin, size = self._place(first, shard), self._offset[last] - self._offset[first]
        look = min(size, LOOK_BYTES)
        file = self._file(shard)
        return all(page_cache.holds(file.plain, at, look) for at in (begin, begin + size - look))

    def left_to_compare(self, rows: Integers) -> int:
        """How many blocks of these rows `gather` will compare, as far as is known without a look at the files."""
        return len(self._missing(np.unique(self.blocks_of(rows)))) if self._left else 0

    def take_rows(self, rows: Integers, out: NDArray[Any]) -> None:
        """Copy any rows in any order: out[i] = row rows[i], its block compared; both (len(rows), *shape).

        Raises:
            AlteredError: as `read`.
        """
        while not self.unchanged(self.gather(rows, out)):
            pass

    def gather(self, rows: Integers, out: NDArray[Any]) -> set[Seen]:
        """As `take_rows`, but for a last look: what is found in `out` counts if `unchanged` says so later.

        Returns:
            what `unchanged` is to be asked about. A look at a file lets other threads run, which costs more than the
            look: one who asks once, about the rows of many calls, saves most of it.

        Raises:
            AlteredError: as `read`.
        """
        if not self.mappable:
            numbers = self.blocks_of(rows)
            for number in np.unique(numbers).tolist():
                chosen = np.flatnonzero(numbers == number)
                out[chosen] = self.block(number)[rows[chosen] - self._row[number]]
            return set()
        shards = np.searchsorted(self._first_row, rows, side="right") - 1
        touched = np.flatnonzero(np.bincount(shards)).tolist()
        while True:
            seen = {self._placed(shard) for shard in touched}
            try:
                if self._left:
                    self._compare_once(np.unique(self.blocks_of(rows)), {shard: turn for shard, turn, _ in seen})
                self._copy(rows, shards, out.reshape(-1).view(np.uint8))
            except AlteredError:
                if self.unchanged(seen):
                    raise
            else:
                return seen

    def unchanged(self, seen: set[Seen]) -> bool:
        """Look at these files: whether all that was read of them was read before anybody changed them.

        Of a file that was changed nothing counts any more that was seen before: its next turn begins when it is read.

        Raises:
            AlteredError: for a file that is gone or has another size.
        """
        changed = {one for one in seen if self._state(one[0]) != one[2]}
        with self._lock:
            for one in seen:
                if self._seen.get(one[0]) != one:  # another one has seen that it changed
                    changed.add(one)
                elif one in changed:
                    del self._seen[one[0]]
        return not changed

    def blocks_of(self, rows: Integers) -> Integers:
        """Which block each of these rows lies in."""
        numbers: Integers = np.searchsorted(self.rows, rows, side="right") - 1
        return numbers

    def block(self, number: int) -> NDArray[Any]:
        """The rows of one block, read and compared just now: (rows, *shape)."""
        count = self._row[number + 1] - self._row[number]
        data = memory.aligned(count * self.row_bytes)
        self.read(number, number + 1, data)
        return data.view(self.dtype).reshape(count, *self.stored.shape)

    def _compare(self, number: int, shard: int, data: memoryview) -> None:
        found, recorded = blocks.checksum(data), self._check[number]
        if found != recorded:
            path = self._files[shard].path
            raise AlteredError(
                f"{path}: altered: {self._named(number, shard)} has the xxh3 {found:016x}, {recorded:016x} is "
                f"recorded; restore the file or make the shards again",
                path.parent,
            )

    def _unpack(self, number: int, shard: int, packed: memoryview, out: NDArray[np.uint8]) -> None:
        import pyarrow as pa

        file = self._files[shard]
        told = f"{file.path}: {self._named(number, shard)}"
        try:  # a stream, since a codec does not tell how much of its result is the block
            stream = pa.CompressedInputStream(pa.BufferReader(packed), self._compression)
            found = int(stream.readinto(out)) + len(stream.read(1))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise AlteredError(
                f"{told} cannot be unpacked: {in_one_line(error)}; make the shards again", file.directory
            ) from error
        if found != len(out):
            many = f"{found:,}" if found < len(out) else "more"
            raise AlteredError(
                f"{told} unpacks to {many} bytes, not {len(out):,}; make the shards again", file.directory
            )

    def _missing(self, numbers: Integers) -> Integers:
        """Those of these blocks that were not compared in the present turns of their shards."""
        missing: Integers = numbers[self._compared[numbers] != self._turns[self.shards_of(numbers)]]
        return missing

    def _compare_once(self, numbers: Integers, turns: dict[int, int]) -> None:
        """Compare those of these blocks that were not yet, in these turns of their shards."""
        for number in self._missing(numbers).tolist():
            shard, stripe = self.shard_of(number), number % len(self._comparing)
            lock = self._comparing[stripe]
            alone = lock.acquire(timeout=PATIENCE_SECONDS)
            if not alone:
                self._comparing[stripe] = threading.Lock()  # nobody waits any more for who is stuck
            try:
                if self._compared[number] == turns[shard]:
                    continue
                data = memory.POOL.take(self._offset[number + 1] - self._offset[number])
                self.read(number, number + 1, data, cached=True)
                with self._lock:
                    if turns[shard] == self._turns[shard] != self._compared[number]:
                        self._compared[number] = turns[shard]
                        self._left -= 1
            finally:
                if alone:
                    lock.release()

    def _copy(self, rows: Integers, shards: Integers, out: NDArray[np.uint8]) -> None:
        """Rows of files that are at their places."""
        if not len(rows):
            return
        # Rows that follow one another in a file are one piece
        begins = np.flatnonzero(np.concatenate([[True], (np.diff(rows) != 1) | (np.diff(shards) != 0)]))
        sizes = np.diff(np.append(begins, len(rows))) * self.row_bytes
        offsets = (rows[begins] - self._first_row[shards[begins]]) * self.row_bytes
        if self._mapping is not None:
            with contextlib.suppress(OSError):  # a page is not there, or this is not allowed: reading tells
                self._mapping.copy(self._mapping.begins[shards[begins]] + offsets, sizes, out)
                return
        at = 0
        for shard, offset, size in zip(shards[begins].tolist(), offsets.tolist(), sizes.tolist(), strict=True):
            file = self._file(shard)
            try:
                fill(file.plain, npy.OFFSET + offset, out[at : at + size].data, file.path)
            except OSError as error:
                number = int(np.searchsorted(self.rows, self._first_row[shard] + offset // self.row_bytes, "right")) - 1
                raise self._unreadable(number, shard, error) from error
            at += size

    def _named(self, number: int, shard: int) -> str:
        return f"block {number - self._first_blocks[shard]} (counted from 0; {self._told(number)})"

    def _place(self, number: int, shard: int) -> int:
        """Where a block begins in its file."""
        offset = self._offset[number] - self._offset[self._first_blocks[shard]]
        return offset + npy.OFFSET if self.mappable else offset

    def _unreadable(self, number: int, shard: int, error: OSError) -> DeeptrainError:
        file = self._files[shard]
        told = (
            f"{file.path}: {self._named(number, shard)} cannot be read: {error.strerror}; look after the disk, restore "
            f"the file or make the shards again"
        )
        return unreadable(file.path, error, AlteredError(told, file.directory))

    def _file(self, shard: int) -> OpenFile:
        """A shard's file, open; whoever reads keeps it open by holding it."""
        with self._lock:
            file = self._open_files.get(shard)
            if file is None:
                return self._opened(shard)
            self._open_files.move_to_end(shard)
            return file

    def _opened(self, shard: int) -> OpenFile:
        first, last = self._first_blocks[shard : shard + 2]
        rows = int(self._first_row[shard + 1] - self._first_row[shard])
        header = npy.header(self.dtype, (rows, *self.stored.shape)) if self.mappable else b""
        file = OpenFile(self._files[shard].path, len(header) + self._offset[last] - self._offset[first], header)
        self._open_files[shard] = file
        while len(self._open_files) > FILES:
            self._open_files.popitem(last=False)
        return file

    def _fetch_directly(self, file: OpenFile, offset: int, out: NDArray[np.uint8]) -> None:
        """Fill `out` past the page cache: whole pages at their place, what is left over through a bounce buffer."""
        done = 0
        if offset % PAGE == 0 and out.ctypes.data % PAGE == 0:
            done = len(out) // PAGE * PAGE
            fill(file.direct, offset, out[:done].data, file.path)
        while done < len(out):
            at = (offset + done) // PAGE * PAGE
            skip = offset + done - at
            want = min(len(out) - done, BOUNCE - skip)
            bounce = self._bounce()[: -(-(skip + want) // PAGE) * PAGE]
            fill(file.direct, at, bounce.data, file.path, at_least=skip + want)
            out[done : done + want] = bounce[skip : skip + want]
            done += want

    def _bounce(self) -> NDArray[np.uint8]:
        if not hasattr(self._own, "bounce"):
            self._own.bounce = memory.aligned(BOUNCE)
        bounce: NDArray[np.uint8] = self._own.bounce
        return bounce

    def _placed(self, shard: int) -> Seen:
        """A shard, its turn and its file's state then: another turn, and mapped anew, once a change was seen."""
        if (seen := self._seen.get(shard)) is not None:
            return seen
        state = self._state(shard)
        with self._lock:
            if (seen := self._seen.get(shard)) is not None:
                return seen
            self._open_files.pop(shard, None)
            file = self._opened(shard)
            if self._mapping is None and self._mappable:
                sizes = np.diff(self._first_row) * self.row_bytes
                try:
                    self._mapping = Mapping(sizes.tolist())
                except OSError:
                    self._mappable = False
            if self._mapping is not None:
                self._mapping.place(shard, file.size - npy.OFFSET, file.plain, npy.OFFSET)
            own = slice(*self._first_blocks[shard : shard + 2])
            self._left += int(np.count_nonzero(self._compared[own] == self._turns[shard]))
            self._turns[shard] += 1
            self._seen[shard] = shard, int(self._turns[shard]), state
            return self._seen[shard]

    def _state(self, shard: int) -> State:
        rows = int(self._first_row[shard + 1] - self._first_row[shard])
        return state_of(self._files[shard].path, npy.OFFSET + rows * self.row_bytes)
