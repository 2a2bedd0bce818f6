"""What all tasks share: the parameters of an experiment, its lineage, and the artifact that is each one's output."""

import functools
import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import luigi
from luigi.freezing import recursively_unfreeze

from deeptrain import code_changes, lineage
from deeptrain.code_changes import Choice
from deeptrain.errors import AlteredError, ArtifactError, DeeptrainError, Interrupted, LockedError, SettingsError
from deeptrain.lineage import Lineage
from deeptrain.store import artifact
from deeptrain.store.artifact import Writer
from deeptrain.store.events import EventLog
from deeptrain.store.locks import lock_of, run_lock
from deeptrain.store.specification import Specification
from tasks import children, scheduling

RUN = uuid.uuid4().hex
"""This run of a command and its child processes, in the event log."""

HANDED_ON = ("experiment", "store", "epochs", "seed", "settings", "on_code_change")
"""Parameters that a task gives to those it requires."""

on_plan: list[Callable[[Lineage], None]] = []
"""Called once for each lineage this process reads."""


def asked(plan: Lineage) -> str:
    """What a command asks for, and where: another one that asks for the same has the same to make."""
    return f"{plan.root.resolve()}-{plan.stages['report'].directory.name}-{plan.epochs}"


class SettingsParameter(luigi.DictParameter):
    """A JSON object of dotted keys, with an error a person can read."""

    def parse(self, source: str) -> Any:
        """The mapping in the text.

        Raises:
            SettingsError: when it is no JSON object.
        """
        try:
            value = json.loads(source)
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"--settings: expected a JSON object, got {source!r:.200}: {error}") from error
        if not isinstance(value, dict):
            raise SettingsError(
                f"""--settings: expected a JSON object such as {{"training.batch_size": 64}}, got {source!r}"""
            )
        return super().parse(source)


class WholeNumber(luigi.OptionalIntParameter):
    """An integer in plain digits, or nothing."""

    def __init__(self, *, option: str, **named: Any) -> None:
        """Name the option, for messages."""
        super().__init__(**named)
        self._option = option

    def parse(self, source: str) -> int | None:
        """The number in the text.

        Raises:
            SettingsError: when it is none.
        """
        text = source.strip()
        if not text:
            return None
        if re.fullmatch(r"-?[0-9]{1,30}", text) is None:
            raise SettingsError(f"{self._option}: expected an integer, got {source!r}")
        return int(text)


class OnCodeChange(luigi.Parameter):
    """What is done about a change of code alone that was dear: "rerun", "adopt", or nothing yet."""

    def parse(self, source: str) -> str:
        """The choice in the text.

        Raises:
            SettingsError: when it is none.
        """
        if source not in get_args(Choice):
            raise SettingsError(f"--on-code-change: expected rerun or adopt, got {source!r}")
        return source


