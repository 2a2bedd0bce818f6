"""What a run would do, before it does it: every step in order, whether it is there, and why not.

Nothing is written, no lock is taken, no task is touched, and no code of the experiment is run: what is asked follows
from its TOML file, the syntax of the code it names and the bytes of the raw files; what is there follows from manifests
and sizes of files. A flipped bit in a large file is found by `verify`, not here.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deeptrain import causes, code_changes, lineage
from deeptrain.causes import Change
from deeptrain.errors import AlteredError, ArtifactError, SettingsError
from deeptrain.lineage import Lineage
from deeptrain.settings import Use
from deeptrain.store import artifact, code_record, raw_record
from deeptrain.store.completeness import Verdict
from deeptrain.store.manifest import NAME, Manifest
from deeptrain.store.raw_record import RawChange
from deeptrain.store.specification import Source, Specification

State = Literal["there", "run", "maybe", "left out"]
"""Complete; will run; whole, and runs only if what it was made from comes out otherwise; does not apply."""

WAITS = "stays if what it is made from comes out the same"
MOST_TOLD = 3
"""Changes of a kind that are told in words; all of them are in `Step.changes`."""
LONGEST = 40
"""Characters of a setting's value in words."""


@dataclass(frozen=True)
class Step:
    """One line of the plan: an artifact, or several of a kind in a row.

    Attributes:
        stage: "samples", "parts", "shards", "epochs", "predictions", ...; of another run, its name stands in front.
        state: see `State`.
        artifact: its directory, relative to the store; "" of what is left out.
        why: in words, why it is not there, or what is known beside that it is.
        changes: what is asked for otherwise than when the newest of its kind was made.
        first: number of the first part or epoch; None where there is no number.
        last: of the last.
    """

    stage: str
    state: State
    artifact: str
    why: str = ""
    changes: tuple[Change, ...] = ()
    first: int | None = None
    last: int | None = None

    def plain(self) -> dict[str, Any]:
        """The step as JSON holds it."""
        told = {key: getattr(self, key) for key in ("stage", "state", "artifact", "why", "first", "last")}
        return {**told, "changes": [change.plain() for change in self.changes]}


