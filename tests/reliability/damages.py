"""What a disk does to a file of a store: its bits, its length, its place."""

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from deeptrain.store.manifest import NAME

PAGE = 4096


def flipped(data: bytes, rng: random.Random) -> bytes:
    """One bit is another."""
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def cut(data: bytes, rng: random.Random) -> bytes:
    """It ends too early."""
    return data[: rng.randrange(len(data))] if data else data


def zeroed(data: bytes, rng: random.Random) -> bytes:
    """A page, or the last of it, reads as zeros."""
    at = rng.randrange(len(data) // PAGE + 1) * PAGE
    return data[:at] + bytes(len(data[at : at + PAGE])) + data[at + PAGE :]


def emptied(data: bytes, _: random.Random) -> bytes:
    """Nothing is in it."""
    return data[:0]


def longer(data: bytes, rng: random.Random) -> bytes:
    """Something is behind it."""
    return data + rng.choice([b"\n", b"\0", b"\0" * 512, b"}", rng.randbytes(64)])


CHANGES: Mapping[str, Callable[[bytes, random.Random], bytes]] = {
    "flipped": flipped,
    "cut": cut,
    "zeroed": zeroed,
    "emptied": emptied,
    "longer": longer,
}
SWAPPED, REMOVED = "swapped", "removed"
DAMAGES = (*CHANGES, SWAPPED, REMOVED)


def spoil(path: Path, damage: str, rng: random.Random) -> dict[Path, bytes]:
    """Spoil a file, and return what was in it and in what was spoilt with it: nothing where that changes no byte."""
    data = path.read_bytes()
    if damage == REMOVED:
        path.unlink()
        return {path: data}
    if damage == SWAPPED:
        other = sibling(path)
        before = {path: data, other: other.read_bytes()}
        path.write_bytes(before[other])
        other.write_bytes(data)
        return before if before[other] != data else {}
    path.write_bytes(CHANGES[damage](data, rng))
    return {path: data} if path.read_bytes() != data else {}


def mend(before: Mapping[Path, bytes]) -> None:
    """Put back what was there."""
    for path, data in before.items():
        path.write_bytes(data)


def sibling(path: Path) -> Path:
    """What a file may be taken for: the one of its name in the next artifact of its kind, or the next beside it."""
    artifact = artifact_of(path)
    name = path.relative_to(artifact)
    alike = sorted(one / name for one in artifact.parent.iterdir() if one != artifact and (one / name).is_file())
    if artifact.name[0].isdecimal() and alike:
        return alike[0]
    return next(one for one in files_of(artifact) if one != path)


def artifact_of(path: Path) -> Path:
    """The artifact that a file is of."""
    return next(parent for parent in path.parents if (parent / NAME).is_file())


def files_of(store: Path) -> Iterator[Path]:
    """Every file of every artifact below a directory, manifests among them."""
    for manifest in sorted(store.rglob(NAME)):
        if not {"quarantine", "live"}.intersection(manifest.relative_to(store).parts):
            yield from sorted(path for path in manifest.parent.rglob("*") if path.is_file())
