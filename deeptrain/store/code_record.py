"""What a digest of code was made of, so that a change can be named: `live/code/DIGEST.json`, which may be lost.

An object: for each definition, as "FILE:NAME", the sha256 of its text. NAME is "*" for a whole file and "import" for
what runs when it is imported.
"""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from deeptrain import files
from deeptrain.errors import ArtifactError
from deeptrain.store import code


def write(run: Path, names: Iterable[str], beside: Path) -> None:
    """Write down what the code behind "module:name" callables is made of, unless none of it is the user's.

    Where nothing can be written, nothing is: it only serves a message.
    """
    parts = code.parts(names, beside)
    if not parts:
        return
    path = _path(run, code.digest_of_parts(parts))
    if not path.is_file():
        with contextlib.suppress(OSError, ArtifactError):
            files.make_directories(path.parent)
            files.write_loose(path, files.readable_json(_digests(parts)))


def changed(run: Path, old: str, new: str, names: Iterable[str], beside: Path) -> str | None:
    """What differs between the code of a digest and the code as it is now, in words; None where it is not known."""
    parts = code.parts(names, beside)
    try:
        before = files.read_json(_path(run, old))
    except ArtifactError:
        return None
    if not parts or code.digest_of_parts(parts) != new or not isinstance(before, dict):
        return None
    now = _digests(parts)
    differing = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return ", ".join(map(_in_words, differing)) or None


def _digests(parts: Mapping[tuple[str, str], str]) -> dict[str, str]:
    return {f"{file}:{name}": files.digest_of(text) for (file, name), text in parts.items()}


def _in_words(part: str) -> str:
    file, _, name = part.rpartition(":")
    return {"*": file, "import": f"what runs when {file} is imported"}.get(name, f"{name} in {file}")


def _path(run: Path, digest: str) -> Path:
    return run / "live" / "code" / f"{digest}.json"