@dataclass(frozen=True)
class Agenda:
    """What a run of an experiment would do.

    Attributes:
        name: of the experiment.
        root: the run's directory.
        epochs: how many are asked for.
        trained: how many in a row, from the first, are there.
        steps: inputs before what is made from them.
        notes: what else is to be known, in sentences.
    """

    name: str
    root: Path
    epochs: int
    trained: int
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing would run."""
        return all(step.state in ("there", "left out") for step in self.steps)

    def plain(self) -> dict[str, Any]:
        """The agenda as JSON holds it."""
        return {
            "name": self.name,
            "run": str(self.root),
            "complete": self.complete,
            "epochs": {"asked": self.epochs, "trained": self.trained},
            "steps": [step.plain() for step in self.steps],
            "notes": list(self.notes),
        }


def of(
    file: str | Path,
    *,
    store: str | Path | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
    until: Collection[str] = ("report",),
) -> Agenda:
    """What a run would do with an experiment.

    Args:
        file: its TOML file.
        store: directory of runs; it may be absent, or not to be written to.
        epochs: instead of the file's.
        seed: of the training, instead of the file's.
        settings: other values for dotted keys.
        until: the stages that are to be complete then, "epochs" for a training with what it keeps; those that the
            experiment does not have are passed over.

    Raises:
        SettingsError: with every mistake of the file, or when the experiment has none of the stages.
        DataError: when raw files are missing.
        UserCodeError: when code it names is not found.
        ArtifactError: when the changes by hand that a run recorded are damaged.
    """
    plan = lineage.read(file, store=store, epochs=epochs, seed=seed, settings=settings, keep=False)
    return of_plan(plan, until)


def of_plan(plan: Lineage, until: Collection[str] = ("report",)) -> Agenda:
    """What a run would do with a plan that was just read; `until`: see `of`.

    Raises:
        SettingsError: when the experiment has none of the stages.
    """
    needed = _needed(plan, until)
    if not needed:
        (stage, *_) = until
        raise SettingsError(f"{plan.experiment.file}: {stage} does not apply: {plan.without(stage)}")
    steps: list[Step] = []
    for other in plan.others if "members" in needed else ():
        steps += (_renamed(step, other.name) for step in _Look(other.plan).steps(_needed(other.plan, ["predictions"])))
    steps += _Look(plan).steps(needed)
    once = {(step.artifact, step.first, step.last) if step.artifact else step: step for step in reversed(steps)}
    return Agenda(
        name=plan.experiment.name,
        root=plan.root,
        epochs=plan.epochs,
        trained=plan.training.done(plan.epochs),
        steps=tuple(reversed(once.values())),
        notes=tuple(_notes(plan)),
    )


def _needed(plan: Lineage, until: Collection[str]) -> set[str]:
    """Stages with all they are made from."""
    needed: set[str] = set()
    waiting = [stage for stage in until if stage in plan.stages or stage == "epochs"]
    while waiting:
        stage = waiting.pop()
        if stage in needed:
            continue
        needed.add(stage)
        if stage == "epochs":
            waiting.append("shards")
        elif stage in plan.stages:
            waiting += ("epochs" if name == "training" else name for name in plan.stages[stage].inputs)
    return needed & {"epochs", *plan.stages}


def _renamed(step: Step, name: str) -> Step:
    return Step(f"{name}: {step.stage}", step.state, step.artifact, step.why, step.changes, step.first, step.last)


class _Look:
    """One plan against the disk."""

    def __init__(self, plan: Lineage) -> None:
        self.plan = plan
        self.store = plan.root.parent

    def steps(self, needed: Collection[str]) -> Iterator[Step]:
        for stage, asked in self.plan.stages.items():
            if stage == "shards":
                yield from self._parts()
            if stage == "predictions" and "epochs" in needed:
                yield from self._epochs()
            if stage in needed:
                yield self._stage(stage, asked)
        if "report" not in needed:
            return
        for stage, reason in self.plan.stages["report"].settings["left_out"].items():
            yield Step(stage, "left out", "", reason)

    def _stage(self, stage: str, asked: Specification) -> Step:
        where = self._named(asked.directory)
        verdict = self._verdict(asked)
        if verdict is not None and verdict.artifact is not None:
            return Step(stage, "there", where)
        if verdict is not None and verdict.damaged:
            return Step(stage, "run", where, self._short(verdict.reason))
        reason = _itself(asked)
        if reason is None:
            return Step(stage, "maybe", where, WAITS)
        if (asked.directory / NAME).is_file():
            return Step(stage, "run", where, self._short(reason))
        changed = self._changes(asked)
        return Step(stage, "run", where, _in_words(changed), tuple(changed))

    def _verdict(self, asked: Specification) -> Verdict | None:
        try:
            return self.plan.checker.check(asked)
        except AlteredError:  # in what an epoch recorded, which `_epochs` tells
            return None

    def _parts(self) -> Iterator[Step]:
        found = [self._stage("parts", part) for part in self.plan.conversion.parts]
        yield from _grouped(found, self._named(self.plan.conversion.directory / "parts"))

    def _epochs(self) -> Iterator[Step]:
        training = self.plan.training
        where = self._named(training.directory / "epochs")
        done = training.done(self.plan.epochs)
        try:
            last = training.last(self.plan.epochs)
            lacking = {} if last is None else training.lacking(self.plan.experiment.training.keep_every)
        except AlteredError as error:
            yield from self._around(error, where)
            return
        if last is not None:
            stopped = training.stopped(last) if last < self.plan.epochs else None
            yield Step("epochs", "there", where, f"training stopped: {stopped}" if stopped else "", (), 1, last)
            states = self._named(training.directory / "states")
            for number, reason in lacking.items():
                why = f"{self._short(reason)}; trained again from the nearest that is kept"
                yield Step("states", "run", states, why, (), number, number)
            return
        found = [Step("epochs", "there", where) for _ in range(done)]
        found.append(self._next(done + 1))
        for number in range(done + 2, self.plan.epochs + 1):
            whole = _itself(training.epoch(number)) is None
            found.append(Step("epochs", "maybe", where, WAITS) if whole else Step("epochs", "run", where))
        yield from _grouped(found, where)

    def _next(self, number: int) -> Step:
        """The first epoch that is not complete."""
        training = self.plan.training
        asked = training.epoch(number)
        step = self._stage("epochs", asked)
        if step.state != "run" or (asked.directory / NAME).is_file():
            return step
        taken = _in_common(asked, training.directory)
        if taken is not None:
            return Step("epochs", "run", step.artifact, f"is taken over from {taken}, with those behind it that fit")
        begun = self._begun(number)
        if begun:
            return Step("epochs", "run", step.artifact, begun)
        if number > 1:
            return Step("epochs", "run", step.artifact, f"{number - 1} of {self.plan.epochs} are trained")
        return step

    def _begun(self, number: int) -> str:
        """Where training goes on within an epoch; "" where it begins it."""
        training = self.plan.training
        of, best = training.epoch(number).identity, -1
        for directory in training.directory.glob(f"unfinished/{number:05d}.*"):
            try:
                settings = artifact.open(directory).manifest.settings
            except ArtifactError:
                continue
            if settings.get("of") == of and isinstance(settings.get("iteration"), int):
                best = max(best, settings["iteration"])
        return "" if best < 0 else f"goes on in epoch {number}, after {best:,} iterations of the whole training"

    def _around(self, error: AlteredError, where: str) -> Iterator[Step]:
        """The epochs, one of which recorded something that is altered."""
        done = self.plan.training.done(self.plan.epochs)
        name = error.directory.name
        number = int(name) if name.isdecimal() else 1
        found = [Step("epochs", "there", where) for _ in range(number - 1)]
        found.append(Step("epochs", "run", where, self._short(str(error))))
        found += [Step("epochs", "maybe", where, WAITS) for _ in range(number, done)]
        found += [Step("epochs", "run", where) for _ in range(max(done, number), self.plan.epochs)]
        yield from _grouped(found, where)

    def _changes(self, asked: Specification) -> list[Change]:
        """What differs from the newest artifact of the same stage of this run."""
        made = self._before(asked)
        if made is None:
            return []
        experiment = self.plan.experiment
        loader = experiment.data.loader
        names = experiment.training_code() if asked.stage == "epoch" else [Use.of(loader).use] if loader else []

        def code(old: str, new: str) -> str:
            named = ", ".join(dict.fromkeys(name for name in names if ":" in name)) or "the loader"
            told = code_record.changed(self.plan.root, old, new, names, experiment.beside)
            return told or f"{named}, or what it calls"

        def raw(old: str, source: Source) -> list[RawChange]:
            return raw_record.changed(self.plan.root, old, source)

        found = causes.changes(made, asked, code, raw)
        # What a report was asked to tell is told by the stages it is made from.
        inputs = [change for change in found if change.kind == "input"]
        return (inputs or found) if asked.stage == "report" else found

    def _before(self, asked: Specification) -> Manifest | None:
        root = self.plan.root
        if asked.stage == "epoch":
            number = asked.settings["epoch"]
            own = self.plan.training.directory
            return causes.newest(
                [path for path in root.glob(f"training-*/epochs/{number:04d}") if path.parents[1] != own]
            )
        pattern = {"part": "shards-*/parts/0001", "shards": "shards-*/whole"}.get(asked.stage, f"{asked.stage}-*")
        return causes.newest([path for path in root.glob(pattern) if path != asked.directory])

    def _named(self, directory: Path) -> str:
        return directory.relative_to(self.store).as_posix()

    def _short(self, reason: str) -> str:
        return reason.replace(f"{self.plan.root}/", "").replace(f"{self.plan.root}", self.plan.root.name)


def _itself(asked: Specification) -> str | None:
    """Why an artifact itself is not whole, whatever became of its inputs; None when it is."""
    try:
        found = artifact.open(asked.directory)
    except ArtifactError as error:
        return str(error)
    other = found.manifest.identity != asked.identity
    return f"{asked.directory}: is another artifact with the same name" if other else None


def _in_common(asked: Specification, own: Path) -> str | None:
    """The training beside one's own that has an epoch already."""
    for found in sorted(own.parent.glob(f"training-*/epochs/{asked.directory.name}")):
        try:
            if found.parents[1] != own and artifact.open(found).manifest.identity == asked.identity:
                return found.parents[1].name
        except ArtifactError:
            continue
    return None


