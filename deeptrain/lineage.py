"""What an experiment leads to: every artifact of a run by its specification, before any of it exists."""

import contextlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import structs

from deeptrain import experiment as experiments
from deeptrain import files, seeds
from deeptrain.errors import AlteredError, ArtifactError, DeeptrainError, SettingsError
from deeptrain.experiment import Experiment
from deeptrain.metrics.metric import Kind
from deeptrain.shards import plan as conversions
from deeptrain.shards.plan import Conversion
from deeptrain.store import artifact, code, fingerprints, sweep
from deeptrain.store.artifact import Artifact
from deeptrain.store.completeness import Checker
from deeptrain.store.locks import lock_of
from deeptrain.store.specification import Input, Late, Source, Specification
from deeptrain.training.run import TrainingRun

log = logging.getLogger("deeptrain")

STORE = "runs"
LATEST = "latest.json"
MOST_ASIDE = 3
"""How often one artifact is set aside before something else than the artifact must be wrong."""
RECIPES = {
    "predictions": 1,
    "epoch_predictions": 1,
    "threshold": 2,
    "subset": 2,
    "offsets": 1,
    "thresholds": 1,
    "members": 1,
    "probabilities": 1,
    "evaluation": 2,
    "report": 3,
}
"""The integer of each stage, raised when our own code changes its bytes; shards and training have their own."""
CHOICES = ("threshold", "subset", "offsets", "thresholds", "members", "probabilities")
"""The stages of calibration whose choice is scored on the test split."""

