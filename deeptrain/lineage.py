"""What an experiment leads to: every artifact of a run by its specification, before any of it exists."""

import contextlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import structs

from deeptrain import calibration_stages, files, seeds
from deeptrain import experiment as experiments
from deeptrain.errors import AlteredError, ArtifactError, DeeptrainError, SettingsError
from deeptrain.experiment import Experiment
from deeptrain.metrics.metric import Kind
from deeptrain.settings import Use
from deeptrain.shards import plan as conversions
from deeptrain.shards.plan import Conversion
from deeptrain.store import artifact, code, code_aliases, code_record, fingerprints, raw_record, sweep
from deeptrain.store.artifact import Artifact
from deeptrain.store.completeness import Checker
from deeptrain.store.locks import lock_of
from deeptrain.store.run_names import LATEST
from deeptrain.store.specification import Input, Source, Specification
from deeptrain.training.run import TrainingRun

log = logging.getLogger("deeptrain")

STORE = "runs"
MOST_ASIDE = 3
"""How often one artifact is set aside before something else than the artifact must be wrong."""
RECIPES = {"predictions": 1, "report": 6}
"""The integer of each stage, raised when our own code changes its bytes; the rooms have those of their own stages."""


@dataclass(frozen=True)
class Lineage:
    """The artifacts of one experiment in one store.

    Attributes:
        experiment: what was asked.
        root: the run's directory, `STORE/NAME`.
        conversion: what is known of samples, parts of shards, and what joins them.
        training: epochs and states.
        stages: every artifact that is not a part, an epoch or a state, inputs first, by stage.
        left_out: stages that do not apply, with the reason.
        others: other runs whose models are members of this one's ensemble.
        aside: how often each artifact was set aside.
    """

    experiment: Experiment
    root: Path
    conversion: Conversion
    training: TrainingRun
    stages: Mapping[str, Specification]
    left_out: Mapping[str, str]
    others: "tuple[OtherRun, ...]" = ()
    aside: Counter[Path] = field(default_factory=Counter, compare=False, repr=False)

    @property
    def checker(self) -> Checker:
        """Remembers what is complete."""
        return self.training.checker

    @property
    def epochs(self) -> int:
        """How many epochs are asked for."""
        return self.experiment.training.epochs

    @property
    def output(self) -> str | None:
        """The output that is calibrated and told first; see `Experiment.calibrated`."""
        return self.experiment.calibrated

    @property
    def kind(self) -> Kind | None:
        """Of that output: "binary", "classes" or "values"; None where there is none."""
        return None if self.output is None else self.experiment.data.kinds[self.output]

    @property
    def calibration_split(self) -> str:
        """Which split calibration works on: its own, or "val" when there is none; that result is optimistic."""
        return "calibration" if self.experiment.data.splits.calibration else "val"

    @property
    def chose(self) -> dict[str, str]:
        """What each split was used for before anything is scored, in words; "" for nothing."""
        splits = self.experiment.data.splits
        chosen = [stage for stage in calibration_stages.CHOICES if stage in self.stages]
        used = {"train": "was trained on", "val": "chose the epoch", "calibration": "", "test": ""}
        if chosen:
            words = f"chose {', '.join(chosen)}"
            used[self.calibration_split] = " and ".join(filter(None, (used[self.calibration_split], words)))
        return {name: words for name, words in used.items() if getattr(splits, name)}

    @property
    def live(self) -> Path:
        """Where wall-clock, locks and logs go: outside all artifacts."""
        return self.root / "live"

    def without(self, stage: str) -> str | None:
        """Why there is no such stage; None when there is."""
        return None if stage in self.stages else self.left_out.get(stage, "it is not asked for in [calibration]")

    def complete(self, stage: str) -> bool:
        """Whether a stage's artifact is whole, and all it was made from."""
        return self.checker.complete(self.stages[stage])

    def trained(self, until: int | None = None) -> bool:
        """Whether the epochs up to `until`, by default all that are asked for, are done or training stopped before.

        When it is about all, the heavy states that retention keeps must be there too.
        """
        last = self.training.last(until or self.epochs)
        if last is None:
            return False
        everything = until is None or until == self.epochs
        return not everything or not self.training.lacking(self.experiment.training.keep_every)

    def predicted_epoch(self) -> int:
        """The epoch whose model predicts, or the one that is asked for of those averaged; see `predicting_epochs`.

        Raises:
            ArtifactError: when training is not done, or ended before that epoch.
        """
        return self.predicting_epochs()[-1]

    def predicting_epochs(self) -> tuple[int, ...]:
        """The epochs whose mean weights predict, in the order of averaging; known once training is done.

        Raises:
            ArtifactError: when training is not done, or ended before the epoch that is asked for.
        """
        last = self.training.last(self.epochs)
        if last is None:
            raise ArtifactError(f"{self.training.directory.name}: its {self.epochs} epochs are not trained yet")
        wanted = self.experiment.predictions.epoch
        if isinstance(wanted, int) and wanted > last:
            reason = self.training.stopped(last)
            raise ArtifactError(f"predictions.epoch = {wanted}: training stopped after epoch {last}: {reason}")
        return self.training.averaged(wanted, self.experiment.predictions.average, last)

    def member_epochs(self) -> tuple[int, ...]:
        """The epochs that are members of the ensemble, ascending; known once training is done.

        Raises:
            ArtifactError: when training is not done, or ended before one of them.
        """
        last = self.training.last(self.epochs)
        if last is None:
            raise ArtifactError(f"{self.training.directory.name}: its {self.epochs} epochs are not trained yet")
        members = self.experiment.calibration.members
        missing = [number for number in (members.epochs if members else ()) if number > last]
        if missing:
            raise ArtifactError(
                f"calibration.members.epochs: there is no epoch {missing[0]}: training stopped after epoch {last}: "
                f"{self.training.stopped(last)}"
            )
        return self.training.member_epochs(last)

    def artifact(self, stage: str) -> Artifact:
        """The artifact of a stage.

        Raises:
            ArtifactError: when it is not complete, with the reason.
        """
        return self.checker.artifact(self.stages[stage])

    def set_aside(self, error: AlteredError) -> None:
        """Move what was found altered out of the way, with a warning; it counts as not made then.

        Raises:
            ArtifactError: when it is the same artifact as often as that: making it again does not help.
            LockedError: when another process is writing it.
        """
        plans = [self, *(other.plan for other in self.others)]
        trained = [plan for plan in plans if error.directory.is_relative_to(plan.training.directory)]
        root = next((plan.root for plan in plans if error.directory.is_relative_to(plan.root)), self.root)
        with lock_of(root, trained[0].training.directory if trained else error.directory):
            if error.directory.exists():
                log.warning("%s; it is set aside in %s", error, artifact.set_aside(error.directory).parent)
        for plan in plans:
            plan.checker.forget()
            plan.training.forget()
        self.aside[error.directory] += 1
        if self.aside[error.directory] == MOST_ASIDE:
            raise ArtifactError(
                f"{error.directory}: was found altered {MOST_ASIDE} times, though it was made again each time: what is "
                f"read is not what was written; check this disk and the memory, or name another place with --store"
            ) from error

    def remember(self) -> None:
        """Note in `live/` which artifacts the newest finished job is made of; `deeptrain.load` looks there."""
        names = {stage: made.directory.name for stage, made in self.stages.items()}
        names["shards"] = self.conversion.directory.name
        data = files.canonical_json({**names, "training": self.training.directory.name, "epochs": self.epochs})
        path = self.live / LATEST
        if not path.is_file() or path.read_bytes() != data:
            files.make_directories(self.live)
            files.write_loose(path, data)

    def record_origins(self) -> None:
        """Note in `live/` what the user's code and the raw data are made of, so that a later change can be named."""
        loader, beside = self.experiment.data.loader, self.experiment.beside
        code_record.write(self.root, self.experiment.training_code(), beside)
        code_record.write(self.root, [] if loader is None else [Use.of(loader).use], beside)
        raw_record.write(self.root, self.conversion.raw.values())

    @property
    def untidy(self) -> bool:
        """Whether there is something that `tidy` may remove: left by a process that was killed."""
        return any(self.training.directory.glob("unfinished/[0-9]*")) or any(sweep.litter(self.root))

    def tidy(self, *, rebuilt: bool = False) -> None:
        """Remove the litter of killed runs and what training no longer needs; what another process writes stays.

        Args:
            rebuilt: whether no state has to be rebuilt any more; until then the checkpoints of a rebuild stay.
        """
        if not self.root.is_dir():
            return
        sweep.sweep(self.root)
        keep_every = self.experiment.training.keep_every
        with contextlib.suppress(DeeptrainError), lock_of(self.root, self.training.directory):
            trained = self.training.last(self.epochs) is not None
            predicting = [stage for stage in ("predictions", "epoch_predictions") if stage in self.stages]
            predicted = all(map(self.complete, predicting))
            pending = trained and (bool(self.training.lacking(keep_every)) or not predicted)
            self.training.tidy(keep_every, unfinished=rebuilt or not pending)


