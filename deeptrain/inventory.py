"""The trainings of a store, and where each stands: read from what is on disk, without experiments and their code.

Only the newest epoch of each training is read, so a store of a thousand is listed at once; what is damaged is told in
its line and hides nothing else. No lock is taken.
"""

import math
import os
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from deeptrain import model_name
from deeptrain.errors import MISSHAPEN, ArtifactError, UntrustedError, in_one_line
from deeptrain.store import locks, run_names
from deeptrain.store import manifest as manifests
from deeptrain.store.artifact import Artifact
from deeptrain.store.run_names import LATEST
from deeptrain.training import chronicle, progress_file
from deeptrain.training.run import METRICS, PROGRESS

State = Literal["starting", "running", "finished", "trained", "unfinished", "damaged"]
"""A process makes ready to train it; works on it; its report is there; its epochs are; some are missing, or not known
to be all; see `fault`."""

SETTLED_SECONDS = 0.1

BESIDE = ("live", "quarantine")
"""Directories beside sessions that are none."""

PLACES = ("epochs", "states", "unfinished", "live")
"""Directories of a training that something is written into."""

SESSIONS = "sessions"
"""In a run: what `Trainer.open(..., session=...)` trains, each in a directory of its own like a training's."""


@dataclass(frozen=True)
class Standing:
    """Where a training stands.

    Attributes:
        run: the run's name, its directory in the store; with "/sessions" behind it for a session.
        training: the training's directory, in the run, or the session's.
        name: what people call it: "M3__digits-filt16".
        state: see `State`.
        epochs: how many are done; of a session with those it goes on behind.
        asked: how many the newest process was to reach; None where nothing says so.
        stopped: why training ended before, in words; "" where it did not.
        key_metric: the validation metric that chooses the best epoch.
        best: its best value; None before an epoch has one.
        best_epoch: the epoch that reached it.
        changed: seconds since 1970 when something of it was written last.
        running: who works on it or is about to, in words; "" where nobody does, as far as this machine knows.
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
    return Inventory(store).look()


class Inventory:
    """Looks at a store again and again, and reads of it only what was written since.

    What a training came to is read again when a directory of it, a report of its run, or its log was; who works on it
    is looked up each time. A file that is altered in its place is noticed by `verify`, and by whoever reads it.
    """

    def __init__(self, store: Path) -> None:
        """Nothing is read yet.

        Args:
            store: the directory of runs, or one run.
        """
        self.store = store
        self._runs: dict[str, _Run] = {}

    def look(self) -> tuple[Standing, ...]:
        """Every training, what changed last first.

        Raises:
            ArtifactError: when there is no such directory.
        """
        if not self.store.is_dir():
            raise ArtifactError(f"{self.store}: no such store; it is made by the first run, or name another one")
        names = [str(self.store)] if _named(str(self.store), "training-") else _named(str(self.store))
        names += [of for name in names if os.path.isdir(of := f"{name}/{SESSIONS}")]  # noqa: PTH112 - see `_Run`
        self._runs = {name: self._runs.get(name) or _Run(Path(name)) for name in names}
        found = [standing for run in self._runs.values() for standing in run.look()]
        return tuple(sorted(found, key=lambda one: (-one.changed, one.run, one.training)))


class _Run:
    """A run, what its reports are made of, and what is known of each of its trainings.

    Paths are texts here: of a thousand runs making them takes longer than looking.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = str(root)
        self._latest = str(root / "live" / LATEST)
        self._lock = locks.path_of_run(root)
        self._written = -1
        self._reported: set[str] = set()
        self._trainings: list[_Training] = []

    def look(self) -> Iterator[Standing]:
        written = _written(self._path)
        if written != self._written:  # a name in it is new, or gone
            known = {one.directory.name: one for one in self._trainings}
            prefix = "" if self._root.name == SESSIONS else "training-"
            names = [path for path in map(Path, _named(self._path, prefix)) if path.name not in BESIDE]
            self._trainings = [known.get(path.name) or _Training(self._root, path) for path in names]
            self._reported = _reported(self._root)
            self._written = written if _is_settled(written) else -1
        seen = (written, _written(self._latest))
        busy = locks.holder(self._lock) is not None
        return (one.look(self._reported, seen, busy=busy) for one in self._trainings)


