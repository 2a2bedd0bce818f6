"""Durable files: what is written here is whole and on the disk, or not there at all.

The rules are those of a commit: a new file in the same directory, every byte hashed while it is written, `fsync`,
rename, `fsync` of the directory. An error on the way leaves nothing under the final name.
"""

import contextlib
import errno
import functools
import hashlib
import json
import logging
import math
import mmap
import os
import re
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import msgspec

from deeptrain.errors import ArtifactError, WriteError, unreadable

log = logging.getLogger("deeptrain")

P = ParamSpec("P")
T = TypeVar("T")

FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})
"""What a file system says of a directory that is none of what it can sync."""

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The date of every entry in a zip, so that its bytes follow from its contents: the first that the format knows."""

BLOCK = 1 << 20
BEHIND = 8 << 20
"""Bytes of a file after which the disk is set to work on them, so that `fsync` has little left to wait for."""
BESIDE = 16 << 20
"""Bytes from which on another thread hashes what this one writes: sha256 takes as long as the disk, and a
thread 8 MiB of memory."""
JSON_BYTES = 64 << 20
"""The most bytes of a JSON file, where its reader says nothing else."""
DEEPEST = 100
"""Arrays and objects in each other in a JSON file: what is deeper is no file of ours, and too much for recursion."""
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class FileDigest:
    """One file of an artifact: its name relative to the artifact, its bytes and their sha256 (hex)."""

    name: str
    bytes: int
    sha256: str


class HashingFile:
    """A binary file that is new, hashes what is written to it, and counts the bytes.

    What fails is a `WriteError` that names the path.
    """

    def __init__(self, path: Path) -> None:
        """Create `path`, which must not exist."""
        self.path = path
        self.size = 0
        self._begun = 0
        self._hash = hashlib.sha256()
        with explained(path):
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write all of `data` (a short write goes on where it stopped) and return its number of bytes."""
        view = memoryview(data).cast("B") if memoryview(data).nbytes else memoryview(b"")
        with explained(self.path, self.size + view.nbytes):
            if view.nbytes < BESIDE:
                for at in range(0, view.nbytes, BLOCK):  # block by block, while it is in the processor's cache
                    self._write(view[at : at + BLOCK])
                    self._hash.update(view[at : at + BLOCK])
            else:
                hashing = threading.Thread(target=self._hash.update, args=(view,), name="sha256")
                hashing.start()
                try:
                    for at in range(0, view.nbytes, BLOCK):
                        self._write(view[at : at + BLOCK])
                finally:
                    hashing.join()
        return view.nbytes

    def _write(self, view: memoryview) -> None:
        done = 0
        while done < view.nbytes:
            done += os.write(self._descriptor, view[done:])
        self.size += view.nbytes
        if self.size - self._begun >= BEHIND:
            begin_writing(self._descriptor, self._begun, self.size - self._begun)
            self._begun = self.size

    def finish(self, name: str) -> FileDigest:
        """Bring the bytes to the disk, close, and return the digest under the given name."""
        try:
            with explained(self.path, self.size):
                os.fsync(self._descriptor)
                descriptor, self._descriptor = self._descriptor, -1
                _close(descriptor)
        finally:
            self.close()
        return FileDigest(name, self.size, self._hash.hexdigest())

    def close(self) -> None:
        """Let go of a file that is not finished; calling it again does nothing."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with contextlib.suppress(OSError):  # what it would say was said by what failed before
                os.close(descriptor)


def begin_writing(descriptor: int, offset: int, size: int) -> None:
    """Let the disk begin with bytes of a file that were written; nothing is promised before `fsync`.

    By sync_file_range(2) of Linux, which neither waits for the bytes nor takes note of errors: `fsync` tells them.
    Elsewhere nothing is done.
    """
    call = _sync_file_range()
    if call is not None:
        call(descriptor, offset, size, 2)  # SYNC_FILE_RANGE_WRITE


@functools.cache
def _sync_file_range() -> Any:
    import ctypes  # not needed by a plan

    if sys.platform != "linux":
        return None
    try:
        call = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return None
    call.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return call


@contextlib.contextmanager
def explained(path: Path, needed: int = 0) -> Iterator[None]:
    """Turn whatever the system says while `path` is written into an error that names it.

    Raises:
        WriteError: for any failure.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        cure = "; let it be written to, or name another place with --store" if error.errno in READ_ONLY else ""
        told = f"{path}: cannot be written: {error.strerror}; nothing was published{cure}"
        raise _full_disk(path, needed, error) or WriteError(told, error) from error


