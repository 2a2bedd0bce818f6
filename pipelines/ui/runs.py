"""The runs of a store as the pages show them. Only reads, runs nothing of a store, and reads again what was written.

One thread reads: nothing here waits for another.
"""

import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from deeptrain import inventory
from deeptrain.errors import ArtifactError, DeeptrainError
from deeptrain.inventory import Inventory, Standing
from deeptrain.store import artifact, events, run_names
from deeptrain.training import chronicle
from deeptrain.training.results import Results
from deeptrain.training.run import METRICS
from pipelines.ui import live
from pipelines.ui.live import Live
from pipelines.ui.store_files import is_name

if TYPE_CHECKING:
    from deeptrain.report.run import Lineage

State = Literal["starting", "training", "paused", "stopped", "failed", "trained", "complete", "damaged"]
"""Starting: its model is being built; stopped: a person, or a kill, did; failed: an error did; trained: its epochs are
done; complete: its report, too."""

AT_WORK = ("starting", "training", "paused")
ELSEWHERE_SECONDS = 15.0
"""How long a training is believed to run that another machine told of: its lock is not seen from here."""

PICTURES = (".png", ".gif", ".svg")
MOST_PICTURES = 24


@dataclass(frozen=True)
class Listed:
    """A training, and what it says of itself.

    Attributes:
        standing: by what is on disk.
        state: see `State`.
        live: while it is at work; None otherwise.
        why: it failed, in words; "" where it did not.
    """

    standing: Standing
    state: State
    live: Live | None = None
    why: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture in a store: where it is below the store, and what is added to its address when it is another one."""

    names: tuple[str, ...]
    written: int


@dataclass(frozen=True)
class Shown:
    """A training as its page shows it.

    Attributes:
        listed: as in the list.
        live: what it said last; None where it never said anything.
        epochs: what each has come to, ascending.
        lineage: what was made from what, inputs first.
        report: the directory of its report; "" without one.
        pictures: of the report, and of the callbacks.
        hardest: the samples it is most wrong about, as the template of the report takes them.
        hardest_split: of which split.
    """

    listed: Listed
    live: Live | None
    epochs: tuple[Results, ...]
    lineage: "tuple[Lineage, ...]" = ()
    report: str = ""
    pictures: tuple[Picture, ...] = ()
    hardest: tuple[dict[str, Any], ...] = ()
    hardest_split: str = ""


@dataclass
class _Made:
    """What was read of a training, and the times of what it was read from."""

    seen: tuple[int, ...] = ()
    epochs: dict[str, Results] = field(default_factory=dict)
    lineage: "tuple[Lineage, ...]" = ()
    hardest_of: str = ""
    hardest: tuple[dict[str, Any], ...] = ()
    hardest_split: str = ""


class Runs:
    """Reads a store for the pages, again and again."""

    def __init__(self, store: Path) -> None:
        """Nothing is read yet.

        Args:
            store: the directory of runs.
        """
        self.store = store
        self._inventory = Inventory(store)
        self._of_runs: dict[str, Inventory] = {}
        self._failures: dict[str, tuple[int, dict[str, str]]] = {}
        self._made: dict[Path, _Made] = {}

    def listed(self) -> list[Listed]:
        """All trainings, those at work first, then what changed last."""
        if not self.store.is_dir():
            return []
        found = [self._listed(one) for one in self._inventory.look()]
        return sorted(found, key=lambda one: one.state not in AT_WORK)

    def directory(self, run: str, training: str) -> Path:
        """The directory of a training, by the names in an address; "NAME/sessions" is the run of a session.

        Raises:
            ArtifactError: when there is no such one, or a link is on the way.
        """
        names = (*run.split("/"), training)
        session = len(names) == 3 and names[1] == inventory.SESSIONS and training not in inventory.BESIDE
        names_fit = (session or (len(names) == 2 and training.startswith("training-"))) and all(map(is_name, names))
        place = self.store.joinpath(*names) if names_fit else self.store
        steps = (place, *place.parents)[: len(names)]
        if not names_fit or any(path.is_symlink() for path in steps) or not place.is_dir():
            raise ArtifactError(f"there is no training {training[:80]!r} of a run {run[:80]!r} in this store")
        return place

    def shown(self, run: str, training: str) -> Shown:
        """A training as its page shows it.

        Raises:
            ArtifactError: when there is no such one.
        """
        place = self.directory(run, training)
        root = run.partition("/")[0]
        of_run = self._of_runs.setdefault(root, Inventory(self.store / root)).look()
        standing = next((one for one in of_run if (one.run, one.training) == (run, training)), None)
        if standing is None:
            raise ArtifactError(f"the training {training} of the run {run} is gone")
        listed = self._listed(standing)
        made = self._read(place)
        report = next((line.artifact for line in made.lineage if line.stage == "report"), "")
        return Shown(
            listed=listed,
            live=live.read(self.store, run, training),
            epochs=tuple(made.epochs[name] for name in sorted(made.epochs, key=int)),
            lineage=made.lineage,
            report=report,
            pictures=tuple(self._pictures(place, report)),
            hardest=made.hardest,
            hardest_split=made.hardest_split,
        )

    def _listed(self, one: Standing) -> Listed:
        at_work = live.read(self.store, one.run, one.training) if self._may_be_at_work(one) else None
        if one.state == "damaged":
            return Listed(one, "damaged")
        if one.state == "starting":
            return Listed(one, "starting", at_work)
        if one.running or (at_work is not None and _is_elsewhere(at_work)):
            return Listed(one, "paused" if at_work is not None and at_work.paused else "training", at_work)
        if one.state in {"finished", "trained"}:
            return Listed(one, "complete" if one.state == "finished" else "trained")
        why = self._failure(one)
        return Listed(one, "failed" if why else "stopped", why=why)

    def _may_be_at_work(self, one: Standing) -> bool:
        return bool(one.running) or time.time() - one.changed < ELSEWHERE_SECONDS

    def _failure(self, one: Standing) -> str:
        """Why a training failed when it was worked on last; "" where it did not fail."""
        path = self.store / one.run / "live" / chronicle.NAME
        try:
            written = path.stat().st_mtime_ns
        except OSError:
            return ""
        known = self._failures.get(one.run)
        if known is None or known[0] != written:
            known = self._failures[one.run] = (written, _failures(path))
        return known[1].get(one.training, "")

    def _read(self, place: Path) -> _Made:
        made = self._made.setdefault(place, _Made())
        seen = tuple(_written(path) for path in (place / "epochs", place.parent, place.parent / "live" / "latest.json"))
        if seen != made.seen:
            made.epochs = dict(_epochs(place, made.epochs))
            made.lineage = _lineage(place)
            self._read_hardest(place.parent, made)
            made.seen = seen if time.time_ns() - max(seen) > inventory.SETTLED_SECONDS * 1e9 else ()
        return made

    def _read_hardest(self, run: Path, made: _Made) -> None:
        """The samples that the newest predictions are most wrong about: never of the test split."""
        names = {line.stage: line.artifact for line in made.lineage}
        of = next((line.content for line in made.lineage if line.stage == "predictions"), "")
        if of == made.hardest_of:
            return
        made.hardest_of, made.hardest, made.hardest_split = of, (), ""
        if not of or "shards" not in names:
            return
        try:
            made.hardest_split, made.hardest = _hardest(run / names["predictions"], (run / names["shards"]).parent)
        except (DeeptrainError, StopIteration, KeyError, TypeError, ValueError, IndexError):
            return  # what cannot be read is told by the list, and by `verify`

    def _pictures(self, place: Path, report: str) -> Iterator[Picture]:
        of_report = [(place.parent / report, (report,))] if report else []
        beside = [(path, (place.name, "live", path.name)) for path in _below(place / "live") if path.is_dir()]
        found = (
            Picture((*place.relative_to(self.store).parts[:-1], *names, path.name), _written(path))
            for directory, names in (*of_report, *beside)
            for path in _below(directory)
            if path.suffix in PICTURES and path.is_file()
        )
        return (picture for picture, _ in zip(found, range(MOST_PICTURES), strict=False))


def _is_elsewhere(said: Live) -> bool:
    return said.running and said.host != platform.node() and time.time() - said.updated < ELSEWHERE_SECONDS


def _failures(path: Path) -> dict[str, str]:
    """Why each training failed whose last task did, by its directory's name."""
    last: dict[str, str] = {}
    try:
        for event in events.newest(path):
            if event.get("kind") == "task":
                name = str(event.get("artifact", "")).partition("/")[0]
                said = str(event.get("said") or "failed") if event.get("outcome") == "failed" else ""
                last.setdefault(name, said)
    except OSError:
        return {}
    return last


