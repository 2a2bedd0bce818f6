"""Content digests of raw files, remembered so that a plan reads no file that was not touched."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deeptrain import files
from deeptrain.errors import ArtifactError, DataError
from deeptrain.store.specification import Source

SETTLED_SECONDS = 2.0
"""A file changed more recently than this is not remembered: a second change could leave the same times."""

LARGE = 1 << 20
"""Bytes of a file, on average, from which threads are worth it; of small files Python's own work is the most."""
MOST_THREADS = 8
MOST_BYTES = 1 << 30
"""Of what is remembered: some two hundred a raw file, of which there may be millions."""


def fingerprint(
    raw: Iterable[Path], base: Path, memory: Path, clock: Callable[[], float] = time.time, *, keep: bool = True
) -> Source:
    """The content of raw files as one digest, by names relative to `base` and bytes.

    Args:
        raw: the files.
        base: the directory they are named from; where it lies is in no digest.
        memory: a JSON file that remembers digests by size, times and inode; where it is lost, or cannot be written, it
            costs time only.
        clock: seconds since the epoch, for tests.
        keep: whether what was read is written down in that file; who only looks at a run changes nothing of it.

    Raises:
        DataError: when a file cannot be read.
    """
    remembered = _read(memory)
    seen: list[_Seen] = []
    for path in raw:
        with _named(path):
            seen.append(_seen(path, remembered))
    unread = [one for one in seen if one.digest is None]
    read = dict(zip([one.path for one in unread], _digests(unread), strict=True))
    digests: dict[str, str] = {}
    fresh: dict[str, list[object]] = {}
    for one in seen:
        digest = one.digest or read[one.path]
        digests[Path(os.path.relpath(one.path, base)).as_posix()] = digest
        if one.changed < clock() - SETTLED_SECONDS:
            fresh[one.place] = [*one.key, digest]
    if keep and any(remembered.get(place) != known for place, known in fresh.items()):
        with contextlib.suppress(OSError):  # another user's store: who only asks what is there is told all the same
            files.make_directories(memory.parent)
            files.write_loose(memory, json.dumps({**remembered, **fresh}, sort_keys=True).encode())
    return Source(files.digest_of(digests), digests)


@dataclass(frozen=True)
class _Seen:
    """A raw file as it was before it was read.

    Attributes:
        path: as it was given.
        place: the same, resolved.
        key: size, times and inode: a digest is remembered for these.
        changed: seconds since the epoch.
        digest: None where none is remembered.
    """

    path: Path
    place: str
    key: tuple[int, ...]
    changed: float
    digest: str | None


def _seen(path: Path, remembered: Mapping[str, object]) -> _Seen:
    status = path.stat()
    key = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    place = str(path.resolve())
    known = remembered.get(place)
    digest = None
    if isinstance(known, list) and len(known) == 5 and known[:4] == [*key] and isinstance(known[4], str):
        digest = known[4]
    return _Seen(path, place, key, max(status.st_mtime, status.st_ctime), digest)


def _digests(unread: Sequence[_Seen]) -> list[str]:
    """The sha256 of each; of large files several at once, since hashing lets other threads run."""

    def digest(one: _Seen) -> str:
        with _named(one.path):
            return files.sha256_of(one.path)

    threads = min(len(unread), os.cpu_count() or 1, MOST_THREADS)
    if threads < 2 or sum(one.key[0] for one in unread) < LARGE * len(unread):
        return [digest(one) for one in unread]
    from concurrent.futures import ThreadPoolExecutor  # a plan that reads nothing does not wait for it

    with ThreadPoolExecutor(threads, "fingerprint") as pool:
        return list(pool.map(digest, unread))


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _read(memory: Path) -> dict[str, object]:
    try:
        value = files.read_json(memory, MOST_BYTES)
    except ArtifactError:
        return {}
    return value if isinstance(value, dict) else {}
