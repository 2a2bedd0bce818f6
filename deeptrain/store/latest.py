"""Which artifacts of a run belong together: `live/latest.json` tells those of the newest finished job."""

import json
from pathlib import Path
from typing import Any

from deeptrain.errors import ArtifactError

LATEST = "latest.json"


def names(run: Path) -> tuple[Path, dict[str, Any]]:
    """The run's directory and the names of the artifacts in it that belong together, at least its "training".

    Args:
        run: its directory, or that of one of its trainings.

    Raises:
        ArtifactError: when there is no such run, or it holds no training, or several and no job is finished.
    """
    if run.name.startswith("training-"):
        return run.parent, {"training": run.name}
    if not run.is_dir():
        raise ArtifactError(f"{run}: no such run; a run is a directory such as runs/digits")
    try:
        told = json.loads((run / "live" / LATEST).read_bytes())
        found = {str(key): value for key, value in told.items()}
        if all(isinstance(value, int) or _is_name(value) for value in found.values()):
            return run, found
    except (OSError, ValueError, AttributeError):
        pass
    trainings = sorted(path.name for path in run.glob("training-*") if path.is_dir())
    if len(trainings) != 1:
        what = "holds no training" if not trainings else f"holds {len(trainings)} trainings: {', '.join(trainings)}"
        raise ArtifactError(f"{run}: {what}; name one of them, or run TrainModel")
    return run, {"training": trainings[0]}


def _is_name(value: object) -> bool:
    return isinstance(value, str) and Path(value).name == value and value not in {"", ".", ".."}
