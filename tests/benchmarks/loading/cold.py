"""The page cache, emptied or filled before a pass, and how much of a file is in it."""

import contextlib
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

ALL = Path("/proc/sys/vm/drop_caches")
PAGE = 4096
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
    """About which part of the pages is in the page cache: some places of some files are looked at, none is read."""
    seen = there = 0
    for path in files[:: max(1, len(files) // LOOKS)]:
        size = path.stat().st_size
        file = os.open(path, os.O_RDONLY)
        try:
            for number in range(min(LOOKS, -(-size // PAGE))):
                seen += 1
                with contextlib.suppress(BlockingIOError):
                    place = size * number // LOOKS // PAGE * PAGE
                    there += os.preadv(file, [bytearray(1)], place, os.RWF_NOWAIT) == 1
        finally:
            os.close(file)
    return there / max(1, seen)
