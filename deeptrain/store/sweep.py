"""Litter of killed runs: hidden directories and files that never became an artifact."""

import re
import shutil
from pathlib import Path

from deeptrain.errors import LockedError
from deeptrain.store.locks import lock_of

_LITTER = re.compile(r"\.(?P<name>.+)\.\d+\.[0-9a-f]{8}")
TRAINING_PLACES = ("epochs", "states", "unfinished")
SHARDS_PLACES = ("", "parts")


def sweep(run: Path) -> list[Path]:
    """Delete the litter in a run's directory and return what went; what its writer still locks stays.

    Args:
        run: `runs/EXPERIMENT`; it may be absent.
    """
    gone = []
    places = [run]
    places += [training / place for training in run.glob("training-*") for place in TRAINING_PLACES]
    places += [shards / place for shards in run.glob("shards-*") for place in SHARDS_PLACES]
    for directory in places:
        if not directory.is_dir():
            continue
        for path in directory.iterdir():
            match = _LITTER.fullmatch(path.name)
            if match is None:
                continue
            # A training holds one lock for all that is written below it.
            in_training = directory.parent.name.startswith("training-")
            owner = directory.parent if in_training else directory / match["name"]
            try:
                with lock_of(run, owner):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            except LockedError:
                continue
            gone.append(path)
    return gone