class ExperimentTask(luigi.Task):
    """A task of an experiment; `stage` names the artifact it makes."""

    experiment: str = luigi.Parameter(description="the experiment's TOML file")
    store: str = luigi.Parameter(default=lineage.STORE, description="directory of runs")
    epochs: int | None = WholeNumber(
        option="--epochs", default=None, description="instead of the file's training.epochs"
    )
    seed: int | None = WholeNumber(
        option="--seed", default=None, description="of the training, instead of the file's experiment.seed"
    )
    settings: Any = SettingsParameter(default={}, description='other settings, {"training.batch_size": 64}')

    on_code_change: Any = OnCodeChange(
        default="",
        significant=False,
        description="when only code changed and what it made was dear: rerun makes it again, adopt keeps it",
    )

    debug: bool = luigi.BoolParameter(default=False, significant=False, description="show the traceback of an error")

    stage = ""
    uses_device = False
    """Whether it trains or predicts."""

    @classmethod
    @functools.cache
    def get_params(cls) -> list[tuple[str, luigi.Parameter]]:
        """The class' parameters; Luigi looks them up a dozen times a task."""
        found: list[tuple[str, luigi.Parameter]] = super().get_params()
        return found

    @property
    def priority(self) -> int:  # type: ignore[override]  # which Luigi only reads
        """Of this run among others of a central scheduler."""
        return scheduling.asked().priority

    @property
    def resources(self) -> dict[str, int]:  # type: ignore[override]
        """What it takes of the scheduler's resources."""
        gpu = scheduling.asked().gpu if self.uses_device else 0
        return {"gpu": gpu} if gpu else {}

    @classmethod
    def leads_to(cls) -> tuple[str, ...]:
        """The stages that are complete when it is; see `deeptrain.agenda`."""
        return (cls.stage,)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take the parameters, and read the plan, so that a mistake in it is told before anything is scheduled.

        Raises:
            SettingsError: with every mistake of the experiment, or when it has no such stage.
            DataError: when raw files are missing.
            UserCodeError: when code it names is not found.
        """
        super().__init__(*args, **kwargs)
        self.check(self.plan)
        # The parameters do not say what stands in the file, nor where the store is: a scheduler that has seen the
        # tasks of another file of that name, or of this one before it was edited, would take these for them.
        self.task_id = f"{self.task_id}_{_digest(*self._given)}"

    def check(self, plan: Lineage) -> None:
        """Check that the experiment has such a stage, and the task's own parameters.

        Raises:
            SettingsError: when it has not, or one does not fit the plan.
        """
        reason = plan.without(self.stage)
        if reason is not None:
            raise SettingsError(f"{plan.experiment.file}: {self.get_task_family()} does not apply: {reason}")

    @property
    def plan(self) -> Lineage:
        """The experiment's lineage, one for all tasks of a process that have the same parameters."""
        return _plan(*self._given)

    @functools.cached_property
    def _given(self) -> tuple[str, str, int | None, int | None, str, Choice]:
        settings = json.dumps(recursively_unfreeze(self.settings), sort_keys=True)
        return self.experiment, self.store, self.epochs, self.seed, settings, self.on_code_change

    @property
    def specification(self) -> Specification:
        """The artifact this task makes."""
        return self.plan.stages[self.stage]

    def complete(self) -> bool:
        """Whether it is done; what is found altered on the way is set aside, and so is not."""
        plan = self.plan
        for one in (plan, *(other.plan for other in plan.others)):
            one.training.look_again()
        while True:
            try:
                return self.done(plan)
            except AlteredError as error:
                plan.set_aside(error)

    def done(self, plan: Lineage) -> bool:
        """Whether the artifact is whole, and all it was made from."""
        return plan.complete(self.stage)

    def output(self) -> luigi.LocalTarget:
        """The artifact's directory."""
        return luigi.LocalTarget(str(self.specification.directory))

    def run(self) -> None:
        """Make the artifact, unless what was made meanwhile completed it; how long it took goes to the event log."""
        plan = self.plan
        if self.complete():
            return
        with run_lock(plan.root, shared=True):  # who may not write here is told before any work
            pass
        children.follow_parent()
        _tidy(plan)
        events = EventLog(plan.live / "events.jsonl")
        begun = time.monotonic()
        try:
            made = self._make_or_wait(plan)
            if made and not self.complete():  # Luigi would say so too, but not why
                reason = plan.checker.check(self.specification).reason
                raise ArtifactError(f"{self.label}: is not complete although it was made{reason and f': {reason}'}")
        except BaseException as error:
            told = _told(error, plan)
            outcome = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
            self._log(events, outcome, begun, next(iter(str(told).splitlines()), type(told).__name__))
            if told is error:
                raise
            raise told from error
        if made:
            self._log(events, "ran", begun)

    def _make_or_wait(self, plan: Lineage) -> bool:
        ended = None
        while True:
            try:
                return self.make_unless_done(plan)
            except LockedError as error:
                ended = children.wait_for_another(error, ended)

    def make_unless_done(self, plan: Lineage) -> bool:
        """Make the artifact as its one writer, unless another process has done so meanwhile; whether it was made.

        Raises:
            LockedError: while another process makes it.
        """
        with lock_of(plan.root, self.specification.directory):
            if self.done(plan):
                return False
            self.make(plan)
        return True

    def _log(self, events: EventLog, outcome: str, begun: float, said: str = "") -> None:
        seconds = round(time.monotonic() - begun, 3)
        made = self.specification.directory.relative_to(self.plan.root).as_posix()
        events.append("task", run=RUN, stage=self.label, artifact=made, outcome=outcome, seconds=seconds, said=said)

    @property
    def label(self) -> str:
        """What people call this task."""
        return self.stage

    def make(self, plan: Lineage) -> None:
        """Make the artifact.

        Raises:
            NotImplementedError: in this base class.
        """
        raise NotImplementedError

    @contextmanager
    def writing(self, plan: Lineage) -> Iterator[Writer]:
        """Publish the artifact with what the block writes."""
        specification = self.specification
        links = plan.checker.links(specification)
        with artifact.writing(specification, links) as writer:
            yield writer

    def other(self, cls: type["ExperimentTask"], **parameters: Any) -> "ExperimentTask":
        """Another task of the same experiment; parameters are handed on, never taken from the command line."""
        mine = {name: getattr(self, name) for name in HANDED_ON}
        return cls(**mine, **parameters)


def _told(error: BaseException, plan: Lineage) -> BaseException:
    """What a task raises for an error, so that it is told in a line that says what to do."""
    if isinstance(error, AlteredError):
        plan.set_aside(error)
        return ArtifactError(f"{error}; run the same command again and it is made anew")
    if isinstance(error, KeyboardInterrupt) and children.is_child():
        # Luigi ends a run on a KeyboardInterrupt in its own process; in a child it would be a traceback.
        children.ignore_stops()
        if isinstance(error, Interrupted) and error.by_message:
            children.stop_parent()
        return DeeptrainError(str(error) or "stopped; run the same command to go on")
    return error


@functools.lru_cache(maxsize=64)
def _plan(
    experiment: str, store: str, epochs: int | None, seed: int | None, settings: str, on_code_change: Choice
) -> Lineage:
    plan = lineage.read(Path(experiment), store=store, epochs=epochs, seed=seed, settings=json.loads(settings))
    plan = code_changes.settled(plan, on_code_change)
    for told in on_plan:
        told(plan)
    return plan


@functools.lru_cache(maxsize=64)
def _digest(*given: Any) -> str:
    """What is asked for, as a few letters."""
    return hashlib.sha256(asked(_plan(*given)).encode()).hexdigest()[:10]


@functools.cache
def _tidied() -> set[Path]:
    return set()


def _tidy(plan: Lineage) -> None:
    """Sweep a run's litter once a process, before the first thing that is made in it."""
    if plan.root not in _tidied():
        _tidied().add(plan.root)
        plan.tidy()
        plan.record_origins()