@contextlib.contextmanager
def explain_full_disk(path: Path, needed: int = 0) -> Iterator[None]:
    """Turn "no space left" into an error that says where, how much is needed and how much is free."""
    try:
        yield
    except OSError as error:
        full = _full_disk(path, needed, error)
        if full is None:
            raise
        raise full from error


def _full_disk(path: Path, needed: int, error: OSError) -> WriteError | None:
    if error.errno not in FULL_DISK:
        return None
    there = next(parent for parent in path.parents if parent.is_dir())
    wanted = f"at least {needed:,} bytes are" if needed else "space is"
    return WriteError(
        f"{path.parent}: the disk is full: {wanted} needed for {path.name}, "
        f"{free_bytes(there):,} are free; nothing was published; free some space and run again",
        error,
    )


def patiently(call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """What a call to the system gives; one that a signal broke off, as on a file system of a network, is made again.

    Python does so by itself where a file is opened, read, written and synced (PEP 475), but not with names.
    """
    while True:
        try:
            return call(*arguments, **options)
        except OSError as error:
            # shutil.rmtree closes a directory again where a signal broke that off, and by then it is closed
            closed = error.errno == errno.EBADF and isinstance(error.__context__, InterruptedError)
            if not closed and not isinstance(error, InterruptedError):
                raise


def _close(descriptor: int) -> None:
    """Close a file, which it is also when a signal comes meanwhile."""
    with contextlib.suppress(InterruptedError):
        os.close(descriptor)


def free_bytes(directory: Path) -> int:
    """Bytes that this user can still write to the file system that holds `directory`."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def sync_file(path: Path) -> None:
    """Bring a file that somebody else wrote to the disk."""
    with explained(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            _close(descriptor)


def sync_directory(directory: Path) -> None:
    """Bring a directory's entries (created, renamed, removed names) to the disk.

    Some network file systems cannot: that is told once, and what is written there is as safe as they make it.

    Raises:
        WriteError: when they may not be there.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            _close(descriptor)
    except OSError as error:
        if error.errno in NO_SYNC:
            _tell_no_sync(directory)
            return
        raise WriteError(
            f"{directory}: what was put there may not be on the disk: {error.strerror}; run again", error
        ) from error


def _tell_no_sync(directory: Path) -> None:
    device = directory.stat().st_dev
    if device not in _told_of:
        _told_of.add(device)
        log.warning(
            "%s: cannot be synced, as no directory of its file system: a power cut may lose what it gets", directory
        )


_told_of: set[int] = set()
"""File systems, by their numbers."""


def make_directories(directory: Path) -> None:
    """Create `directory` and its parents durably: each parent that got a new entry is synced."""
    missing = []
    while not directory.is_dir():
        missing.append(directory)
        directory = directory.parent
    for created in reversed(missing):
        with explained(created):
            patiently(created.mkdir, exist_ok=True)
        sync_directory(created.parent)


def sync_tree(directory: Path) -> None:
    """Bring the entries of a directory and of all below it to the disk; their files are there already."""
    for at, _, _ in os.walk(directory, topdown=False):
        sync_directory(Path(at))


def rename(directory: Path, to: Path) -> None:
    """Give a directory another name, which nothing has, durably.

    Raises:
        WriteError: naming the new name; when only the disk's promise failed, it may have it.
    """
    with explained(to):
        patiently(os.rename, directory, to)  # beside os.replace, which would hide that nothing is replaced
    sync_directory(to.parent)
    if directory.parent != to.parent:
        sync_directory(directory.parent)


def unique_sibling(path: Path) -> Path:
    """A hidden name beside `path` that no other process uses; `.NAME.PID.HEX`, found again by the sweep."""
    return path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")


def write_file(path: Path, data: bytes) -> FileDigest:
    """Put `data` under the final name `path`, whole or not at all, replacing what was there."""
    temporary = unique_sibling(path)
    file = HashingFile(temporary)
    try:
        file.write(data)
        digest = file.finish(path.name)
        with explained(path, file.size):
            patiently(os.replace, temporary, path)
    except BaseException:
        file.close()
        with contextlib.suppress(OSError):
            patiently(temporary.unlink)
        raise
    sync_directory(path.parent)
    return digest


def write_loose(path: Path, data: bytes) -> None:
    """Replace `path` in one step without waiting for the disk: for what may be lost, as in `live/`.

    Raises:
        WriteError: when it cannot be written.
    """
    temporary = unique_sibling(path)
    try:
        with explained(path, len(data)):
            patiently(temporary.write_bytes, data)
            patiently(os.replace, temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            patiently(temporary.unlink)
        raise


def sha256_of(path: Path, watch: Callable[[int], None] | None = None) -> str:
    """Hex sha256 of a file's bytes, read in blocks of 1 MiB; `watch` is told the bytes of each."""
    digest = hashlib.sha256()
    # page-aligned: reading from the page cache into memory that begins some bytes into a page takes 5 times as long
    block = memoryview(mmap.mmap(-1, BLOCK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            digest.update(block[:count])
            if watch:
                watch(count)
    return digest.hexdigest()


AS_IS = frozenset({type(None), bool, int, str})


def plain(value: Any) -> Any:
    """A value as JSON can hold it: mappings, lists, text, numbers; non-finite floats become "nan", "inf", "-inf".

    Raises:
        TypeError: for anything else, named by type.
    """
    kind = type(value)
    # Most values are one of these exact types, and a look at a type is a tenth of one at a protocol, or of a call.
    if kind in AS_IS:
        return value
    if kind is dict:
        return {str(key): item if type(item) in AS_IS else plain(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [item if type(item) in AS_IS else plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return plain(value.item())
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON: {value!r}")


def canonical_json(value: Any) -> bytes:
    """The one JSON text of a value, for digests: sorted keys, no spaces, ASCII."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def readable_json(value: Any) -> bytes:
    """The JSON text people read, equally deterministic: sorted keys, two spaces, a newline at the end."""
    # `json` indents in Python, which takes ten times as long
    text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return msgspec.json.format(text.encode(), indent=2) + b"\n"


def digest_of(value: Any) -> str:
    """Hex sha256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def read_regular(path: Path, limit: int) -> bytes:
    """The bytes of a file of an artifact, which may be a stranger's.

    Raises:
        ArtifactError: as `read_with_status`.
        LackingError: when the system lacks what it takes, so that nobody takes the artifact for damaged.
    """
    try:
        return read_with_status(path, limit)[0]
    except ArtifactError as error:
        if isinstance(error.__cause__, OSError):
            raise unreadable(path, error.__cause__, error) from error.__cause__
        raise


def read_with_status(path: Path, limit: int) -> tuple[bytes, os.stat_result]:
    """The bytes of a file that may be a stranger's, and what the system says of it.

    No link is followed, and nobody is waited for, as a pipe would.

    Raises:
        ArtifactError: when it cannot be read, is no regular file, or is larger than `limit` bytes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ArtifactError(f"{path}: not a regular file")
            # Not `limit` at once: Python takes the memory it is asked for before it reads.
            data = os.read(descriptor, min(limit, status.st_size) + 1)
            while len(data) <= limit and (more := os.read(descriptor, min(limit + 1 - len(data), BLOCK))):
                data += more
        finally:
            _close(descriptor)
    except OSError as error:
        told = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise ArtifactError(f"{path}: cannot be read: {told}") from error
    if len(data) > limit:
        raise ArtifactError(f"{path}: larger than the {limit:,} bytes a file of its kind may have")
    return data, status


def read_json(path: Path, limit: int = JSON_BYTES) -> Any:
    """The value in a JSON file; see `read_with_status` and `parse_json`.

    Raises:
        ArtifactError: when it cannot be read, is larger than `limit` bytes, or is no JSON.
    """
    return parse_json(read_with_status(path, limit)[0], path)


def parse_json(data: bytes, path: Path) -> Any:
    """The value in the bytes of a JSON file: UTF-8, texts of Unicode, no NaN and Infinity, no deeper than `DEEPEST`.

    Raises:
        ArtifactError: when it is no JSON, naming the file.
    """
    try:
        # Decoded here: of bytes it takes other encodings, too, and half a pair written as if it were a character.
        value = json.loads(data.decode(), parse_constant=_refuse_constant)
        if data.count(b"[") + data.count(b"{") > DEEPEST:
            _check_depth(value)
        if _SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode()  # half a pair is no text: nobody could print or write it
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: no valid JSON ({type(error).__name__}: {str(error)[:80]})") from error
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _check_depth(value: Any) -> None:
    """Level by level, since a value that is too deep for a recursion is what is looked for."""
    level = [value]
    for _ in range(DEEPEST):
        inside = (one.values() if isinstance(one, dict) else one for one in level)
        level = [item for items in inside for item in items if isinstance(item, dict | list)]
        if not level:
            return
    raise ValueError(f"arrays and objects lie deeper in each other than {DEEPEST}")