def _epochs(place: Path, known: dict[str, Results]) -> Iterator[tuple[str, Results]]:
    """What each epoch has come to; one that is damaged is left out."""
    for path in _below(place / "epochs"):
        if path.name in known:
            yield path.name, known[path.name]
        elif path.name.isdecimal():
            try:
                yield path.name, Results.from_plain(run_names.epoch(place, int(path.name)).json(METRICS))
            except ArtifactError:
                continue


def _lineage(place: Path) -> "tuple[Lineage, ...]":
    from deeptrain import ancestry  # with what draws a report, which the list does without

    try:
        return ancestry.of(place)
    except ArtifactError:
        return ()


def _hardest(made: Path, shards: Path) -> tuple[str, tuple[dict[str, Any], ...]]:
    """The split that calibration works on, and its samples that some predictions are most wrong about."""
    from deeptrain import hardest  # NumPy, and what draws: nothing else of the page needs them
    from deeptrain.report import hardest as drawn
    from deeptrain.shards import reading
    from deeptrain.training import predictions

    found = artifact.open(made)
    splits = predictions.index(found)["splits"]
    split = next(name for name in ("calibration", "val") if name in splits)
    samples = hardest.predicted(found, shards, split, drawn.MOST)
    return split, tuple(one.plain() for one in drawn.of(samples, reading.open(shards).split(split).info))


def _below(place: Path) -> Sequence[Path]:
    """What is in a directory, sorted, without what is hidden and what is a link."""
    try:
        with os.scandir(place) as entries:
            return sorted(Path(one.path) for one in entries if not one.name.startswith(".") and not one.is_symlink())
    except OSError:
        return []


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
