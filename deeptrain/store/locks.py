"""One writer an artifact: locks held by the kernel, released by it when their process dies however it dies."""

import contextlib
import fcntl
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from deeptrain import files
from deeptrain.errors import LockedError

_HOLDER = re.compile(r"process ([0-9]{1,10})\b")


class Lock:
    """The right to write one artifact, kept from `acquire` to `release` or the process's end.

    The lock file lies in `live/locks/`, outside all artifacts, and says who holds it.
    """

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        """Name the lock file; nothing is taken yet. Several may hold a shared one, and then nobody one that is not."""
        self._path = path
        self._kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._descriptor = -1
        self._process = 0

    def acquire(self) -> None:
        """Take the lock; taking it again does nothing.

        Raises:
            LockedError: when another process holds it, naming the process.
            WriteError: when there can be no such file.
        """
        if self._descriptor >= 0:
            return
        files.make_directories(self._path.parent)
        # No link is followed: a run's directory may be a stranger's, and the file is cut to nothing below.
        with files.explained(self._path):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            self._take(descriptor)
        except BaseException:
            _let_go(descriptor)
            raise
        self._descriptor, self._process = descriptor, os.getpid()

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, self._kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 4096).decode(errors="replace").strip()
            named = _HOLDER.match(holder)
            raise LockedError(
                f"{self._path.stem} is being written by {holder or 'another process'}; "
                "wait until it ends or stop it, then run again",
                int(named[1]) if named else None,
            ) from error
        command = json.dumps(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200])
        with files.explained(self._path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} ({command})\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back; without one, nothing happens."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            if os.getpid() == self._process:
                # Closing alone would leave the lock to a child that was forked meanwhile; a child only closes.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            _let_go(descriptor)

    def __enter__(self) -> Self:
        """Take the lock."""
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back."""
        self.release()


def _let_go(descriptor: int) -> None:
    """Close a lock file; what a failing disk says of it is of no use to anybody."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


def lock_of(run: Path, artifact: Path) -> Lock:
    """The lock of an artifact of a run, found by its path relative to the run."""
    return Lock(path_of(run, artifact))


def path_of(run: Path, artifact: Path) -> Path:
    """The file of that lock."""
    return run / "live" / "locks" / (artifact.relative_to(run).as_posix().replace("/", "__") + ".lock")


def holder(path: Path) -> str | None:
    """Who holds a lock, in words, as far as this machine knows; None where nobody does.

    The lock itself is not tried: whoever wanted it in that instant would be turned away. The process that the file
    names is asked for instead: it holds the lock while it has the file open. Of another user's process it is only
    known that it lives.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        said = os.read(descriptor, 4096).decode(errors="replace").strip()
    except OSError:
        return None
    finally:
        os.close(descriptor)  # before the look below: the process that is named may be this one
    named = _HOLDER.match(said)
    return said if named and _has_open(int(named[1]), status) else None


def _has_open(process: int, status: os.stat_result) -> bool:
    try:
        opened = list(Path(f"/proc/{process}/fd").iterdir())
    except PermissionError:
        return True
    except OSError:
        return False
    for descriptor in opened:
        with contextlib.suppress(OSError):
            if os.path.samestat(descriptor.stat(), status):
                return True
    return False


def run_lock(run: Path, *, shared: bool = False) -> Lock:
    """The lock of a run as a whole: commands that work on it share it, who deletes from it is alone."""
    return Lock(run / "live" / f"{run.name}.lock", shared=shared)


@contextlib.contextmanager
def alone(run: Path) -> Iterator[None]:
    """Being the only one at a run within the block: no command works on it, and nobody writes an artifact of it.

    Raises:
        LockedError: when somebody does, naming the process.
    """
    with run_lock(run):
        for path in sorted(run.glob("live/locks/*.lock")):
            with Lock(path):
                pass
        yield