def _grouped(found: Sequence[Step], where: str) -> Iterator[Step]:
    """Numbered steps, from 1, those in a row that are alike as one; what has a reason of its own begins a row."""
    rows: list[Step] = []
    for number, step in enumerate(found, 1):
        before = rows[-1] if rows else None
        if before is not None and before.state == step.state and step.why in ("", before.why):
            rows[-1] = Step(step.stage, step.state, where, before.why, before.changes, before.first, number)
        else:
            rows.append(Step(step.stage, step.state, where, step.why, step.changes, number, number))
    yield from rows


def _in_words(changed: Sequence[Change]) -> str:
    if not changed:
        return "not there yet"
    told = [_told(change) for change in changed if change.kind not in ("input", "raw")]
    raw = [change for change in changed if change.kind == "raw"]
    if raw:
        told.append(_some([_file(change) for change in raw], ", "))
    inputs = [change.name for change in changed if change.kind == "input"]
    if "raw" in inputs:
        told.append("raw files changed")
        inputs.remove("raw")
    if inputs:
        told.append(f"made from other {_some(inputs, ', ')}")
    return _some(told, "; ")


def _some(told: Sequence[str], between: str) -> str:
    """The first of them, and how many more there are."""
    more = len(told) - MOST_TOLD
    return between.join(told[:MOST_TOLD]) + (f"{between}and {more} more" if more > 0 else "")