UNASKED = {
    "members": "there is no table [calibration.members]",
    "probabilities": "there is no table [calibration.probabilities]",
}
"""Why a stage that must be asked for is left out; the report, and its identity, do not tell of it then."""


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
    def live(self) -> Path:
        """Where wall-clock, locks and logs go: outside all artifacts."""
        return self.root / "live"

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
        verdict = self.checker.check(self.stages[stage])
        if verdict.artifact is None:
            raise ArtifactError(verdict.reason)
        return verdict.artifact

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
) -> Lineage:
    """The lineage of the experiment in a TOML file.

    Args:
        file: the experiment.
        store: directory of runs.
        epochs: instead of the file's.
        seed: of the training, instead of the file's; the splits have their own.
        settings: other values for dotted keys.

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
    return of(experiments.read(Path(file), changes, options), Path(STORE if store is None else store))


def of(experiment: Experiment, store: Path) -> Lineage:
    """The lineage of an experiment in a store; reads raw files only to fingerprint those that changed."""
    return _of(experiment, store, _others(experiment, store))


def _of(experiment: Experiment, store: Path, others: tuple[OtherRun, ...] | None) -> Lineage:
    """The lineage with other runs whose models are members; None for one that is looked at as such a member."""
    root = store / experiment.name
    conversion = conversions.of(experiment.data, experiment.beside, root, root / "live" / "fingerprints.json")
    shards = conversion.whole
    training = _training(experiment, root, shards)
    asked: dict[str, Any] = experiment.predictions.relevant()
    if isinstance(experiment.predictions.epoch, str):
        asked["of"] = experiment.training.epochs
    chosen: dict[str, Input] = {"shards": shards, "training": _trained(training, asked)}
    predictions = Specification("predictions", RECIPES["predictions"], root, asked, chosen)
    stages = {"samples": conversion.samples, "shards": shards, "predictions": predictions}
    reason = _add_members(stages, experiment, root, training, others)
    left_out = _add_calibration(stages, experiment, root)
    if reason:
        left_out["members"] = reason
    stages["report"] = _report(experiment, root, training, stages, left_out)
    return Lineage(experiment, root, conversion, training, stages, left_out, others or ())


def _others(experiment: Experiment, store: Path) -> tuple[OtherRun, ...]:
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
        found.append(OtherRun(f"seed {seed}", _of(again, store, None), seed=seed))
    for name in members.runs:
        file = experiment.beside / name
        other = experiments.read(file)
        found.append(OtherRun(other.name, _of(other, store, None), file))
    alone = _of(experiment, store, None)
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


def _add_members(
    stages: dict[str, Specification],
    experiment: Experiment,
    root: Path,
    training: TrainingRun,
    others: tuple[OtherRun, ...] | None,
) -> str | None:
    """Add the members of an ensemble and the predictions they need, or return why there are none."""
    calibration, output = experiment.calibration, experiment.calibrated
    members = calibration.members
    if members is None:
        return UNASKED["members"]
    if others is None:
        return "this run is a member itself"
    if output is None:
        return "calibration.output names none of the outputs"
    kind = experiment.data.kinds[output] or "values"
    own = "predictions"
    if members.best or members.epochs:
        own = "epoch_predictions"
        asked: dict[str, Any] = {"epochs": sorted(members.epochs)}
        trained: dict[str, Any] = {"epoch": max(members.epochs, default=0)}
        if members.best:
            asked, trained = {"best": members.best}, {"epoch": "best", "of": experiment.training.epochs}
            asked["of"] = experiment.training.epochs
        chosen: dict[str, Input] = {"shards": stages["shards"], "training": _trained(training, trained)}
        stages[own] = Specification(own, RECIPES[own], root, asked, chosen)
    settings = {**members.chosen_by(kind), "folds": calibration.folds, "seed": calibration.seed}
    if output:
        settings["output"] = output
    if kind == "binary":
        settings["threshold"] = _of_threshold(experiment)
    inputs: dict[str, Input] = {own: stages[own]}
    inputs |= {f"predictions of {one.name}": one.plan.stages["predictions"] for one in others}
    stages["members"] = Specification("members", RECIPES["members"], root, settings, inputs)
    return None


def _add_calibration(stages: dict[str, Specification], experiment: Experiment, root: Path) -> dict[str, str]:
    """Add what makes scores into decisions and probabilities as far as it applies, and return why the rest does not."""
    left_out: dict[str, str] = {}
    kinds = experiment.data.kinds
    kind = ", ".join(f"{kinds[name]}{f' ({name})' if name else ''}" for name in _told(experiment))
    binary = kinds.get(experiment.calibrated or "") == "binary"
    asked_for, settings = experiment.calibration.relevant(), _of_threshold(experiment)
    size, rules = asked_for["subset_size"], asked_for.get("subset", {})
    several, probabilities = asked_for.get("several"), asked_for.get("probabilities")
    metric: dict[str, Any] = {key: settings[key] for key in ("metric", "output") if key in settings}
    of = {key: value for key, value in metric.items() if key == "output"}
    made: dict[str, Input] = {"predictions": stages["predictions"]}
    if binary:
        stages["threshold"] = Specification("threshold", RECIPES["threshold"], root, settings, made)
    else:
        left_out["threshold"] = f"a threshold exists for binary labels; these are {kind}"
    if not binary and kinds.get(experiment.calibrated or "") != "classes":
        left_out["subset"] = f"the best sets are chosen for binary labels and classes; these are {kind}"
    elif not size:
        left_out["subset"] = "calibration.subset_size is 0"
    else:
        asked = {**(metric if binary else {**metric, "metric": "accuracy"}), "subset_size": size, **rules}
        stages["subset"] = Specification("subset", RECIPES["subset"], root, asked, {**made, **_files(stages, rules)})
    if several:
        fitted: dict[str, Any] = {
            key: settings[key] for key in ("metric", "output", "folds", "seed") if key in settings
        }
        left_out |= _add_several(stages, experiment, root, fitted)
    if probabilities is None:
        left_out["probabilities"] = UNASKED["probabilities"]
    elif kinds.get(experiment.calibrated or "") not in ("binary", "classes"):
        left_out["probabilities"] = f"probabilities are of two or more classes; these are {kind}"
    else:
        stages["probabilities"] = Specification(
            "probabilities", RECIPES["probabilities"], root, {**probabilities, **of}, made
        )
    if experiment.data.splits.test:
        decides = {name for name in CHOICES if name in stages and (name != "subset" or binary)}
        names = ["predictions", *(name for name in CHOICES if name in decides)]
        inputs: dict[str, Input] = {name: stages[name] for name in names}
        inputs |= stages["members"].inputs if "members" in stages else {}
        # Which output is told first decides, whatever it is.
        asked = metric if binary or {"offsets", "thresholds"} & stages.keys() else of
        stages["evaluation"] = Specification("evaluation", RECIPES["evaluation"], root, asked, inputs)
    else:
        left_out["evaluation"] = "there is no test split"
    return left_out


def _files(stages: Mapping[str, Specification], rules: Mapping[str, Any]) -> dict[str, Input]:
    """The shards, where a rule is about the raw files of sets."""
    return {"shards": stages["shards"]} if "most_per_file" in rules else {}


def _of_threshold(experiment: Experiment) -> dict[str, Any]:
    """What decides over a threshold, with the output also where it was not named: two spellings of one question."""
    others = ("subset_size", "subset", "several", "members", "probabilities")
    settings = {key: value for key, value in experiment.calibration.relevant().items() if key not in others}
    return {**settings, "output": experiment.calibrated} if experiment.calibrated else settings


def _add_several(
    stages: dict[str, Specification], experiment: Experiment, root: Path, settings: Mapping[str, Any]
) -> dict[str, str]:
    """Add offsets of classes and thresholds of labels where they are asked for, and return why one does not apply."""
    left_out: dict[str, str] = {}
    several, kinds = experiment.calibration.several, experiment.data.kinds
    asked = {**settings, "average": several.average}
    made: dict[str, Input] = {"predictions": stages["predictions"]}
    kind = kinds.get(experiment.calibrated or "")
    binary = [name for name, its in kinds.items() if its == "binary"]
    if several.offsets and kind == "classes":
        stages["offsets"] = Specification("offsets", RECIPES["offsets"], root, asked, made)
    elif several.offsets:
        told = "there is no output that is calibrated" if kind is None else f"these are {kind}"
        left_out["offsets"] = f"offsets exist for one of several classes; {told}"
    if several.thresholds and len(binary) > 1:
        of_all = {key: value for key, value in asked.items() if key != "output"}
        stages["thresholds"] = Specification("thresholds", RECIPES["thresholds"], root, of_all, made)
    elif several.thresholds:
        left_out["thresholds"] = f"a threshold for each label takes several binary outputs; there is {len(binary)}"
    return left_out


def _told(experiment: Experiment) -> tuple[str, ...]:
    """The output that is calibrated, or where there is none, all."""
    return tuple(experiment.data.kinds) if experiment.calibrated is None else (experiment.calibrated,)


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
    settings = {
        "asked": asked,
        "name": experiment.name,
        "report": experiment.report.relevant(),
        "left_out": {stage: reason for stage, reason in left_out.items() if UNASKED.get(stage) != reason},
    }
    everything = _trained(training, {"epoch": "last", "of": epochs})
    return Specification("report", RECIPES["report"], root, settings, {"training": everything, **stages})


def _training(experiment: Experiment, root: Path, shards: Specification) -> TrainingRun:
    seed = experiment.experiment.seed
    weights = None
    if experiment.model.initial_weights is not None:
        path = experiment.beside / experiment.model.initial_weights
        weights = fingerprints.fingerprint([path], path.parent, root / "live" / "fingerprints.json")
        weights = Source(files.digest_of(sorted(weights.files.values())), weights.files)
    return TrainingRun(
        root=root,
        settings={
            "experiment": {"seed": seed},
            "model": experiment.model.relevant(),
            "training": experiment.training.relevant(),
        },
        shards=shards,
        code=code.digest(experiment.training_code(), experiment.beside),
        seeds={"experiment": seed, "model": seeds.derive("model", seed)},
        checker=Checker(),
        initial_weights=weights,
        predictions=experiment.predictions,
        members=experiment.calibration.members,
    )


def _trained(training: TrainingRun, settings: Mapping[str, Any]) -> Late:
    """Epochs as an input: "the last of eight", or a single one, which does not change when more are trained."""
    wanted = settings.get("of", settings["epoch"])

    def resolve() -> Specification | None:
        if "of" not in settings:
            return training.epoch(wanted) if training.done(wanted) == wanted else None
        number = training.last(wanted)
        return None if number is None else training.epoch(number)

    return Late(files.digest_of({"training": training.specification.identity, **settings}), resolve)
