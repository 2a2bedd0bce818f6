"""Files of a store for a browser: only those below it, reached without following a link, of a few types."""

import contextlib
import os
import stat
from pathlib import Path

from deeptrain.errors import ArtifactError

TYPES = {
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
MOST_BYTES = 64 << 20


def read(store: Path, *names: str) -> bytes:
    """The bytes of a file, by the names of the directories on the way to it and its own.

    Every step is taken from the directory opened before, so nothing that is exchanged meanwhile leads elsewhere.

    Raises:
        ArtifactError: when there is no such file, it is no regular one, a link is on the way, or it is too large.
    """
    where = "/".join(names)
    if not names or any(not is_name(name) for name in names):
        raise ArtifactError(f"{where[:200]!r} is no path below the store")
    try:
        with contextlib.ExitStack() as opened:
            descriptor = _opened(opened, store, os.O_DIRECTORY, None)
            for name in names[:-1]:
                descriptor = _opened(opened, name, os.O_DIRECTORY | os.O_NOFOLLOW, descriptor)
            # Not waiting for whoever writes into a pipe that has the name of a file.
            descriptor = _opened(opened, names[-1], os.O_NOFOLLOW | os.O_NONBLOCK, descriptor)
            return _bytes(descriptor, where)
    except OSError as error:
        raise ArtifactError(f"{where}: cannot be read: {error.strerror}") from error


def regular(path: Path) -> bytes:
    """The bytes of a file that is no link.

    Raises:
        ArtifactError: see `read`.
    """
    try:
        with contextlib.ExitStack() as opened:
            return _bytes(_opened(opened, path, os.O_NOFOLLOW | os.O_NONBLOCK, None), str(path))
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror}") from error


def is_name(name: str) -> bool:
    """Whether a text is the name of something that may be shown: one step down, and not hidden."""
    return bool(name) and not name.startswith(".") and "/" not in name and "\0" not in name


def _opened(opened: contextlib.ExitStack, path: str | Path, flags: int, below: int | None) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags, dir_fd=below)
    opened.callback(os.close, descriptor)
    return descriptor


def _bytes(descriptor: int, where: str) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise ArtifactError(f"{where}: not a regular file")
    if status.st_size > MOST_BYTES:
        raise ArtifactError(f"{where}: larger than the {MOST_BYTES:,} bytes that are shown")
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(MOST_BYTES)