@dataclass(frozen=True)
class OtherRun:
    """Another run whose model is a member of an ensemble.

    Attributes:
        name: of the member.
        plan: its artifacts, without an ensemble of its own.
        file: its experiment; None for the same one with another seed.
        seed: that seed.
    """

    name: str
    plan: Lineage
    file: Path | None = None
    seed: int | None = None


def read(
    file: str | Path,
    *,
    store: str | Path | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
    keep: bool = True,
) -> Lineage:
    """The lineage of the experiment in a TOML file.

    Args:
        file: the experiment.
        store: directory of runs.
        epochs: instead of the file's.
        seed: of the training, instead of the file's; the splits have their own.
        settings: other values for dotted keys.
        keep: whether fingerprints of raw files may be written to the store; who only looks writes nothing.

    Raises:
        SettingsError: with every mistake of the file.
        DataError: when raw files are missing.
        UserCodeError: when code it names is not found.
    """
    changes = dict(settings or {})
    options = {}
    for key, option, value in (("training.epochs", "--epochs", epochs), ("experiment.seed", "--seed", seed)):
        if value is not None:
            changes[key], options[key] = value, option
    return of(experiments.read(Path(file), changes, options), Path(STORE if store is None else store), keep=keep)


def of(experiment: Experiment, store: Path, *, keep: bool = True) -> Lineage:
    """The lineage of an experiment in a store; reads raw files only to fingerprint those that changed.

    `keep`: see `read`.
    """
    return _of(experiment, store, _others(experiment, store, keep=keep), keep=keep)


