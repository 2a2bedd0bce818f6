"""What the raw files of a run were, so that a changed one can be named: `live/raw/DIGEST.json`, which may be lost.

An object: for each file, by its name below its directory, the sha256 of its bytes. DIGEST is the content of all.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from deeptrain import files
from deeptrain.errors import ArtifactError
from deeptrain.store.specification import Source


class RawChange(NamedTuple):
    """A raw file that is not as it was: its name and its sha256 then and now, None where it was not or is not there."""

    name: str
    before: str | None
    now: str | None


def write(run: Path, sources: Iterable[Source]) -> None:
    """Write down which files sources consist of. Where nothing can be written, nothing is: it only serves a message."""
    for source in sources:
        path = _path(run, source.content)
        if not path.is_file():
            with contextlib.suppress(OSError, ArtifactError):
                files.make_directories(path.parent)
                files.write_loose(path, files.canonical_json(dict(source.files)))


def changed(run: Path, old: str, source: Source) -> list[RawChange]:
    """The files in which a source differs from the one that had another content, by name; none where it is not known.

    Args:
        run: the run's directory.
        old: that content.
        source: as it is now.
    """
    try:
        before = files.read_json(_path(run, old))
    except ArtifactError:
        return []
    if not isinstance(before, dict) or not all(isinstance(digest, str) for digest in before.values()):
        return []
    names = sorted({*before, *source.files})
    told = [RawChange(name, before.get(name), source.files.get(name)) for name in names]
    return [one for one in told if one.before != one.now]


def _path(run: Path, content: str) -> Path:
    return run / "live" / "raw" / f"{content}.json"
