"""The trainings of a store, and where each stands: read from what is on disk, without experiments and their code.

Only the newest epoch of each training is read, so a store of a thousand is listed at once; what is damaged is told in
its line and hides nothing else. No lock is taken.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from deeptrain import model_name
from deeptrain.errors import ArtifactError, in_one_line
from deeptrain.store import artifact, locks
from deeptrain.store import manifest as manifests
from deeptrain.store.artifact import Artifact
from deeptrain.store.run_names import LATEST
from deeptrain.training import chronicle
from deeptrain.training.run import METRICS, PROGRESS

State = Literal["running", "finished", "trained", "unfinished", "damaged"]
"""A process works on it; its report is there; its epochs are; some are missing, or not known to be all; see `fault`."""


@dataclass(frozen=True)
class Standing:
    """Where a training stands.

    Attributes:
        run: the run's name, its directory in the store.
        training: the training's directory, in the run.
        name: what people call it: "M3__digits-filt16".
        state: see `State`.
        epochs: how many are done.
        asked: how many the newest process was to reach; None where nothing says so.
        stopped: why training ended before, in words; "" where it did not.
        key_metric: the validation metric that chooses the best epoch.
        best: its best value; None before an epoch has one.
        best_epoch: the epoch that reached it.
        changed: seconds since 1970 when something of it was written last.
        running: who works on it now, in words; "" where nobody does, as far as this machine knows.
        fault: what is damaged; "" where nothing was found.
    """

    run: str
    training: str
    name: str
    state: State
    epochs: int = 0
    asked: int | None = None
    stopped: str = ""
    key_metric: str = ""
    best: float | None = None
    best_epoch: int | None = None
    changed: float = 0.0
    running: str = ""
    fault: str = ""

    def plain(self) -> dict[str, Any]:
        """The standing as JSON holds it."""
        return asdict(self)


def of(store: Path) -> tuple[Standing, ...]:
    """Every training of a store, what changed last first.

    Args:
        store: the directory of runs, or one run.

    Raises:
        ArtifactError: when there is no such directory.
    """
    if not store.is_dir():
        raise ArtifactError(f"{store}: no such store; it is made by the first run, or name another one")
    runs = [store] if _trainings(store) else sorted(path for path in store.iterdir() if path.is_dir())
    found = [_standing(run, training, _reported(run)) for run in runs for training in _trainings(run)]
    return tuple(sorted(found, key=lambda one: (-one.changed, one.run, one.training)))


def _trainings(run: Path) -> list[Path]:
    return sorted(path for path in run.glob("training-*") if path.is_dir())


def _reported(run: Path) -> set[str]:
    """The identities of epochs that reports of a run were made of."""
    identities = set()
    for directory in run.glob("report-*"):
        try:
            link = manifests.read(directory).inputs.get("training")
        except ArtifactError:
            continue
        identities.add("" if link is None else link.identity)
    return identities


def _standing(run: Path, training: Path, reported: set[str]) -> Standing:
    named = model_name.read(training)
    told: dict[str, Any] = {
        "run": run.resolve().name,
        "training": training.name,
        "name": training.name if named is None else str(named),
        "asked": _asked(run, training),
        "changed": _changed(training),
        "running": locks.holder(locks.path_of(run, training)) or "",
    }
    done = sorted(int(path.name) for path in training.glob("epochs/[0-9]*") if path.name.isdecimal())
    if not done:
        return Standing(**told, state="running" if told["running"] else "unfinished")
    told["epochs"] = len(done)
    try:
        last = artifact.open(training / "epochs" / f"{done[-1]:04d}")
        told |= _outcome(last)
    except ArtifactError as error:
        return Standing(**told, state="damaged", fault=str(error))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        fault = f"{training}: was written by another version, or altered: {in_one_line(error)}"
        return Standing(**told, state="damaged", fault=fault)
    if told["running"]:
        return Standing(**told, state="running")
    if last.manifest.identity in reported and done[-1] >= (told["asked"] or 0):
        return Standing(**told, state="finished")
    ended = told["stopped"] or (told["asked"] is not None and done[-1] >= told["asked"])
    return Standing(**told, state="trained" if ended else "unfinished")


def _outcome(last: Artifact) -> dict[str, Any]:
    training: Mapping[str, Any] = last.manifest.settings["training"]
    best = last.json(PROGRESS)["state"]["best"]
    value = None if best is None else float(best["value"])
    return {
        "stopped": str(last.json(METRICS)["stopped"] or ""),
        "key_metric": str(training.get("key_metric") or "loss"),
        "best": value if value is not None and math.isfinite(value) else None,
        "best_epoch": None if best is None else int(best["epoch"]),
    }


def _asked(run: Path, training: Path) -> int | None:
    asked = chronicle.read(training / "live" / chronicle.NAME).asked
    if asked is not None:
        return asked
    try:
        latest = json.loads((run / "live" / LATEST).read_bytes())
        epochs = latest["epochs"] if latest["training"] == training.name else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return epochs if isinstance(epochs, int) else None


def _changed(training: Path) -> float:
    """When something was written: what is whole gets its name by a rename, which the directory's time tells."""
    return max(_times(training), default=0.0)


def _times(training: Path) -> Iterator[float]:
    for place in ("epochs", "states", "unfinished", "live"):
        try:
            yield (training / place).stat().st_mtime
        except OSError:
            continue
