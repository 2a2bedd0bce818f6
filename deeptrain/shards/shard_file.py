"""The file of a shard: opened with a look at what it should be, and what tells later whether somebody changed it."""

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from deeptrain.errors import AlteredError, unreadable

DIRECT = getattr(os, "O_DIRECT", 0)
PLAIN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW

State = tuple[int, ...]
"""What changes when somebody writes into a file, or puts another in its place."""


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


class OpenFile:
    """A file of a known size and beginning, open as long as somebody holds it.

    Attributes:
        path: of the file.
        size: of it, in bytes.
        plain: descriptor for reads through the page cache.
        direct: descriptor for reads past it; 0 where the file system has none.
    """

    def __init__(self, path: Path, size: int, header: bytes) -> None:
        """Open it, and compare size and header.

        Raises:
            AlteredError: when it has others, is a link or cannot be read.
            LackingError: when the system lacks what it takes.
        """
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
            told = f"{path}: {what}; restore the file or make the shards again"
            raise unreadable(path, error, AlteredError(told, path.parent)) from error
        if DIRECT:
            with contextlib.suppress(OSError):  # a file system without direct reads
                self.direct = os.open(path, PLAIN | DIRECT)

    def __del__(self) -> None:
        """Close it."""
        for descriptor in (self.plain, self.direct):
            if descriptor:
                os.close(descriptor)


def fill(descriptor: int, offset: int, out: memoryview, path: Path, at_least: int | None = None) -> None:
    """Fill `out`, or `at_least` so many bytes of it, from an offset of a file.

    Raises:
        AlteredError: when the file ends before.
        OSError: when it cannot be read.
    """
    wanted = len(out) if at_least is None else at_least
    done = 0
    while done < wanted:
        count = os.preadv(descriptor, [out[done:] if done else out], offset + done)
        if count == 0:
            raise AlteredError(f"{path}: ends before byte {offset + wanted:,}; make the shards again", path.parent)
        done += count


def state_of(path: Path, size: int) -> State:
    """Of a shard's file, as it is now.

    Raises:
        AlteredError: when it is gone, cannot be read or has another size.
        LackingError: when the system lacks what it takes.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - a fifth of the time of Path.stat
    except OSError as error:
        told = f"{path}: cannot be read: {error.strerror}; restore the file or make the shards again"
        raise unreadable(path, error, AlteredError(told, path.parent)) from error
    if status.st_size != size:
        raise AlteredError(f"{path}: {_sizes(size, status.st_size)}", path.parent)
    # Who restores a file by copying with its times cannot set back when its inode changed
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _sizes(expected: int, found: int) -> str:
    return f"must have {expected:,} bytes, has {found:,}; restore the file or make the shards again"
