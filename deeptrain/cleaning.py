"""What may go from a store: what no finished run refers to, or what a rule names; and deleting it.

A *finished run* is a report: everything it was made from stays with it. An experiment without one is work in
progress. Sessions and raw files that were written by hand belong to nobody's run and stay, with all they need.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deeptrain import files
from deeptrain.errors import ArtifactError, LockedError
from deeptrain.store import artifact, locks, references, run_names, sweep
from deeptrain.store.references import References, Unit
from deeptrain.store.run_names import LATEST
from deeptrain.training import interventions

OWN = frozenset({"session", "raw"})
"""Stages that nothing refers to and that stay all the same."""


@dataclass(frozen=True)
class Rules:
    """What is asked for.

    Attributes:
        older_than: seconds; finished runs that are older do not count any more, and nothing that is younger goes.
        keep_last: only so many finished runs of each experiment count, the newest; with `older_than` the younger, too.
        interventions: instead, what followed from changes by hand goes.
        quarantine: instead, what was set aside as damaged or stale goes.
    """

    older_than: float | None = None
    keep_last: int | None = None
    interventions: bool = False
    quarantine: bool = False


@dataclass(frozen=True)
class Piece:
    """Something that may go.

    Attributes:
        run: `STORE/EXPERIMENT`.
        directory: what it is of, and whose lock is held while it is deleted.
        paths: what is deleted, in this order; nothing of litter, which is swept.
        why: in words.
        bytes: of all files in it.
        changed: when the newest of them was written, seconds since 1970.
    """

    run: Path
    directory: Path
    paths: tuple[Path, ...]
    why: str
    bytes: int
    changed: float


@dataclass(frozen=True)
class Cleaning:
    """What may go, and what is left alone though it is looked at, with the reason."""

    pieces: tuple[Piece, ...]
    left: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Of all pieces."""
        return sum(piece.bytes for piece in self.pieces)


def find(store: Path, rules: Rules, now: float) -> Cleaning:
    """What may go from a store; nothing is touched.

    Args:
        store: directory of runs.
        rules: what is asked for.
        now: seconds since 1970.

    Raises:
        ArtifactError: when there is no such directory, or it cannot be written.
    """
    if not store.is_dir():
        raise ArtifactError(f"{store}: no such directory of runs; name it with --store")
    found = references.read(store)
    left = {}
    with _explained(store):
        for run in found.runs:
            try:
                with locks.alone(run):
                    pass
            except LockedError as error:
                left[run] = f"{run} is left alone: {error}"
            if run in found.damaged:
                left.setdefault(run, f"{run} is left alone: what it refers to is not known: {found.damaged[run]}")
        free = [run for run in found.runs if run not in left]
        notes = list(left.values())
        if rules.quarantine:
            pieces = list(_quarantine(free))
        elif rules.interventions:
            pieces = list(_disturbed(found, free, notes))
        else:
            pieces = [*_unreferenced(found, free, rules, now, notes), *_litter(free)]
    old = [piece for piece in pieces if rules.older_than is None or now - piece.changed > rules.older_than]
    return Cleaning(tuple(old), tuple(notes))


def remove(pieces: Sequence[Piece]) -> None:
    """Delete what was found, each directory whole; killed in between, the rest of one is litter for the next sweep.

    Raises:
        LockedError: when somebody works on the run meanwhile; what went before stays gone.
        ArtifactError: when something cannot be deleted.
    """
    for run in dict.fromkeys(piece.run for piece in pieces):
        with _explained(run), locks.alone(run):
            for piece in (piece for piece in pieces if piece.run == run and piece.paths):
                with locks.lock_of(run, piece.directory):
                    for path in piece.paths:
                        _delete(path)
            sweep.sweep(run)


def _delete(path: Path) -> None:
    if path.name.startswith("report-"):
        _forget_latest(path)
    if path.is_dir() and not path.is_symlink():
        artifact.remove(path)
    else:
        path.unlink(missing_ok=True)
        files.sync_directory(path.parent)


def _forget_latest(report: Path) -> None:
    latest = report.parent / "live" / LATEST
    if _latest(report.parent) == report.name:
        latest.unlink()


def _unreferenced(
    found: References, free: Sequence[Path], rules: Rules, now: float, notes: list[str]
) -> Iterator[Piece]:
    finished = {run: _finished(found, run) for run in found.runs}
    ended = {unit: why for run in free for unit, why in _ended(finished[run], rules, now)}
    stays = [
        unit
        for unit in found.units
        if unit.run not in free or unit.stage in OWN or (unit in finished[unit.run] and unit not in ended)
    ]
    reached = found.reached(stays)
    for run in free:
        going = [unit for unit in found.units if unit.run == run and unit not in reached]
        if going and not finished[run] and rules.older_than is None:
            notes.append(f"{run} is left alone: no run of it is finished yet; --older-than takes from it")
            continue
        # Reports first: a kill in between must not leave one without what it tells of.
        for unit in sorted(going, key=lambda unit: unit.stage != "report"):
            yield _piece(run, unit.directory, [unit.directory], ended.get(unit) or _alone(unit))


