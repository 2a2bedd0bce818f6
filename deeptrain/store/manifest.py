"""The manifest: the file that makes a directory an artifact, written last and read first.

`manifest.json` holds: `format` (of this file), `stage`, `recipe` (the stage's integer, raised when our own code
changes its bytes), `identity` and `content` (hex sha256), `settings` and `seeds` that made the artifact, `inputs` (name
-> identity and content of each when it was made), `code` (digest of the user's code, or null), `versions` of the
libraries (told, never a cause), `files` (name, bytes and sha256 of each) and `sha256`, the digest of all the rest as
canonical JSON, so that no flipped bit of the manifest passes either; one that changes the text alone, as of a number,
is none that `files.readable_json` writes. Nothing in it depends on time or place.
"""

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from deeptrain.errors import ArtifactError
from deeptrain.files import FileDigest, canonical_json, digest_of, parse_json, read_small, readable_json

NAME = "manifest.json"
FORMAT = 1
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Link:
    """An input as it was used: its identity (what was asked of it) and its content (what was in it)."""

    identity: str
    content: str


@dataclass(frozen=True)
class Manifest:
    """What an artifact is, what made it, and every file it holds."""

    stage: str
    recipe: int
    identity: str
    content: str
    settings: Mapping[str, Any]
    seeds: Mapping[str, int]
    inputs: Mapping[str, Link]
    code: str | None
    versions: Mapping[str, str]
    files: tuple[FileDigest, ...]

    def plain(self) -> dict[str, Any]:
        """The manifest as JSON holds it."""
        told = {
            "format": FORMAT,
            "stage": self.stage,
            "recipe": self.recipe,
            "identity": self.identity,
            "content": self.content,
            "settings": dict(self.settings),
            "seeds": dict(self.seeds),
            "inputs": {
                name: {"identity": link.identity, "content": link.content} for name, link in self.inputs.items()
            },
            "code": self.code,
            "versions": dict(self.versions),
            "files": [{"name": file.name, "bytes": file.bytes, "sha256": file.sha256} for file in self.files],
        }
        return {**told, "sha256": digest_of(told)}


def content_of(files: tuple[FileDigest, ...]) -> str:
    """Hex sha256 over the sorted (name, bytes, sha256) of the payload: what is in an artifact, whatever made it."""
    rows = sorted((file.name, file.bytes, file.sha256) for file in files)
    return hashlib.sha256(canonical_json(rows)).hexdigest()


def read(directory: Path) -> Manifest:
    """The manifest of an artifact, checked for form but not against the files.

    Raises:
        ArtifactError: when it is absent, unreadable, of a newer format, or names files outside the artifact.
    """
    path = directory / NAME
    data = read_small(path)
    value = parse_json(data, path)
    if not isinstance(value, dict):
        raise ArtifactError(f"{path}: expected a table, got {type(value).__name__}")
    if value.get("format") != FORMAT:
        raise ArtifactError(f"{path}: format must be {FORMAT}, got {value.get('format')!r}: written by another version")
    try:
        manifest = Manifest(
            stage=_of(value["stage"], str),
            recipe=_of(value["recipe"], int),
            identity=_digest(value["identity"]),
            content=_digest(value["content"]),
            settings=_of(value["settings"], dict),
            seeds=_of(value["seeds"], dict),
            inputs={
                _of(name, str): Link(_digest(link["identity"]), _digest(link["content"]))
                for name, link in _of(value["inputs"], dict).items()
            },
            code=None if value["code"] is None else _digest(value["code"]),
            versions=_of(value["versions"], dict),
            files=tuple(
                FileDigest(file_name(file["name"]), _of(file["bytes"], int), _digest(file["sha256"]))
                for file in _of(value["files"], list)
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path}: not a manifest: {type(error).__name__}: {error}") from error
    if content_of(manifest.files) != manifest.content:
        raise ArtifactError(f"{path}: its content digest does not fit its list of files")
    if manifest.plain() != value:
        raise ArtifactError(f"{path}: altered: what it tells does not have the sha256 it records")
    if readable_json(value) != data:  # one bit makes 1e-06 to 1E-06, the same number
        raise ArtifactError(f"{path}: altered: it tells the same in other bytes")
    return manifest


def check_sizes(directory: Path, manifest: Manifest) -> None:
    """Check that every file is there, a regular file, and as long as recorded: cheap enough for every plan.

    Raises:
        ArtifactError: naming the first file that is missing, short or long.
    """
    for file in manifest.files:
        path = f"{directory}/{file.name}"  # no `Path`: of thousands of files making them takes longer than looking
        try:
            status = os.lstat(path)
        except OSError as error:
            raise ArtifactError(f"{path}: missing") from error
        if not stat.S_ISREG(status.st_mode):
            raise ArtifactError(f"{path}: not a regular file")
        if status.st_size != file.bytes:
            raise ArtifactError(f"{path}: expected {file.bytes:,} bytes, got {status.st_size:,}")


def _of(value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"expected {kind.__name__}, got {value!r:.80}")
    return value


def _digest(value: Any) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError(f"expected 64 hex digits, got {value!r:.80}")
    return value


def file_name(value: Any) -> str:
    """A name inside the artifact: relative, without "..", in the one spelling a path has."""
    name: str = _of(value, str)
    path = PurePosixPath(name)
    if not name or "\0" in name or "\\" in name or path.is_absolute() or ".." in path.parts or str(path) != name:
        raise ValueError(f"a file's name must be relative and inside the artifact, got {name!r}")
    return name
