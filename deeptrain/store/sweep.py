"""Litter of killed runs: hidden directories and files that never became an artifact."""

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from deeptrain import files
from deeptrain.errors import LockedError
from deeptrain.store.locks import Lock, lock_of

_LITTER = re.compile(r"\.(?P<name>.+)\.\d+\.[0-9a-f]{8}")
TRAINING_PLACES = ("", "epochs", "states", "unfinished")
SHARDS_PLACES = ("", "parts")


def sweep(run: Path) -> list[Path]:
    """Delete the litter in a run's directory and return what went; what its writer still locks stays.

    Args:
        run: `runs/EXPERIMENT`; it may be absent.
    """
    gone = []
    for path, lock in litter(run):
        with contextlib.suppress(LockedError), lock:
            directory = path.is_dir() and not path.is_symlink()
            files.patiently(shutil.rmtree, path) if directory else files.patiently(path.unlink)
            gone.append(path)
    return gone


def litter(run: Path) -> Iterator[tuple[Path, Lock]]:
    """The litter in a run's directory, each with the lock that its writer holds while it lives."""
    for directory, owner in _places(run):
        for path in sorted(directory.iterdir()) if directory.is_dir() else ():
            match = _LITTER.fullmatch(path.name)
            if match is not None:
                written = owner or directory / match["name"]
                yield path, lock_of(written.parent if owner else run, written)


def _places(run: Path) -> Iterator[tuple[Path, Path | None]]:
    """Where litter may lie, and what is locked while it is written: what it was to become, if nothing is named.

    A training, or a session, holds one lock for all that is written below it.
    """
    yield run, None
    for shards in run.glob("shards-*"):
        yield from ((shards / place, None) for place in SHARDS_PLACES)
    for training in [*run.glob("training-*"), *run.glob("sessions/*")]:
        if training.name != "live":
            yield from ((training / place, training) for place in TRAINING_PLACES)
