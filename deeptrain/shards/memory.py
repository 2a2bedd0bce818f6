"""Memory for reads: page-aligned, in huge pages, and recycled, since fresh memory costs more than the read into it."""

import mmap
import sys
import threading
import weakref
from collections import defaultdict, deque

import numpy as np
from numpy.typing import NDArray

HUGE = 1 << 21
LINE = 64
FREE = 3


def aligned(size: int) -> NDArray[np.uint8]:
    """Zeroed bytes that begin at a page: (size,) uint8. Views of it have it as their base."""
    return np.frombuffer(_mapping(size), np.uint8, count=size)


def _mapping(size: int) -> mmap.mmap:
    # MAP_PRIVATE: without it mmap gives shared memory, which is never in huge pages and costs five times the CPU
    rounded = -(-max(size, 1) // HUGE) * HUGE if size > HUGE // 2 else -(-max(size, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, rounded, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE") and rounded >= HUGE:
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


class Pool:
    """Buffers that come back by themselves when nobody holds a view of them any more."""

    def __init__(self, keep_bytes: int) -> None:
        """Keep at most `keep_bytes` of memory that nobody uses."""
        self._keep = keep_bytes
        self._kept = 0
        self._free: defaultdict[int, list[mmap.mmap]] = defaultdict(list)
        # A buffer may die, and so come back, in the middle of `take` of the same thread.
        self._lock = threading.RLock()

    @property
    def kept_bytes(self) -> int:
        """Of memory that is waiting to be used again."""
        return self._kept

    def take(self, size: int) -> NDArray[np.uint8]:
        """Bytes of any content that begin at a page: (size,) uint8, to be used as long as views of it are held."""
        rounded = -(-max(size, 1) // HUGE) * HUGE
        with self._lock:
            free = self._free[rounded]
            memory = free.pop() if free else None
            if memory is not None:
                self._kept -= rounded
        if memory is None:
            memory = _mapping(rounded)
        # An array of its own for each loan: when it dies, with the last view, the memory is free.
        lent = np.frombuffer(memory, np.uint8, count=size)
        weakref.finalize(lent, self._give, rounded, memory).atexit = False
        return lent

    def _give(self, rounded: int, memory: mmap.mmap) -> None:
        with self._lock:
            if self._kept + rounded <= self._keep:
                self._kept += rounded
                self._free[rounded].append(memory)


POOL = Pool(256 << 20)
"""Of the whole process: what one reader has done with serves the next."""


class Ring:
    """Large pieces for one who uses them one after the other: the one before the last may be the next, at no cost."""

    def __init__(self) -> None:
        """Take nothing yet."""
        self._lent: deque[NDArray[np.uint8]] = deque(maxlen=3)

    def take(self, size: int) -> NDArray[np.uint8]:
        """Bytes of any content that begin at a page: (size,) uint8, to be used as long as views of it are held."""
        for data in self._lent:
            # The deque, this name and the argument hold it, and every view does
            if len(data) >= size and sys.getrefcount(data) == FREE:
                return data[:size]
        data = POOL.take(-(-size // HUGE) * HUGE)
        self._lent.append(data)
        return data[:size]


class Slab:
    """Small pieces of one buffer after the other, each of which comes back when none of its pieces is held any more."""

    def __init__(self) -> None:
        """Take nothing yet."""
        self._data: NDArray[np.uint8] | None = None
        self._at = 0

    def take(self, size: int) -> NDArray[np.uint8]:
        """Bytes of any content: (size,) uint8 that begins at a multiple of 64, as tensors that share it must."""
        if size > HUGE // 2:
            return POOL.take(size)
        if self._data is None or self._at + size > HUGE:
            self._data = None  # its memory may be the next one's
            self._data, self._at = POOL.take(HUGE), 0
        begin = self._at
        self._at += -(-size // LINE) * LINE
        return self._data[begin : begin + size]
