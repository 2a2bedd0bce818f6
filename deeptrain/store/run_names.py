"""Which artifacts in a run's directory belong together, found without the experiment's file and its code."""

from pathlib import Path
from typing import Any

from deeptrain import files
from deeptrain.errors import ArtifactError
from deeptrain.store import artifact
from deeptrain.store.artifact import Artifact

LATEST = "latest.json"
"""In a run's `live/`: of which artifacts its newest finished job is made."""
MOST_BYTES = 1 << 16


def of(run: Path) -> tuple[Path, dict[str, Any]]:
    """The run's directory and the names of the artifacts in it that belong together.

    Args:
        run: `runs/digits`, by what its newest finished job is made of, or one training, `runs/digits/training-...`.

    Raises:
        ArtifactError: when it is no run, or holds no training, or several and it is not known which is meant.
    """
    if run.name.startswith("training-"):
        return run.parent, {"training": run.name}
    if not run.is_dir():
        raise ArtifactError(f"{run}: no such run; a run is a directory such as runs/digits")
    if names := latest(run):
        return run, names
    trainings = sorted(path.name for path in run.glob("training-*") if path.is_dir())
    if len(trainings) != 1:
        what = "holds no training" if not trainings else f"holds {len(trainings)} trainings: {', '.join(trainings)}"
        raise ArtifactError(f"{run}: {what}; name one of them, or run TrainModel")
    return run, {"training": trainings[0]}


def latest(run: Path) -> dict[str, Any]:
    """The artifacts of a run's newest finished job by stage, and `epochs`; nothing where that is not told."""
    try:
        told = files.read_json(run / "live" / LATEST, MOST_BYTES)
    except ArtifactError:
        return {}
    if not isinstance(told, dict) or "training" not in told:
        return {}
    fits = (type(value) is int if stage == "epochs" else _is_name(value) for stage, value in told.items())
    return told if all(fits) else {}


def done(training: Path) -> list[int]:
    """The numbers of the epochs of a training that are done, ascending."""
    return sorted(int(path.name) for path in training.glob("epochs/[0-9]*") if path.name.isdecimal())


def last(training: Path, asked: object) -> int:
    """The last epoch that counts: the one that was asked for, if it is there, or the last that is done.

    Raises:
        ArtifactError: when none is done.
    """
    numbers = done(training)
    if not numbers:
        raise ArtifactError(f"{training}: no epoch of it is done yet")
    return asked if isinstance(asked, int) and asked in numbers else numbers[-1]


def epoch(training: Path, number: int) -> Artifact:
    """An epoch of a training, from 1.

    Raises:
        ArtifactError: when it is not complete.
    """
    return artifact.open(training / "epochs" / f"{number:04d}")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and Path(value).name == value and value not in {"", ".", ".."} and "\0" not in value
