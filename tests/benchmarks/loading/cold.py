"""The page cache, emptied or filled before a pass, and how much of a file is in it."""

import contextlib
import ctypes
import mmap
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

ALL = Path("/proc/sys/vm/drop_caches")
CHUNK = 8 << 20
LOOKS = 64
ATTEMPTS = 5
FORGOTTEN = 0.01


def files_in(directories: Iterable[Path]) -> list[Path]:
    """All files in some directories, however deep."""
    return sorted(path for directory in directories for path in directory.rglob("*") if path.is_file())


def evict(files: Sequence[Path], everything: bool) -> str:
    """Forget the pages of files, and say how it was done. They must have been synced.

    Args:
        files: forgotten by `posix_fadvise`, which any user may; again where pages were held for a moment.
        everything: also the whole page cache, with names and inodes; only root may, and it slows all neighbours.
    """
    for attempt in range(ATTEMPTS):
        for path in files:
            file = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(file)
        if resident(files) < FORGOTTEN:
            break
        time.sleep(0.1 * attempt)
    if everything:
        with contextlib.suppress(PermissionError):
            ALL.write_text("3")
            return "drop_caches"
    return "posix_fadvise"


def fill(files: Iterable[Path]) -> None:
    """Read files, so that they are in the page cache as far as it has room."""
    buffer = bytearray(CHUNK)
    for path in files:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def resident(files: Sequence[Path]) -> float:
    """Which part of the pages of some of the files is in the page cache.

    It asks `mincore`: a read with RWF_NOWAIT would begin reading ahead what it finds missing.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    seen = there = 0
    for path in files[:: max(1, len(files) // LOOKS)]:
        size = path.stat().st_size
        if not size:
            continue
        with path.open("rb") as file, mmap.mmap(file.fileno(), size, mmap.MAP_PRIVATE) as memory:
            pages = np.zeros(-(-size // mmap.PAGESIZE), np.uint8)
            begin = ctypes.c_char.from_buffer(memory)  # MAP_PRIVATE: writable for the sake of its address only
            failed = libc.mincore(
                ctypes.c_void_p(ctypes.addressof(begin)), ctypes.c_size_t(size), ctypes.c_void_p(pages.ctypes.data)
            )
            del begin
            if failed:
                raise OSError(ctypes.get_errno(), "mincore", str(path))
        seen += len(pages)
        there += int(np.count_nonzero(pages & 1))
    return there / max(1, seen)
