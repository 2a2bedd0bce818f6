"""One writer an artifact: locks held by the kernel, released by it when their process dies however it dies."""

import contextlib
import fcntl
import json
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from deeptrain import files
from deeptrain.errors import ArtifactError, DeeptrainError, LockedError, WriteError, without_secrets

MOST_BYTES = 4096
"""Of what a lock file says."""

LOOKS, LOOK_SECONDS = 50, 0.01
"""At a lock file that says nothing yet."""

_HOLDER = re.compile(r"process (?P<process>[0-9]{1,10})\b(?P<where> on (?P<host>\S{1,255}))?")


class Lock:
    """The right to write one artifact, kept from `acquire` to `release` or the process's end.

    The lock file lies in `live/locks/`, outside all artifacts, and says who holds it, or held it last: that decides
    nothing about who may have it. Where several machines share a store its file system must have locks for all of
    them (NFS 4, Lustre, GPFS, ...), and frees those of a machine that is gone.
    """

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        """Name the lock file; nothing is taken yet. Several may hold a shared one, and then nobody one that is not."""
        self._path = path
        self._kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._descriptor = -1
        self._process = 0
        self._left: object = None

    def acquire(self) -> bool:
        """Take the lock; taking it again does nothing.

        Returns:
            Whether nobody else can have had it since it was released here.

        Raises:
            LockedError: when another process holds it, naming the process.
            DeeptrainError: when the lock lies behind a link, as all that is written beside it would.
            WriteError: when there can be no lock: on a file system that has none, or may not be written to.
        """
        if self._descriptor >= 0:
            return True
        for place in (self._path.parent, self._path.parent.parent):
            # A run's directory may be a stranger's, and may itself be a link of ours: `live/` and `locks/` may not.
            if place.name in ("live", "locks") and place.is_symlink():
                raise DeeptrainError(f"{place}: is a link, behind which nothing is written; remove it, and run again")
        files.make_directories(self._path.parent)
        # No link is followed: a run's directory may be a stranger's, and the file is cut to nothing below.
        with files.explained(self._path):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            as_left = self._take(descriptor)
        except BaseException:
            _let_go(descriptor)
            raise
        self._descriptor, self._process = descriptor, os.getpid()
        return as_left

    def _take(self, descriptor: int) -> bool:
        try:
            self._flock(descriptor)
        except BlockingIOError as error:
            said = _said(os.pread(descriptor, MOST_BYTES, 0))
            raise LockedError(
                f"{self._path.stem} is being written by {_in_words(said) or 'another process'}; "
                "wait until it ends or stop it, then run again",
                _process(said),
            ) from error
        except OSError as error:
            raise WriteError(
                f"{self._path}: this file system cannot lock files ({error.strerror}), and without locks two processes "
                "could write the same: name another place for the store (--store)",
                error,
            ) from error
        as_left = _look_of(descriptor) == self._left
        command = json.dumps(without_secrets(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]))[:200])
        told = f"process {os.getpid()} on {_here()} ({command})\n".encode()
        with files.explained(self._path):
            # Cut afterwards: a file that is cut to nothing and closed is written to the disk at once by some systems.
            os.pwrite(descriptor, told, 0)
            os.ftruncate(descriptor, len(told))
        return as_left

    def _flock(self, descriptor: int) -> None:
        """Lock the file, or wait a moment until it says who has it: whoever has just taken it has yet to write that."""
        for _ in range(LOOKS):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, self._kind | fcntl.LOCK_NB)
                return
            if os.pread(descriptor, 1, 0):
                break
            time.sleep(LOOK_SECONDS)
        fcntl.flock(descriptor, self._kind | fcntl.LOCK_NB)

    def release(self) -> None:
        """Give the lock back; without one, nothing happens."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with contextlib.suppress(OSError):
                self._left = _look_of(descriptor)
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


def _look_of(descriptor: int) -> object:
    """What changes when somebody takes a lock: what its file says, and when it was written."""
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino, status.st_mtime_ns, os.pread(descriptor, MOST_BYTES, 0)


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
        data, status = files.read_with_status(path, MOST_BYTES)
    except ArtifactError:
        return None
    said = _said(data)
    process = _process(said)
    return _in_words(said) if process is not None and _has_open(process, status) else None


def may_be_taken_again(path: Path) -> bool:
    """Whether a lock that nobody holds was last held by a process of this machine that is still there."""
    try:
        process = _process(_said(files.read_with_status(path, MOST_BYTES)[0]))
    except ArtifactError:
        return False
    return process is not None and Path(f"/proc/{process}").exists()


def _here() -> str:
    """This machine, as one word."""
    return "-".join(platform.node().split()) or "localhost"


def _said(data: bytes) -> str:
    """What whoever took a lock wrote; behind it may be the end of something longer, if it was killed while writing."""
    return data.partition(b"\n")[0].decode(errors="replace").strip()


def _process(said: str) -> int | None:
    """The process of this machine that a lock file names."""
    named = _HOLDER.match(said)
    return int(named["process"]) if named is not None and named["host"] in (None, _here()) else None


def _in_words(said: str) -> str:
    """What a lock file says, without the machine if it is this one."""
    named = _HOLDER.match(said)
    ours = named is not None and named["host"] == _here()
    return said.replace(named["where"], "", 1) if named is not None and ours else said


def has_open(process: int, path: Path) -> bool:
    """Whether a process of this machine has a lock file open; of another user's it is only known that it lives."""
    try:
        return _has_open(process, path.lstat())
    except OSError:
        return False


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
    return Lock(path_of_run(run), shared=shared)


def path_of_run(run: Path) -> Path:
    """The file of that lock."""
    return run / "live" / f"{run.name}.lock"


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
