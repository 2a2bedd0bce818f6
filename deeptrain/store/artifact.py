"""Publishing and opening artifacts: directories that are whole or absent under their final name.

An artifact is written in a hidden sibling directory, every file hashed and synced, the manifest last, the directory
synced, renamed, the parent synced. A kill at any instant leaves the old state or the new one, and at most hidden
litter that the next run sweeps.
"""

import contextlib
import functools
import hashlib
import logging
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from deeptrain import files
from deeptrain.errors import MISSHAPEN, AlteredError, ArtifactError, WriteError, in_one_line, unreadable
from deeptrain.files import FileDigest, HashingFile
from deeptrain.store import manifest as manifests
from deeptrain.store import signatures
from deeptrain.store.manifest import Link, Manifest
from deeptrain.store.specification import Specification

log = logging.getLogger("deeptrain")

T = TypeVar("T")

LIBRARIES = (
    "deeptrain",
    "numpy",
    "keras",
    "tensorflow",
    "jax",
    "jaxlib",
    "torch",
    "pyarrow",
    "safetensors",
    "scikit-learn",
    "matplotlib",
)


@dataclass(frozen=True)
class Artifact:
    """A whole artifact on disk; its files have at least the recorded sizes."""

    directory: Path
    manifest: Manifest

    def path(self, name: str) -> Path:
        """The path of one of its files.

        Raises:
            ArtifactError: when the manifest lists no such file.
        """
        if all(file.name != name for file in self.manifest.files):
            raise ArtifactError(f"{self.directory}: holds no file {name}")
        return self.directory / name

    def json(self, name: str) -> Any:
        """The value in one of its JSON files, whose bytes are compared first: see `verified`."""
        return files.parse_json(self.verified(name), self.directory / name)

    def told(self, name: str, read: Callable[[Any], T]) -> T:
        """What a function finds in the value of one of its JSON files: see `json`.

        Raises:
            AlteredError: when its bytes are not those recorded.
            ArtifactError: when there is no such file, or its value is not what the function takes.
        """
        value = self.json(name)
        try:
            return read(value)
        except ArtifactError as error:
            raise ArtifactError(f"{self.directory / name}: {error}") from error
        except MISSHAPEN as error:
            reason = f"was written by another version, or altered: {in_one_line(error)}"
            raise ArtifactError(f"{self.directory / name}: {reason}") from error

    def verified(self, name: str) -> bytes:
        """The bytes of one of its files, compared with the recorded sha256 before anybody parses them.

        Raises:
            AlteredError: when they differ.
            ArtifactError: when there is no such file, or it cannot be read.
        """
        path = self.path(name)
        try:
            data = path.read_bytes()
        except OSError as error:
            otherwise = ArtifactError(f"{path}: cannot be read: {error.strerror}")
            raise unreadable(path, error, otherwise) from error
        recorded = next(file for file in self.manifest.files if file.name == name)
        self._compare(path, hashlib.sha256(data).hexdigest(), recorded.sha256)
        return data

    def verify(self) -> None:
        """Compare every byte with the recorded sha256.

        Raises:
            AlteredError: naming the first file that differs.
        """
        for file in self.manifest.files:
            path = self.directory / file.name
            self._compare(path, files.sha256_of(path), file.sha256)

    def _compare(self, path: Path, digest: str, recorded: str) -> None:
        if digest != recorded:
            told = f"its sha256 is {digest[:12]}..., the manifest records {recorded[:12]}..."
            raise AlteredError(f"{path}: altered: {told}", self.directory)

    @property
    def link(self) -> Link:
        """What a user of this artifact records of it."""
        return Link(self.manifest.identity, self.manifest.content)


class Writer:
    """The files of an artifact in the making; every one is hashed as it is written and synced when closed."""

    def __init__(self, directory: Path) -> None:
        """Write into a hidden directory that exists and is empty."""
        self.directory = directory
        self.files: list[FileDigest] = []

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[HashingFile]:
        """A new file of the artifact, by its name relative to it ("parts/train-00000.x.npy").

        Raises:
            ValueError: for a name that leads out of the artifact, which no manifest may hold.
        """
        path = self.directory / manifests.file_name(name)
        if path.parent != self.directory:
            with files.explained(path):
                files.patiently(path.parent.mkdir, parents=True, exist_ok=True)
        file = HashingFile(path)
        try:
            yield file
            self.files.append(file.finish(name))
        finally:
            file.close()

    @property
    def content(self) -> str:
        """The content that the artifact has with the files written so far."""
        return manifests.content_of(tuple(sorted(self.files, key=lambda file: file.name)))

    def write(self, name: str, data: bytes) -> None:
        """A whole file of the artifact at once."""
        with self.open(name) as file:
            file.write(data)

    def take(self, name: str) -> None:
        """A file that somebody else wrote into the directory, by its name relative to the artifact."""
        path = self.directory / manifests.file_name(name)
        files.sync_file(path)
        self.files.append(FileDigest(name, path.stat().st_size, files.sha256_of(path)))

    def json(self, name: str, value: Any) -> None:
        """A file of readable, deterministic JSON."""
        self.write(name, files.readable_json(value))


