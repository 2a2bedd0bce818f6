"""Every byte of a store against what was recorded of it: which file breaks which rule, and by which value.

Beside the files' sha256 it is checked that an artifact is the one its directory's name says, that no epoch stands in
another one's place, that what it was made from still has the content it had, and that it is signed where a key is
given. Nothing is changed, but by `set_aside`, or where it is to be signed.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deeptrain import files
from deeptrain.errors import ArtifactError, SettingsError, UntrustedError
from deeptrain.store import artifact, locks, signatures
from deeptrain.store import manifest as manifests
from deeptrain.store.manifest import NAME, Manifest
from deeptrain.store.specification import SHORT

PASSED_OVER = frozenset({"quarantine", "live"})
_NAMED = re.compile(rf"(?P<stage>[a-z_]+)-(?P<identity>[0-9a-f]{{{SHORT}}})")
_NUMBERED = {"epochs": ("epoch", "epoch"), "states": ("state", "epoch"), "parts": ("part", "part")}
"""What stands in such a directory, and the setting that is its number."""


@dataclass(frozen=True)
class Fault:
    """A rule that is broken.

    Attributes:
        artifact: its directory.
        file: the file, relative to the artifact.
        rule: what is expected of it.
        value: what was found instead.
        stale: whether nothing is damaged, and what it was made from is another now: a plan sees that by itself.
    """

    artifact: Path
    file: str
    rule: str
    value: str
    stale: bool = False

    def plain(self) -> dict[str, str]:
        """The fault as JSON holds it."""
        return {"artifact": str(self.artifact), "file": self.file, "rule": self.rule, "value": self.value}


@dataclass(frozen=True)
class Verified:
    """What was looked at.

    Attributes:
        artifacts: how many.
        files: how many of theirs were read.
        bytes: how many were read.
        faults: in the order of the artifacts' names.
    """

    artifacts: int
    files: int
    bytes: int
    faults: tuple[Fault, ...]

    def plain(self) -> dict[str, object]:
        """All of it as JSON holds it."""
        told = {"artifacts": self.artifacts, "files": self.files, "bytes": self.bytes}
        return {**told, "faults": [fault.plain() for fault in self.faults]}


def nobody(_: Path) -> None:
    """Is told which artifact comes next, and does nothing."""


def verify(path: Path, watch: Callable[[Path], None] = nobody, *, sign: bool = False) -> Verified:
    """Compare every artifact below a directory with what its manifest recorded, and its signature if a key is given.

    Args:
        path: a store, a run, or one artifact.
        watch: is told which artifact comes next.
        sign: whether each that is whole is signed with the key, instead of its signature being compared.

    Raises:
        ArtifactError: when there is no such directory, or no artifact in it.
        SettingsError: when something is to be signed and no key is given, or the key cannot be used.
        WriteError: when a signature cannot be written.
    """
    if not signatures.given() and sign:
        raise SettingsError(f"--sign: needs a key; name the file that holds it in {signatures.VARIABLE}")
    if not path.is_dir():
        raise ArtifactError(f"{path}: no such directory; name a store such as runs, a run, or an artifact")
    found = list(_artifacts(path))
    if not found:
        raise ArtifactError(f"{path}: holds no artifact; name a store such as runs, a run, or an artifact")
    faults: list[Fault] = []
    read: dict[Path, Manifest] = {}
    count = size = 0
    for directory in found:
        watch(directory)
        try:
            made, data = manifests.read_unsigned(directory)
        except ArtifactError as error:
            value = str(error).removeprefix(f"{directory / NAME}: ")
            faults.append(Fault(directory, NAME, "must be a manifest that is whole", value))
            continue
        read[directory] = made
        own = [*_place(directory, made)]
        for file in made.files:
            count, size = count + 1, size + file.bytes
            own += _file(directory, file)
        own += _unrecorded(directory, made)
        if not sign:
            own += _signature(directory, data)
        elif not own:
            artifact.sign(directory, data)
        faults += own
    faults += _links(read)
    return Verified(len(found), count, size, tuple(sorted(faults, key=lambda fault: (fault.artifact, fault.file))))


def set_aside(faults: Iterable[Fault]) -> list[Path]:
    """Move damaged artifacts into `quarantine/` beside them, so that the next run of their experiment makes them again.

    What only lacks a signature stays: the key may be the wrong one.

    Returns:
        Where each went.

    Raises:
        LockedError: when another process is writing one; those before it are moved.
        ArtifactError: when `quarantine/` is a link.
        WriteError: when one cannot be moved.
    """
    moved = []
    damaged = (fault for fault in faults if not fault.stale and fault.file != signatures.NAME)
    for directory in dict.fromkeys(fault.artifact for fault in damaged):
        run, written = _owned(directory.resolve())
        with locks.lock_of(run, written):
            moved.append(artifact.set_aside(directory))
    return moved


def _owned(directory: Path) -> tuple[Path, Path]:
    """The run of an artifact, and what is locked while it is written: a training or a session holds one lock."""
    # By the nearest directories alone: those above the run are called what their owner likes, "training-data" say.
    place = directory.parent
    if place.name in ("epochs", "states", "unfinished"):
        return place.parent.parent, place.parent
    if place.name == "parts":
        return place.parent.parent, directory
    return (place.parent if directory.name == "whole" else place), directory


def _artifacts(path: Path) -> Iterator[Path]:
    """Directories that are artifacts, or stand where one must be; what is hidden is litter of a killed run."""
    for place, inside, names in os.walk(path):
        directory = Path(place)
        numbered = directory.name.isdecimal() and directory.parent.name in _NUMBERED
        whole = directory.name == "whole" and directory.parent.name.startswith("shards-")
        if NAME in names or numbered or whole or directory.parent.name == "unfinished":
            inside.clear()
            yield directory
            continue
        named = _NAMED.fullmatch(directory.name)
        if named is not None and named["stage"] not in ("training", "shards"):
            inside.clear()
            yield directory
            continue
        inside[:] = sorted(name for name in inside if name not in PASSED_OVER and not name.startswith("."))


def _place(directory: Path, made: Manifest) -> Iterator[Fault]:
    """Whether an artifact is the one that its place says."""
    named = _NAMED.fullmatch(directory.name)
    if named is not None:
        expected = f"{made.stage}-{made.identity[:SHORT]}"
        if directory.name != expected:
            yield Fault(
                directory, NAME, f"must be of {directory.name}, as the directory is called", f"is of {expected}"
            )
    if directory.parent.name in _NUMBERED:
        stage, key = _NUMBERED[directory.parent.name]
        number = made.settings.get(key)
        if made.stage != stage or not isinstance(number, int) or f"{number:04d}" != directory.name:
            value = f"is of {made.stage} {number}"
            yield Fault(directory, NAME, f"must be of {stage} {directory.name.lstrip('0')}, where it stands", value)
    if directory.parent.name == "unfinished":
        iteration = made.settings.get("iteration")
        if not isinstance(iteration, int) or directory.name.partition(".")[2] != f"{iteration:010d}":
            value = f"is of {made.stage} {iteration}"
            yield Fault(directory, NAME, f"must be of the iteration in its name, {directory.name}", value)


def _signature(directory: Path, manifest: bytes) -> Iterator[Fault]:
    try:
        signatures.check(directory, manifest)
    except UntrustedError as error:
        yield Fault(directory, signatures.NAME, "must be the signature by the key that is given", str(error.args[0]))


def _file(directory: Path, recorded: files.FileDigest) -> Iterator[Fault]:
    path = directory / recorded.name
    try:
        if "/" in recorded.name:
            manifests.check_inside(directory, recorded.name.rpartition("/")[0])
        status = path.lstat()
        if path.is_symlink() or not path.is_file():
            yield Fault(directory, recorded.name, "must be a regular file", "is none")
        elif status.st_size != recorded.bytes:
            yield Fault(directory, recorded.name, f"must have {recorded.bytes:,} bytes", f"has {status.st_size:,}")
        elif (digest := files.sha256_of(path)) != recorded.sha256:
            yield Fault(directory, recorded.name, f"must have sha256 {recorded.sha256}", f"has {digest}")
    except FileNotFoundError:
        yield Fault(directory, recorded.name, "must be there", "is missing")
    except OSError as error:
        yield Fault(directory, recorded.name, "must be readable", str(error.strerror))
    except ArtifactError as error:
        yield Fault(directory, recorded.name, "must lie in the artifact", str(error))


def _unrecorded(directory: Path, made: Manifest) -> Iterator[Fault]:
    known = {file.name for file in made.files} | {NAME}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if name == signatures.NAME and path.is_file() and not path.is_symlink():
            continue  # which may be by the key of somebody else
        if name not in known and (path.is_symlink() or not path.is_dir()):
            yield Fault(directory, name, "must be recorded in the manifest", "is not")


def _links(read: dict[Path, Manifest]) -> Iterator[Fault]:
    """What was made from artifacts that have another content now; those that are gone are nobody's fault."""
    contents: dict[str, set[str]] = {}
    for made in read.values():
        contents.setdefault(made.identity, set()).add(made.content)
    for directory, made in read.items():
        for name, link in made.inputs.items():
            there = contents.get(link.identity)
            if there and link.content not in there:
                rule = f"must be made from the {name} that is there, content {min(there)[:12]}"
                yield Fault(directory, NAME, rule, f"was made from content {link.content[:12]}", stale=True)
        yield from _following(directory, made, read)


def _following(directory: Path, made: Manifest, read: dict[Path, Manifest]) -> Iterator[Fault]:
    """Whether an epoch that stands in its place goes on from the one that stands before it."""
    number = made.settings.get("epoch")
    if directory.parent.name != "epochs" or "epoch" not in made.inputs or directory.name != f"{number}".zfill(4):
        return
    before = read.get(directory.with_name(f"{int(directory.name) - 1:04d}"))
    if before is not None and before.identity != made.inputs["epoch"].identity:
        rule = f"must go on from the epoch before it, {before.identity[:12]}"
        yield Fault(directory, NAME, rule, f"goes on from {made.inputs['epoch'].identity[:12]}")
