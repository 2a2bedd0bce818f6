"""Epochs that another training of the same run has in common with this one are taken over, not trained again."""

import logging
import os
import shutil
from pathlib import Path

from deeptrain import files
from deeptrain.errors import ArtifactError
from deeptrain.store import artifact
from deeptrain.store.artifact import Artifact
from deeptrain.training.run import TrainingRun

log = logging.getLogger("deeptrain")


def adopt(run: TrainingRun) -> int:
    """Take over the epochs, from the first that is not done, that differ in nothing: those before a new phase.

    Files are linked where the file system can, copied otherwise, and compared with their sha256. Needs the lock.

    Returns:
        How many epochs were taken over.
    """
    if run.base is not None:
        return 0
    begun = run.done()
    others = [path for path in sorted(run.root.glob("training-*")) if path != run.directory]
    while any(_take(run, other, run.done() + 1) for other in others):
        pass
    taken = run.done() - begun
    if taken:
        log.info(
            "%s: %d epochs are those of another training and were taken over; training goes on from the newest of "
            "them whose state was kept",
            run.directory.name,
            taken,
        )
    return taken


def _take(run: TrainingRun, other: Path, number: int) -> bool:
    epoch = run.epoch(number)
    found = other / "epochs" / epoch.directory.name
    if not found.exists():  # that training has not come so far, or was killed before
        return False
    try:
        made = artifact.open(found)
        if made.manifest.identity != epoch.identity or epoch.directory.exists():
            return False
        state = other / "states" / epoch.directory.name
        if state.is_dir():
            link(state, run.state(number).directory)
        link(found, epoch.directory)
    except (ArtifactError, OSError) as error:
        log.warning("%s: cannot be taken over and is trained again: %s", found, error)
        return False
    return run.done() >= number


def link(found: Path, to: Path) -> Artifact:
    """Another name for an artifact's files, whole or absent, after comparing every byte with the recorded sha256.

    Raises:
        ArtifactError: when the artifact is absent or damaged.
    """
    made = artifact.verify(found)
    if to.exists():
        return made
    files.make_directories(to.parent)
    hidden = files.unique_sibling(to)
    try:
        shutil.copytree(found, hidden, copy_function=_same_file)
        files.sync_tree(hidden)
        files.rename(hidden, to)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    return made


def _same_file(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        with Path(target).open("rb+") as copied:
            os.fsync(copied.fileno())