def open(directory: Path) -> Artifact:
    """The artifact in a directory, with its manifest read and the sizes of its files checked.

    Raises:
        ArtifactError: when it is absent or damaged, naming the file.
    """
    manifest = manifests.read(directory)
    manifests.check_sizes(directory, manifest)
    return Artifact(directory, manifest)


def verify(directory: Path) -> Artifact:
    """The artifact in a directory, after comparing every byte with the recorded sha256.

    Raises:
        AlteredError: naming the first file that differs.
        ArtifactError: when the artifact is absent or a file is missing.
    """
    artifact = open(directory)
    artifact.verify()
    return artifact


@contextlib.contextmanager
def writing(specification: Specification, inputs: Mapping[str, Link]) -> Iterator[Writer]:
    """Write an artifact; when the block ends without an error, it is published under its final name.

    Args:
        specification: what is being made, and where.
        inputs: what was really read, by the names of the specification's inputs.

    Raises:
        ArtifactError: when the disk is full; nothing is published then.
    """
    final = specification.directory
    files.make_directories(final.parent)
    hidden = files.unique_sibling(final)
    with files.explained(hidden):
        files.patiently(hidden.mkdir)
    try:
        writer = Writer(hidden)
        yield writer
        digests = tuple(sorted(writer.files, key=lambda file: file.name))
        manifest = Manifest(
            stage=specification.stage,
            recipe=specification.recipe,
            identity=specification.identity,
            content=manifests.content_of(digests),
            settings=specification.settings,
            seeds=specification.seeds,
            inputs=dict(inputs),
            code=specification.code,
            versions=versions(),
            files=digests,
        )
        told = files.readable_json(manifest.plain())
        if (signature := signatures.of(told)) is not None:
            _write_synced(hidden / signatures.NAME, signature)
        _write_synced(hidden / manifests.NAME, told)
        files.sync_tree(hidden)
        if final.exists():
            reason = _reason(specification)
            log.warning("%s; it was made again, the old one is set aside in %s", reason, set_aside(final).parent)
        files.rename(hidden, final)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise


def sign(directory: Path, manifest: bytes) -> None:
    """Sign an artifact that is there with the key that is given, durably, in place of what it was signed with.

    Args:
        directory: of the artifact.
        manifest: the bytes of its manifest, as they were checked: what is there now may be another's.

    Raises:
        WriteError: when it cannot be written.
    """
    if (signature := signatures.of(manifest)) is not None:
        files.write_file(directory / signatures.NAME, signature)


def _write_synced(path: Path, data: bytes) -> None:
    """Write a file and sync it; its directory, which is synced next, is hidden until all of it is there."""
    file = HashingFile(path)
    try:
        file.write(data)
        file.finish(path.name)
    finally:
        file.close()


def _reason(specification: Specification) -> str:
    directory = specification.directory
    try:
        found = open(directory).manifest
    except ArtifactError as error:
        return str(error)
    if found.identity != specification.identity:
        is_one = f"is {found.stage} {found.identity[:16]}, expected {specification.stage} {specification.identity[:16]}"
        return f"{directory}: {is_one}: was it copied here?"
    return f"{directory}: was made from an input that has another content now"


def set_aside(directory: Path) -> Path:
    """Move a damaged or stale artifact out of the way, into `quarantine/` beside it, and return where it went.

    Nothing is deleted: what is damaged may still be looked at, and `quarantine/` is never read.

    Raises:
        ArtifactError: when `quarantine/` is a link.
        WriteError: when it cannot be moved.
    """
    quarantine = directory.parent / "quarantine"
    if quarantine.is_symlink():
        raise ArtifactError(f"{quarantine}: is a link, behind which nothing is put; remove it, and run again")
    files.make_directories(quarantine)
    number = 1
    while (target := quarantine / f"{directory.name}.{number}").exists():
        number += 1
    files.rename(directory, target)
    return target


def remove(directory: Path) -> None:
    """Delete an artifact so that a kill half way leaves hidden litter, never a part of it under its name.

    Raises:
        WriteError: when the system does not let it go.
    """
    hidden = files.unique_sibling(directory)
    try:
        files.patiently(directory.rename, hidden)
        files.patiently(shutil.rmtree, hidden)
    except OSError as error:
        raise WriteError(f"{directory}: cannot be removed: {error.strerror}", error) from error


@functools.cache
def versions() -> Mapping[str, str]:
    """The installed versions of what can change an artifact's bytes; looked up once, it costs 30 ms."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[library] = metadata.version(library)
    return found
