"""One input of a split on disk: its blocks read and compared with their checksums, or mapped into memory.

Where the page cache holds bytes they are copied from there. Where it does not, they are read past it (O_DIRECT)
straight into the caller's memory: a tenth of the CPU of a read through it, and faster.
"""

import bisect
import contextlib
import errno
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import AlteredError
from deeptrain.shards import blocks, memory, npy, page_cache
from deeptrain.shards.blocks import PAGE, Integers
from deeptrain.shards.layout import Compression, InputLayout
from deeptrain.shards.mapping import Mapping

BOUNCE = 1 << 20
FILES = 64
"""Shards of an input that are open at once, and as many mapped."""

DIRECT = getattr(os, "O_DIRECT", 0)
PLAIN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True)
class ShardFile:
    """The file of one shard of an input."""

    directory: Path
    name: str
    samples: int

    @property
    def path(self) -> Path:
        """Made when it is needed: there may be many shards."""
        return self.directory / self.name


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
        self._first_blocks = self._first_block.tolist()  # NumPy takes ten times as long to find one number
        self._checks = checks
        self._compression = compression
        self._told = told
        raw = np.diff(self.rows) * self.row_bytes
        self.stored_bytes: Integers = raw if sizes is None else sizes
        ends = np.concatenate([[0], np.cumsum(self.stored_bytes)])
        self._offset: Integers = ends
        self._checked = np.zeros(len(checks), bool)
        self._open_files: OrderedDict[int, _File] = OrderedDict()
        self._maps: OrderedDict[int, tuple[tuple[int, ...], NDArray[Any]]] = OrderedDict()
        self._mapping: Mapping | None = None
        edges = self._first_row * self.row_bytes
        # Files can be mapped next to each other if all but the last one hold whole pages
        self._joinable = self.mappable and not (edges[:-1] % PAGE).any()
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

    def read(self, first: int, last: int, out: NDArray[np.uint8]) -> None:
        """Read the blocks `first` to `last` - 1 of one shard, and compare each with its checksum.

        Args:
            first: number of the first block.
            last: number after the last one.
            out: (bytes,) uint8 that takes exactly these rows; reads are cheapest where it begins at a page.

        Raises:
            AlteredError: naming shard, block and both checksums, or both sizes.
        """
        shard = self.shard_of(first)
        start, end = int(self._offset[first]), int(self._offset[last])
        offset = start - int(self._offset[self._first_block[shard]]) + (npy.OFFSET if self.mappable else 0)
        packed = out if self.mappable else np.empty(end - start, np.uint8)
        file = self._file(shard)
        try:
            there = not file.direct or page_cache.holds(file.plain, offset, len(packed))
            if not there:
                self._fetch_directly(file, offset, packed)
            for number in range(first, last):
                at = int(self._offset[number]) - start
                piece = packed[at : at + int(self.stored_bytes[number])]
                if there:  # block by block, so that the checksum finds the bytes in the processor's cache
                    _read(file.plain, offset + at, piece, file.path)
                self._compare(number, shard, piece)
                if not self.mappable:
                    row = (int(self.rows[number]) - int(self.rows[first])) * self.row_bytes
                    stop = (int(self.rows[number + 1]) - int(self.rows[first])) * self.row_bytes
                    self._unpack(number, shard, piece, out[row:stop])
        except OSError as error:
            raise AlteredError(f"{file.path}: cannot be read: {error.strerror}", file.path.parent) from error

    @property
    def joined(self) -> NDArray[Any] | None:
        """All rows, mapped next to each other: (rows, *shape). Those of a shard are there once it is `mapped`.

        None where files are compressed or do not end with a page, or the system cannot do it.
        """
        if self._mapping is None and self._joinable:
            with self._lock:
                try:
                    self._mapping = self._mapping or Mapping(self.bytes)
                except OSError:
                    self._joinable = False
        if self._mapping is None:
            return None
        return self._mapping.data.view(self.dtype).reshape(-1, *self.stored.shape)

    def cached(self, first: int, last: int) -> bool:
        """Whether the page cache holds the blocks `first` to `last` - 1 of one shard as they are in memory."""
        if not self.mappable or last > self._first_block[self.shard_of(first) + 1]:
            return False
        shard = self.shard_of(first)
        offset = int(self._offset[first] - self._offset[self._first_block[shard]]) + npy.OFFSET
        return page_cache.holds(self._file(shard).plain, offset, int(self._offset[last] - self._offset[first]))

    def mapped(self, shard: int, numbers: Integers) -> NDArray[Any]:
        """A shard's rows in the page cache, with these blocks of it compared: (rows, *shape), read-only.

        A block is compared once, and again if the file changed on disk.

        Raises:
            AlteredError: as `read`.
        """
        rows = self._map(shard)
        for number in self.unchecked(numbers).tolist():
            begin, end = (int(self.rows[one]) - int(self._first_row[shard]) for one in (number, number + 1))
            self._compare(number, shard, rows[begin:end].reshape(-1).view(np.uint8))
            self._checked[number] = True
        return rows

    def unchecked(self, numbers: Integers) -> Integers:
        """Those of these blocks that `mapped` has not compared yet."""
        return numbers[~self._checked[numbers]]

    def take_rows(self, rows: Integers, out: NDArray[Any], scratch: NDArray[Any] | None = None) -> None:
        """Copy any rows in any order: out[i] = row rows[i], its block compared; both (len(rows), *shape)."""
        numbers = np.searchsorted(self.rows, rows, side="right") - 1
        touched = np.unique(numbers)
        if not self.mappable:
            for number in touched.tolist():
                chosen = np.flatnonzero(numbers == number)
                out[chosen] = self.block(number)[rows[chosen] - int(self.rows[number])]
            return
        # mode="clip" lets NumPy write into `out` without a second buffer; the range is right
        shards = self.shards_of(touched)
        if self.joined is not None:
            for shard in np.unique(shards).tolist():
                self.mapped(shard, touched[shards == shard])
            np.take(self.joined, rows, axis=0, out=out, mode="clip")
            return
        if shards[0] == shards[-1]:
            data = self.mapped(int(shards[0]), touched)
            np.take(data, rows - self._first_row[shards[0]], axis=0, out=out, mode="clip")
            return
        # Two plain copies, shard by shard and then into order, are faster than one that scatters
        shard_of = np.searchsorted(self._first_row, rows, side="right") - 1
        order = np.argsort(shard_of, kind="stable")
        edges = np.searchsorted(shard_of[order], np.arange(len(self._files) + 1))
        gathered = np.empty_like(out) if scratch is None else scratch
        for shard in np.unique(shards).tolist():
            data = self.mapped(shard, touched[shards == shard])
            part = slice(edges[shard], edges[shard + 1])
            np.take(data, rows[order[part]] - self._first_row[shard], axis=0, out=gathered[part], mode="clip")
        places = np.empty(len(rows), np.int64)
        places[order] = np.arange(len(rows))
        np.take(gathered, places, axis=0, out=out, mode="clip")

    def block(self, number: int) -> NDArray[Any]:
        """The rows of one block, read and compared just now: (rows, *shape)."""
        count = int(self.rows[number + 1] - self.rows[number])
        data = memory.aligned(count * self.row_bytes)
        self.read(number, number + 1, data)
        return data.view(self.dtype).reshape(count, *self.stored.shape)

    def _compare(self, number: int, shard: int, data: NDArray[np.uint8]) -> None:
        found, recorded = blocks.checksum(data.data), int(self._checks[number])
        if found != recorded:
            path = self._files[shard].path
            block = number - int(self._first_block[shard])
            raise AlteredError(
                f"{path}: altered: block {block} (counted from 0; {self._told(number)}) has the xxh3 {found:016x}, "
                f"{recorded:016x} is recorded; restore the file or make the shards again",
                path.parent,
            )

    def _unpack(self, number: int, shard: int, packed: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        import pyarrow as pa

        data = pa.Codec(self._compression).decompress(packed, len(out))
        if len(data) != len(out):
            path = self._files[shard].path
            raise AlteredError(f"{path}: block {number} unpacks to {len(data)} bytes, not {len(out)}", path.parent)
        out[:] = np.frombuffer(data, np.uint8)

    def _file(self, shard: int) -> "_File":
        """A shard's file, open; whoever reads keeps it open by holding it."""
        with self._lock:
            file = self._open_files.get(shard)
            if file is None:
                file = self._open_files[shard] = self._opened(shard)
                while len(self._open_files) > FILES:
                    self._open_files.popitem(last=False)
            else:
                self._open_files.move_to_end(shard)
            return file

    def _opened(self, shard: int) -> "_File":
        first, last = self._first_block[shard], self._first_block[shard + 1]
        rows = int(self._first_row[shard + 1] - self._first_row[shard])
        header = npy.header(self.dtype, (rows, *self.stored.shape)) if self.mappable else b""
        return _File(self._files[shard].path, len(header) + int(self._offset[last] - self._offset[first]), header)

    def _fetch_directly(self, file: "_File", offset: int, out: NDArray[np.uint8]) -> None:
        """Fill `out` past the page cache: whole pages at their place, what is left over through a bounce buffer."""
        done = 0
        if offset % PAGE == 0 and out.ctypes.data % PAGE == 0:
            done = len(out) // PAGE * PAGE
            _read(file.direct, offset, out[:done], file.path)
        while done < len(out):
            at = (offset + done) // PAGE * PAGE
            skip = offset + done - at
            want = min(len(out) - done, BOUNCE - skip)
            bounce = self._bounce()[: -(-(skip + want) // PAGE) * PAGE]
            _read(file.direct, at, bounce, file.path, at_least=skip + want)
            out[done : done + want] = bounce[skip : skip + want]
            done += want

    def _bounce(self) -> NDArray[np.uint8]:
        if not hasattr(self._own, "bounce"):
            self._own.bounce = memory.aligned(BOUNCE)
        bounce: NDArray[np.uint8] = self._own.bounce
        return bounce

    def _map(self, shard: int) -> NDArray[Any]:
        """A shard's rows, mapped; when the file changed since, it is compared as a whole and mapped anew.

        Not before: bytes that were handed out lie where the new ones are going to be.
        """
        known, joined = self._file(shard).state(), self.joined
        with self._lock:
            found = self._maps.get(shard)
            if found is not None and found[0] == known:
                self._maps.move_to_end(shard)
                return found[1]
        if found is not None:
            with self._lock:
                self._open_files.pop(shard, None)
            for number in range(int(self._first_block[shard]), int(self._first_block[shard + 1])):
                self.block(number)
        with self._lock:
            first, last = int(self._first_row[shard]), int(self._first_row[shard + 1])
            if joined is not None and self._mapping is not None:
                file = self._opened(shard)
                at = first * self.row_bytes
                self._mapping.place(at, (last - first) * self.row_bytes, file.plain, npy.OFFSET)
                rows = joined[first:last]
            else:
                shape = (last - first, *self.stored.shape)
                rows = np.asarray(np.memmap(self._files[shard].path, self.dtype, "r", npy.OFFSET, shape))
            self._maps[shard] = known, rows
            while joined is None and len(self._maps) > FILES:
                self._maps.popitem(last=False)
            return rows


class _File:
    """A file of a known size and beginning, open as long as somebody holds it."""

    def __init__(self, path: Path, size: int, header: bytes) -> None:
        self.path = path
        self.size = size
        self.plain = self.direct = 0
        try:
            self.plain = os.open(path, PLAIN)
            status = os.fstat(self.plain)
            if not stat.S_ISREG(status.st_mode) or status.st_size != size:
                raise AlteredError(f"{path}: {_sizes(size, status.st_size)}", path.parent)
            if os.pread(self.plain, len(header), 0) != header:
                raise AlteredError(
                    f"{path}: altered: its header is not what was written; restore the file or make the shards again",
                    path.parent,
                )
        except OSError as error:
            what = "is a link" if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}"
            raise AlteredError(f"{path}: {what}; restore the file or make the shards again", path.parent) from error
        if DIRECT:
            with contextlib.suppress(OSError):  # a file system without direct reads
                self.direct = os.open(path, PLAIN | DIRECT)

    def state(self) -> tuple[int, ...]:
        """What changes when somebody writes into the file under this name, or puts another in its place."""
        try:
            status = os.stat(self.path)  # noqa: PTH116 - a fifth of the time of Path.stat
        except OSError as error:
            raise AlteredError(f"{self.path}: cannot be read: {error.strerror}", self.path.parent) from error
        if status.st_size != self.size:
            raise AlteredError(f"{self.path}: {_sizes(self.size, status.st_size)}", self.path.parent)
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns

    def __del__(self) -> None:
        for descriptor in (self.plain, self.direct):
            if descriptor:
                os.close(descriptor)


def _sizes(expected: int, found: int) -> str:
    return f"must have {expected:,} bytes, has {found:,}; restore the file or make the shards again"


def _read(descriptor: int, offset: int, out: NDArray[np.uint8], path: Path, at_least: int | None = None) -> None:
    """Fill `out`, or `at_least` so many bytes of it, from an offset of a file."""
    view = out.data
    wanted = len(view) if at_least is None else at_least
    done = 0
    while done < wanted:
        count = os.preadv(descriptor, [view[done:]], offset + done)
        if count == 0:
            raise AlteredError(f"{path}: ends before byte {offset + wanted:,}; make the shards again", path.parent)
        done += count