def _of(experiment: Experiment, store: Path, others: tuple[OtherRun, ...] | None, *, keep: bool) -> Lineage:
    """The lineage with other runs whose models are members; None for one that is looked at as such a member."""
    root = store / experiment.name
    aliases = code_aliases.read(root)
    memory = root / "live" / "fingerprints.json"
    conversion = conversions.of(experiment.data, experiment.beside, root, memory, aliases, keep=keep)
    shards = conversion.whole
    training = _training(experiment, root, shards, aliases, keep=keep)
    asked: dict[str, Any] = experiment.predictions.relevant()
    if isinstance(experiment.predictions.epoch, str):
        asked["of"] = experiment.training.epochs
    chosen: dict[str, Input] = {"shards": shards, "training": training.late(asked)}
    predictions = Specification("predictions", RECIPES["predictions"], root, asked, chosen)
    stages = {"samples": conversion.samples, "shards": shards, "predictions": predictions}
    theirs = None if others is None else {one.name: one.plan.stages["predictions"] for one in others}
    left_out = calibration_stages.add(stages, experiment, root, training, theirs)
    stages["report"] = _report(experiment, root, training, stages, left_out)
    return Lineage(experiment, root, conversion, training, stages, left_out, others or ())


def _others(experiment: Experiment, store: Path, *, keep: bool) -> tuple[OtherRun, ...]:
    """The other runs that an experiment names as members, in one order, however they are written down.

    Raises:
        SettingsError: when one is named twice, is the run itself, or has other labels or splits.
    """
    members = experiment.calibration.members
    if members is None:
        return ()
    plain = structs.replace(experiment.calibration, members=None)
    found = []
    for seed in members.seeds:
        own = structs.replace(experiment.experiment, seed=seed)
        again = structs.replace(experiment, experiment=own, calibration=plain)
        found.append(OtherRun(f"seed {seed}", _of(again, store, None, keep=keep), seed=seed))
    for name in members.runs:
        file = experiment.beside / name
        other = experiments.read(file)
        found.append(OtherRun(other.name, _of(other, store, None, keep=keep), file))
    alone = _of(experiment, store, None, keep=keep)
    for number, one in enumerate(found):
        rule = _misfit(alone, one, found[:number])
        if rule is not None:
            named = "" if one.file is None else f"{members.runs[number - len(members.seeds)]}: "
            key = "seeds" if one.file is None else "runs"
            raise SettingsError(f"{experiment.file}: calibration.members.{key}: {named}{rule}")
    return tuple(sorted(found, key=lambda one: (one.file is not None, one.seed or 0, one.name)))


