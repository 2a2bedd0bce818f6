"""One input of a split on disk: its blocks read and compared with their checksums, or mapped into memory.

Reads go past the page cache (O_DIRECT) straight into the caller's memory where the bytes are not in it: that costs a
tenth of the CPU of a read through it. What is read a second time, and fits into memory, is left in the page cache.
"""

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

BOUNCE = 1 << 20
MAPS = 128
"""Shards of an input that are mapped at once: each costs a descriptor."""

DIRECT = getattr(os, "O_DIRECT", 0)
PLAIN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True)
class ShardFile:
    """The file of one shard of an input."""

    path: Path
    samples: int


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
        self._checks = checks
        self._compression = compression
        self._told = told
        raw = np.diff(self.rows) * self.row_bytes
        self.stored_bytes: Integers = raw if sizes is None else sizes
        ends = np.concatenate([[0], np.cumsum(self.stored_bytes)])
        self._offset: Integers = ends
        self._fits = page_cache.can_hold(int(ends[-1]))
        self._seen = np.zeros(len(checks), bool)
        self._checked = np.zeros(len(checks), bool)
        self._maps: OrderedDict[int, tuple[tuple[int, ...], NDArray[Any]]] = OrderedDict()
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
        return int(np.searchsorted(self._first_block, block, side="right")) - 1

    def runs(self, numbers: Integers, most: int) -> list[tuple[int, int]]:
        """Ascending block numbers as runs (first, after the last), one read each: in one shard, up to `most` bytes."""
        runs: list[tuple[int, int]] = []
        shards = (np.searchsorted(self._first_block, numbers, side="right") - 1).tolist()
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
        start = int(self._offset[first])
        packed = out
        if self._compression is not None:
            packed = np.empty(int(self._offset[last]) - start, np.uint8)
        offset = start - int(self._offset[self._first_block[shard]]) + (npy.OFFSET if self.mappable else 0)
        again = self._fits and bool(self._seen[first])
        self._fetch(shard, offset, packed, past_cache=not again)
        for number in range(first, last):
            at = int(self._offset[number]) - start
            piece = packed[at : at + int(self.stored_bytes[number])]
            self._compare(number, shard, piece)
            if self._compression is not None:
                row = (int(self.rows[number]) - int(self.rows[first])) * self.row_bytes
                end = (int(self.rows[number + 1]) - int(self.rows[first])) * self.row_bytes
                self._unpack(number, shard, piece, out[row:end])
        self._seen[first:last] = True

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

    def take_rows(self, rows: Integers, out: NDArray[Any]) -> None:
        """Copy any rows in any order: out[i] = row rows[i], its block compared; out is (len(rows), *shape)."""
        numbers = np.searchsorted(self.rows, rows, side="right") - 1
        touched = np.unique(numbers)
        if not self.mappable:
            for number in touched.tolist():
                chosen = np.flatnonzero(numbers == number)
                out[chosen] = self.block(number)[rows[chosen] - int(self.rows[number])]
            return
        shards = np.searchsorted(self._first_block, touched, side="right") - 1
        for shard in np.unique(shards).tolist():
            data = self.mapped(shard, touched[shards == shard])
            first, last = int(self._first_row[shard]), int(self._first_row[shard + 1])
            if len(shards) == 1 or shards[0] == shards[-1]:
                # mode="clip" lets NumPy write into `out` without a second buffer; the range is right
                np.take(data, rows - first, axis=0, out=out, mode="clip")
                return
            chosen = np.flatnonzero((rows >= first) & (rows < last))
            out[chosen] = data[rows[chosen] - first]

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

    def _open(self, shard: int) -> int:
        """A descriptor of a shard's file, whose kind and size were checked."""
        path = self._files[shard].path
        first, last = self._first_block[shard], self._first_block[shard + 1]
        expected = int(self._offset[last] - self._offset[first]) + (npy.OFFSET if self.mappable else 0)
        try:
            descriptor = os.open(path, PLAIN)
        except OSError as error:
            what = "is a link" if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}"
            raise AlteredError(f"{path}: {what}; restore the file or make the shards again", path.parent) from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size != expected:
            os.close(descriptor)
            raise AlteredError(
                f"{path}: must have {expected:,} bytes, has {status.st_size:,}; restore the file or make the shards "
                "again",
                path.parent,
            )
        return descriptor

    def _fetch(self, shard: int, offset: int, out: NDArray[np.uint8], past_cache: bool) -> None:
        """Fill `out` from a shard's file."""
        descriptor = self._open(shard)
        try:
            if past_cache and DIRECT and not page_cache.holds(descriptor, offset, len(out)):
                try:
                    self._fetch_directly(shard, offset, out)
                except OSError as error:
                    if error.errno != errno.EINVAL:  # a file system without direct reads
                        raise
                else:
                    return
            _read(descriptor, offset, out, self._files[shard].path)
        except OSError as error:
            path = self._files[shard].path
            raise AlteredError(f"{path}: cannot be read: {error.strerror}", path.parent) from error
        finally:
            os.close(descriptor)

    def _fetch_directly(self, shard: int, offset: int, out: NDArray[np.uint8]) -> None:
        """The same past the page cache: whole pages at their place, what is left over by way of a bounce buffer."""
        path = self._files[shard].path
        descriptor = os.open(path, PLAIN | DIRECT)
        try:
            done = 0
            if offset % PAGE == 0 and out.ctypes.data % PAGE == 0:
                done = len(out) // PAGE * PAGE
                _read(descriptor, offset, out[:done], path)
            while done < len(out):
                at = (offset + done) // PAGE * PAGE
                skip = offset + done - at
                want = min(len(out) - done, BOUNCE - skip)
                bounce = self._bounce()[: -(-(skip + want) // PAGE) * PAGE]
                _read(descriptor, at, bounce, path, at_least=skip + want)
                out[done : done + want] = bounce[skip : skip + want]
                done += want
        finally:
            os.close(descriptor)

    def _bounce(self) -> NDArray[np.uint8]:
        if not hasattr(self._own, "bounce"):
            self._own.bounce = memory.aligned(BOUNCE)
        bounce: NDArray[np.uint8] = self._own.bounce
        return bounce

    def _map(self, shard: int) -> NDArray[Any]:
        """A shard's rows, mapped; when the file changed since, mapped anew and no block of it counts as compared."""
        descriptor = self._open(shard)
        try:
            status = os.fstat(descriptor)
            known = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            with self._lock:
                found = self._maps.get(shard)
                if found is not None and found[0] == known:
                    self._maps.move_to_end(shard)
                    return found[1]
                count = int(self._first_row[shard + 1] - self._first_row[shard])
                with open(descriptor, "rb", closefd=False) as file:
                    rows = np.memmap(file, self.dtype, "r", npy.OFFSET, (count, *self.stored.shape))
                if found is not None:
                    self._checked[self._first_block[shard] : self._first_block[shard + 1]] = False
                self._maps[shard] = known, np.asarray(rows)
                while len(self._maps) > MAPS:
                    self._maps.popitem(last=False)
                return self._maps[shard][1]
        finally:
            os.close(descriptor)


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
