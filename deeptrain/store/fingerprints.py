"""Content digests of raw files, remembered so that a plan reads no file that was not touched."""

import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from deeptrain import files
from deeptrain.errors import DataError
from deeptrain.store.specification import Source

SETTLED_SECONDS = 2.0
"""A file changed more recently than this is not remembered: a second change could leave the same times."""


def fingerprint(raw: Iterable[Path], base: Path, memory: Path, clock: Callable[[], float] = time.time) -> Source:
    """The content of raw files as one digest, by names relative to `base` and bytes.

    Args:
        raw: the files.
        base: the directory they are named from; where it lies is in no digest.
        memory: a JSON file that remembers digests by size, times and inode; losing it costs time only.
        clock: seconds since the epoch, for tests.

    Raises:
        DataError: when a file cannot be read.
    """
    remembered = _read(memory)
    digests: dict[str, str] = {}
    fresh: dict[str, list[object]] = {}
    for path in raw:
        try:
            status = path.stat()
            key = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
            place = str(path.resolve())
            known = remembered.get(place)
            if isinstance(known, list) and len(known) == 5 and known[:4] == key and isinstance(known[4], str):
                digest = known[4]
            else:
                digest = files.sha256_of(path)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        digests[Path(os.path.relpath(path, base)).as_posix()] = digest
        if max(status.st_mtime, status.st_ctime) < clock() - SETTLED_SECONDS:
            fresh[place] = [*key, digest]
    if any(remembered.get(place) != known for place, known in fresh.items()):
        files.make_directories(memory.parent)
        files.write_loose(memory, json.dumps({**remembered, **fresh}, sort_keys=True).encode())
    return Source(files.digest_of(digests), digests)


def _read(memory: Path) -> dict[str, object]:
    try:
        value = json.loads(memory.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