def _misfit(own: Lineage, other: OtherRun, before: Sequence[OtherRun]) -> str | None:
    """Why another run's model can be no member beside a run's own and those named before it."""
    plan = other.plan
    identity = plan.stages["predictions"].identity
    if identity == own.stages["predictions"].identity:
        return "is this run itself, which takes part anyway; leave it out"
    for one in before:
        if one.plan.stages["predictions"].identity == identity:
            return f"is the same run as {one.name}; name it once"
    if other.name in {own.experiment.name, *(one.name for one in before)}:
        return f"is called {other.name} as another member is; give it an experiment.name of its own"
    kinds, its = own.experiment.data.kinds, plan.experiment.data.kinds
    if own.output is not None and its.get(own.output) != own.kind:
        there = its.get(own.output)
        what = f"of {own.output} " if own.output else ""
        said = "none" if there is None else there
        return f"its labels {what}are {said}, those of this experiment {kinds[own.output]}"
    splits, its_splits = own.experiment.data.splits, plan.experiment.data.splits
    for split in ("calibration", "test"):
        if bool(getattr(splits, split)) != bool(getattr(its_splits, split)):
            has = bool(getattr(splits, split))
            return f"has {'no' if has else 'a'} {split} split, this experiment has {'one' if has else 'none'}"
    return None


def _report(
    experiment: Experiment,
    root: Path,
    training: TrainingRun,
    stages: Mapping[str, Specification],
    left_out: Mapping[str, str],
) -> Specification:
    epochs = experiment.training.epochs
    asked = {
        **training.settings,
        "training": {**training.settings["training"], "epochs": epochs},
        "data": dict(stages["shards"].settings),
        "predictions": experiment.predictions.relevant(),
        "calibration": experiment.calibration.relevant(),
    }
    unasked = calibration_stages.UNASKED
    settings = {
        "asked": asked,
        "name": experiment.name,
        "report": experiment.report.relevant(),
        "left_out": {stage: reason for stage, reason in left_out.items() if unasked.get(stage) != reason},
    }
    everything = training.late({"epoch": "last", "of": epochs})
    return Specification("report", RECIPES["report"], root, settings, {"training": everything, **stages})


def _training(
    experiment: Experiment, root: Path, shards: Specification, aliases: Mapping[str, str], *, keep: bool
) -> TrainingRun:
    own = code.digest(experiment.training_code(), experiment.beside)
    seed = experiment.experiment.seed
    weights = None
    if experiment.model.initial_weights is not None:
        path = experiment.beside / experiment.model.initial_weights
        weights = fingerprints.fingerprint([path], path.parent, root / "live" / "fingerprints.json", keep=keep)
        weights = Source(files.digest_of(sorted(weights.files.values())), weights.files)
    return TrainingRun(
        root=root,
        settings={
            "experiment": {"seed": seed},
            "model": experiment.model.relevant(),
            "training": experiment.training.relevant(),
        },
        shards=shards,
        code=aliases.get(own or "", own),
        seeds={"experiment": seed, "model": seeds.derive("model", seed)},
        checker=Checker(),
        initial_weights=weights,
        predictions=experiment.predictions,
        members=experiment.calibration.members,
    )