class _Training:
    """A training, and where it stood when it was looked at last."""

    def __init__(self, run: Path, directory: Path) -> None:
        self.directory = directory
        self._run = run
        self._lock = locks.path_of(run, directory)
        places = (*PLACES, f"live/{chronicle.NAME}", model_name.FILE.as_posix())
        self._places = tuple(f"{directory}/{name}" for name in places)
        self._seen: tuple[int, ...] = ()
        self._standing = Standing(run.name, directory.name, directory.name, "unfinished")

    def look(self, reported: set[str], of_run: tuple[int, ...], *, busy: bool) -> Standing:
        # A name in a directory changes with its time, a log grows without.
        seen = (*of_run, *map(_written, self._places))
        if seen != self._seen:
            self._standing = _standing(self._run, self.directory, reported)
            self._seen = seen if _is_settled(max(seen)) else ()
        who = locks.holder(self._lock) or ""
        starting = "" if who or not busy else _starting(self._run, self.directory)
        return _worked_on(self._standing, who, starting)


def _named(place: str, prefix: str = "") -> list[str]:
    """The directories in one whose names begin so, sorted; what is hidden is litter."""
    with os.scandir(place) as entries:
        return sorted(
            entry.path for entry in entries if entry.name.startswith(prefix) and entry.name[0] != "." and entry.is_dir()
        )


def _is_settled(written: int) -> bool:
    """Whether what is written after a look has another time: clocks of file systems tick every few milliseconds."""
    return time.time_ns() - written > SETTLED_SECONDS * 1e9


def _written(path: str) -> int:
    """When something was written, in nanoseconds since 1970; 0 for what is not there."""
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0


def _reported(run: Path) -> set[str]:
    """The identities of epochs that reports of a run were made of."""
    identities = set()
    for directory in run.glob("report-*"):
        try:
            link = manifests.read(directory).inputs.get("training")
        except (ArtifactError, UntrustedError):
            continue
        identities.add("" if link is None else link.identity)
    return identities


def _standing(run: Path, training: Path, reported: set[str]) -> Standing:
    named = model_name.read(training)
    place, session = run.resolve(), run.name == SESSIONS
    name = f"session {training.name}" if session else training.name
    told: dict[str, Any] = {
        "run": f"{place.parent.name}/{SESSIONS}" if session else place.name,
        "training": training.name,
        "name": name if named is None else str(named),
        "asked": _asked(run, training),
        "changed": _changed(training),
    }
    done = run_names.done(training)
    if not done:
        return Standing(**told, state="unfinished")
    told["epochs"] = done[-1] if session else len(done)
    try:
        last = run_names.epoch(training, done[-1])
        told |= _outcome(last)
    except (ArtifactError, UntrustedError) as error:
        return Standing(**told, state="damaged", fault=str(error))
    except MISSHAPEN as error:
        fault = f"{training}: was written by another version, or altered: {in_one_line(error)}"
        return Standing(**told, state="damaged", fault=fault)
    if last.manifest.identity in reported and done[-1] >= (told["asked"] or 0):
        return Standing(**told, state="finished")
    ended = told["stopped"] or (told["asked"] is not None and done[-1] >= told["asked"])
    return Standing(**told, state="trained" if ended else "unfinished")


def _starting(run: Path, training: Path) -> str:
    """Who builds the model, before it takes the training's lock, in words; "" where nobody does.

    A process that was killed says of itself that it builds, too: only one that works on the run is believed.
    """
    told = progress_file.read(training / "live") or {}
    process = told.get("pid")
    if not (told.get("running") is True and told.get("host") == platform.node() and isinstance(process, int)):
        return ""
    return f"process {process}" if locks.has_open(process, locks.path_of_run(run)) else ""


def _worked_on(standing: Standing, who: str, starting: str) -> Standing:
    if standing.state == "damaged":
        return replace(standing, running=who)
    if who or starting:
        return replace(standing, state="running" if who else "starting", running=who or starting)
    return standing


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
    latest = run_names.latest(run)
    epochs = latest.get("epochs") if latest.get("training") == training.name else None
    return epochs if isinstance(epochs, int) else None


def _changed(training: Path) -> float:
    """When something was written: what is whole gets its name by a rename, which the directory's time tells."""
    return max(_written(f"{training}/{place}") for place in PLACES) / 1e9