def _alone(unit: Unit) -> str:
    done = f"; epochs done: {len(unit.artifacts)}" if unit.stage == "training" else ""
    return f"no finished run that stays refers to it{done}"


def _finished(found: References, run: Path) -> list[Unit]:
    """The reports of a run, the one of its newest finished job first, the others from new to old."""
    reports = [unit for unit in found.units if unit.run == run and unit.stage == "report" and unit.artifacts]
    latest = _latest(run)
    return sorted(reports, key=lambda unit: (unit.directory.name != latest, -_measured([unit.directory])[1]))


def _ended(finished: Sequence[Unit], rules: Rules, now: float) -> Iterator[tuple[Unit, str]]:
    """Finished runs that a rule names, with the reason."""
    for place, unit in enumerate(finished):
        reasons = []
        if rules.keep_last is not None:
            if place < rules.keep_last:
                continue
            reasons.append(f"not among the last {rules.keep_last}")
        if rules.older_than is not None:
            if now - _measured([unit.directory])[1] <= rules.older_than:
                continue
            reasons.append("older than asked")
        if reasons:
            yield unit, "a finished run, " + " and ".join(reasons)


def _latest(run: Path) -> str | None:
    """The report of a run's newest finished job, as it is told in `live/`."""
    told = run_names.latest(run).get("report")
    return None if told is None else str(told)


def _disturbed(found: References, free: Sequence[Path], notes: list[str]) -> Iterator[Piece]:
    """Epochs from the first that a person changed by hand, and what was made from them; users before what they use."""
    told: set[Unit] = set()
    for unit in found.units:
        if unit.stage != "training" or unit.run not in free or not (changed := interventions.read(unit.directory)):
            continue
        first = min(one.epoch for one in changed)
        disturbed = [path for path in unit.artifacts if path.parent.name == "epochs" and int(path.name) >= first]
        users = found.users(unit.artifacts[path].identity for path in disturbed) - {unit}
        held = [user for user in users if user.stage in OWN or user.run not in free]
        if held:
            notes.append(f"{unit.directory} is left alone: {held[0].directory} goes on behind a changed epoch")
            continue
        for user in sorted(users - told, key=lambda user: (user.stage != "report", str(user.directory))):
            told.add(user)
            yield _piece(user.run, user.directory, [user.directory], "made from epochs that were changed by hand")
        later = [*_numbered(unit.directory / "unfinished", first), *_numbered(unit.directory / "states", first)]
        # The file last: until it is gone, whoever trains on acts as it says.
        paths = [*sorted(disturbed, reverse=True), *later, unit.directory / interventions.NAME]
        what = ", ".join(dict.fromkeys(one.key for one in changed))
        yield _piece(unit.run, unit.directory, paths, f"epochs from {first} on: changed by hand ({what})")


def _numbered(place: Path, first: int) -> list[Path]:
    """States or unfinished checkpoints of epochs from one on, the last first."""
    found = (path for path in place.glob("[0-9]*") if path.name.partition(".")[0].isdecimal())
    return sorted((path for path in found if int(path.name.partition(".")[0]) >= first), reverse=True)


def _quarantine(free: Sequence[Path]) -> Iterator[Piece]:
    places = ("quarantine", *(f"{unit}/quarantine" for unit in ("*-*", "*-*/*", "sessions/*", "sessions/*/*")))
    for run in free:
        for directory in sorted({path for place in places for path in run.glob(place)}):
            if directory.is_dir() and not directory.is_symlink():
                yield _piece(run, directory, [directory], "set aside as damaged or stale")


def _litter(free: Sequence[Path]) -> Iterator[Piece]:
    for run in free:
        for path, _ in sweep.litter(run):
            yield replace(_piece(run, path, [path], "left by a command that was killed"), paths=())


def _piece(run: Path, directory: Path, paths: Sequence[Path], why: str) -> Piece:
    size, changed = _measured(paths)
    return Piece(run, directory, tuple(paths), why, size, changed)


def _measured(paths: Iterable[Path]) -> tuple[int, float]:
    """Bytes of all files, and when the newest file or directory was written."""
    size, changed = 0, 0.0
    for path in paths:
        below = (Path(root, name) for root, _, names in os.walk(path) for name in ("", *names))
        for one in below if path.is_dir() and not path.is_symlink() else (path,):
            with contextlib.suppress(FileNotFoundError):
                status = one.lstat()
                size += 0 if one.is_dir() else status.st_size
                changed = max(changed, status.st_mtime)
    return size, changed


@contextlib.contextmanager
def _explained(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArtifactError(f"{error.filename or place}: cannot be cleaned: {error.strerror}") from error