def _file(change: Change) -> str:
    happened = "added" if change.before is None else "removed" if change.now is None else "changed"
    return f"{change.name} {happened}"


def _told(change: Change) -> str:
    if change.kind == "code":
        return f"code changed: {change.name}"
    if change.kind == "recipe":
        return "this version of deeptrain makes it differently"
    if change.name == "of":
        return f"of {change.now} epochs, was of {change.before}"
    return f"{change.name} is {_value(change.now)}, was {_value(change.before)}"


def _value(value: Any) -> str:
    text = "unset" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _notes(plan: Lineage) -> Iterator[str]:
    changed = Counter(one.key for one in plan.training.interventions)
    for key, times in changed.items():
        where = [one for one in plan.training.interventions if one.key == key]
        yield (
            f"{key} was changed by hand {'once' if times == 1 else f'{times} times'}, first in epoch {where[0].epoch}: "
            "epochs from there on are of that course"
        )
    for change in code_changes.everywhere(plan):
        if change.is_dear:
            yield (
                f"{change.named} changed since {change.made} was made, and nothing else: a run stops before any work "
                "and asks for --on-code-change rerun or adopt"
            )
    yield from _other_versions(plan)


def _other_versions(plan: Lineage) -> Iterator[str]:
    """Libraries that what is there was made with in another version: told, never a cause."""
    done = plan.training.done(plan.epochs)
    if not done:
        return
    recorded, now = plan.training.published(done).manifest.versions, artifact.versions()
    found = [
        f"{name} {recorded[name]}, now {now[name]}" for name in recorded if name in now and recorded[name] != now[name]
    ]
    if found:
        yield f"trained with {'; '.join(map(str, found))}: versions are recorded and never a cause to run"
