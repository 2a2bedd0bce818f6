"""A lineage brought to life: data opened, model built, trainer standing where the run on disk stands."""

import functools
import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deeptrain import lineage
from deeptrain.calibration import run_subset, same_samples
from deeptrain.errors import AlteredError, ArtifactError, DataError
from deeptrain.formats.cells import shown
from deeptrain.introspection.health import Rules
from deeptrain.lineage import Lineage
from deeptrain.loading import weights
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.batches import Batches
from deeptrain.loading.fed import fed
from deeptrain.loading.feed import Feed
from deeptrain.loading.piece_feed import PieceFeed
from deeptrain.loading.preprocessing import Preprocessor, piecewise, preprocessors, remembering
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.metrics import checks, chosen
from deeptrain.metrics.metric import Metric
from deeptrain.metrics.of_output import MetricOfOutput
from deeptrain.shards import conversion, layout, reading
from deeptrain.shards.info import DataInfo
from deeptrain.shards.outputs import parts
from deeptrain.shards.progress import Watch, nobody
from deeptrain.shards.reading import Shards, Split
from deeptrain.shards.settings import ONLY
from deeptrain.store.artifact import Artifact
from deeptrain.training import arrays, building, keras_metric, runtime
from deeptrain.training.callbacks.naming import callbacks
from deeptrain.training.frequency import Every
from deeptrain.training.health import Health
from deeptrain.training.journal import Checkpoint, Journal
from deeptrain.training.phases import Phase
from deeptrain.training.progress import Progress
from deeptrain.training.run import PROGRESS, TrainingRun
from deeptrain.training.settings import HealthSettings
from deeptrain.training.state import TrainState
from deeptrain.training.trainer import Trainer


def make_shards(plan: Lineage, *, processes: int = 1, watch: Watch = nobody) -> Artifact:
    """What joins the shards of an experiment, after converting what is not there of them.

    An artifact of the conversion that is found altered on the way is set aside and made again.

    Args:
        plan: the experiment and its artifacts.
        processes: how many make parts at once.
        watch: is told how far it is.

    Raises:
        DataError: for whatever is wrong with raw files, labels or the sizes of the splits.
    """
    while True:
        try:
            return conversion.make(plan.conversion, plan.checker, processes=processes, watch=watch)
        except AlteredError as error:
            plan.set_aside(error)


@dataclass(frozen=True)
class Opened:
    """The data of a run and how it is fed, without a model."""

    plan: Lineage
    shards: Shards
    preprocessors: tuple[Preprocessor, ...]

    def feed(
        self, split: str, *, training: bool = False, batch_size: int | None = None, sets: Sequence[int] | None = None
    ) -> Feed:
        """The samples of a split as iterations, as they are trained on or as they are stored.

        Args:
            split: its name.
            training: whether they are fit.
            batch_size: instead of the experiment's.
            sets: numbers of the sets that are taken; by default all.
        """
        settings = self.plan.experiment.training
        opened = self.shards.split(split)
        asked = batch_size or settings.batch_size
        size = asked if training else min(asked, len(opened))
        in_pieces = training and bool(piecewise(self.preprocessors))
        batches = Batches(
            opened,
            size,
            seed=self.plan.experiment.experiment.seed,
            preprocessors=() if settings.windows or in_pieces else self.preprocessors,
            order=settings.order_of(self.shards.info.numbered) if training else "none",
            last=settings.last if training else "keep",
            sampling=settings.sampling if training else None,
            sets=sets,
            superbatch_bytes=settings.superbatch_bytes,
            augment=training,
        )
        class_weights = weights.of_classes(settings.class_weights, self.shards.info) if training else None
        drawn = training and settings.sampling == "weighted"  # what was drawn by its weight counts once
        if settings.windows is None and in_pieces:
            return PieceFeed(
                batches, preprocessors=self.preprocessors, class_weights=class_weights, own_weights=not drawn
            )
        if settings.windows is None:
            return BatchFeed(batches, class_weights=class_weights, own_weights=not drawn)
        return WindowFeed(
            batches,
            settings.windows,
            asked,
            preprocessors=self.preprocessors,
            augment=training,
            training=training,
            class_weights=class_weights,
            labels_are_input=self.shards.info.labels_are_input,
            own_weights=not drawn,
            per_step=self.shards.info.per_step,
        )

    def after(self, epoch: int) -> "Opened":
        """The same, with preprocessors that keep something standing where they stood at the end of an epoch."""
        state = self.plan.training.published(epoch).told(PROGRESS, TrainState.from_progress)
        for name, preprocessor in remembering(self.preprocessors).items():
            preprocessor.restore(state.preprocessors[name])
        return self

    @functools.cached_property
    def metrics(self) -> tuple[Metric, ...] | tuple[MetricOfOutput, ...]:
        """The metrics the experiment names, checked against the kind of its labels."""
        experiment = self.plan.experiment
        return chosen.of(experiment.training.metrics, self.shards.info.kind, experiment.beside, self._of_keras)

    def _of_keras(self, found: Any, arguments: Mapping[str, Any]) -> Callable[..., float] | None:
        """A metric of Keras as a function; its backend is started before it makes variables."""
        if not keras_metric.is_keras(found):
            return None
        settings = self.plan.experiment.training
        runtime.start(settings.threads, settings.deterministic, settings.backend)
        return keras_metric.function_of(found, arguments)

    def learner(self, variables: Mapping[str, np.ndarray] | None = None, *, after: int = 0) -> building.AnyKerasLearner:
        """The model as its seed or its initial weights make it, or with all its variables set.

        Args:
            variables: all there are.
            after: the epoch at whose end they were so: phases until then changed the optimizer that they are of.
        """
        experiment = self.plan.experiment
        training = experiment.training
        runtime.start(training.threads, training.deterministic, training.backend)
        seed = self.plan.training.seeds["model"]
        data = fed(self.shards.info, self.feed("train"))
        learner = building.learner(experiment.model, training, data, seed, experiment.beside)
        if variables is not None:
            for phase in self.phases():
                if phase.epoch <= after:
                    phase.change(learner)
            learner.restore(variables)
        elif experiment.model.initial_weights is not None:
            learner.restore_weights(self._initial_weights(experiment.beside / experiment.model.initial_weights))
        return learner

    def phases(self) -> list[Phase]:
        """The phases the experiment names, with the data of each."""
        experiment = self.plan.experiment
        training = experiment.training
        found: list[Phase] = []
        if not training.phases:
            return found
        data = fed(self.shards.info, self.feed("train"))
        for phase in sorted(training.phases, key=lambda phase: phase.epoch):
            changed = building.change(phase, experiment.model, data, experiment.beside)
            if phase.changes_data:
                changed["data"] = self.fit_in(phase.epoch)
            found.append(Phase(**changed))
        return found

    def fit_in(self, epoch: int) -> Feed:
        """What is fit in an epoch, by the phases that have begun by then."""
        training = self.plan.experiment.training
        size, sets = training.batch_size, None
        for phase in sorted(training.phases, key=lambda phase: phase.epoch):
            if phase.epoch <= epoch:
                size, sets = phase.batch_size or size, phase.sets or sets
        return self.feed("train", training=True, batch_size=size, sets=sets)

    def _initial_weights(self, path: Path) -> dict[str, np.ndarray]:
        """The weights that the plan was made for: the file may have changed since."""
        data = path.read_bytes()
        source = self.plan.training.initial_weights
        if source is None or hashlib.sha256(data).hexdigest() not in source.files.values():
            raise ArtifactError(f"{path}: changed since this run was planned; run the same command again")
        return arrays.decode(data, path)


def open_data(plan: Lineage) -> Opened:
    """The shards of a run, made if they are not there, and the preprocessors.

    Manifests and sizes are looked at, and all that is small; samples are compared with their checksums when they are
    read. What is altered is set aside and made again.
    """
    while True:
        try:
            make_shards(plan).verified(layout.NAME)
            shards = reading.open(plan.conversion.directory)
            _refuse_several_as_labels(shards.info)
            training = plan.experiment.training
            runtime.choose(training.threads, training.deterministic, training.backend)  # before code of the user's
            named = training.preprocessors
            opened = Opened(plan, shards, preprocessors(named, shards.info, plan.experiment.beside))
            _refuse_early(opened)
        except AlteredError as error:
            plan.set_aside(error)
        else:
            return opened


def _refuse_several_as_labels(data: DataInfo) -> None:
    if data.labels_are_input and len(data.inputs) > 1:
        names = ", ".join(one.name for one in data.inputs)
        raise DataError(
            f'data.labels = "input" is for samples of one input, these have {names}; name the one that is its own label'
            f" as data.reading.inputs, or say where labels are"
        )


def _refuse_early(opened: Opened) -> None:
    """What the settings ask of the data and the data do not give, before hours are spent on training."""
    plan, shards = opened.plan, opened.shards
    _ = opened.metrics
    samples, batch_size = len(shards.split("train")), plan.experiment.training.batch_size
    if batch_size > samples:
        raise DataError(
            f"training.batch_size must be at most the {samples} samples of the train split, got {batch_size}"
        )
    tested = ["test"] if plan.experiment.data.splits.test else []
    for name in dict.fromkeys(["val", plan.calibration_split, *tested]):
        given = shards.split(name).weights
        if given is not None and not given.any():
            raise DataError(
                f"data.weights: all {len(given)} samples of the {name} split weigh 0, so no metric of it is a number; "
                "leave the column out, or put other samples there"
            )
    if not shards.info.labels_are_input:  # nothing is decided about samples that are their own labels
        _refuse_uncalibrated(plan, shards.split(plan.calibration_split))


def _refuse_uncalibrated(plan: Lineage, split: Split) -> None:
    """What calibration is asked for and these samples do not allow."""
    settings, labels = plan.experiment.calibration, parts(split.labels)
    count = None if split.weights is None else checks.weights(split.weights, len(split))
    if "threshold" in plan.stages:
        truth = labels[plan.output or ONLY] > 0
        checks.both_classes(truth if count is None else truth[count > 0])
        if settings.constraint is not None and count is not None and checks.unequal(count[count > 0]) is not None:
            raise DataError(
                f"calibration.constraint {settings.constraint!r} cannot be promised for weighted samples, those of the "
                f"{split.name} split weigh {count.min():g} to {count.max():g}; leave out the constraint or data.weights"
            )
    if plan.kind == "classes" and {"offsets", "members", "probabilities"} & plan.stages.keys():
        there = np.unique(labels[plan.output or ONLY])
        if len(there) < 2:
            raise DataError(
                f"cannot calibrate: all {len(split)} samples of the {split.name} split are of class {there[0]}; "
                "two are needed"
            )
    if "thresholds" in plan.stages:
        binary = [name for name, kind in plan.experiment.data.kinds.items() if kind == "binary"]
        if not any((labels[name] > 0).any() for name in binary):
            raise DataError(
                f"cannot calibrate: 0 positives of {len(binary)} labels ({', '.join(binary)}) among {len(split)} "
                f"samples of the {split.name} split"
            )
    if "subset" in plan.stages:
        sets, size = len(np.unique(split.sets)), settings.subset_size
        if size > sets:
            raise DataError(
                f"calibration.subset_size must be at most the number of sets of the {split.name} split, which has "
                f"{sets} ({len(split)} samples), got {size}; lower it, or data.samples_per_set"
            )
        run_subset.check(labels[plan.output or ONLY], plan.kind or "binary", settings, split)


def refuse_other_samples(plan: Lineage) -> None:
    """Check that the runs whose models are members have the same samples, before hours are spent on training.

    Raises:
        DataError: naming the run and what differs.
    """
    own = plan.conversion.whole.identity
    for other in plan.others:
        if other.plan.conversion.whole.identity == own:
            continue
        here, there = (reading.open(make_shards(of).directory.parent) for of in (plan, other.plan))
        output = plan.output or ONLY
        if parts(here.info.classes).get(output) != parts(there.info.classes).get(output):
            its, own_classes = (parts(shards.info.classes).get(output) for shards in (there, here))
            raise DataError(
                f"member {other.name!r} must have the same classes in the same order: it has {shown(its)}, this run "
                f"{shown(own_classes)}"
            )
        for split in (plan.calibration_split, *(["test"] if plan.experiment.data.splits.test else [])):
            given = [(parts(shards.split(split).labels)[output], shards.split(split).sets) for shards in (there, here)]
            (labels, sets), (own_labels, own_sets) = given
            same_samples.check(other.name, labels, sets, own_labels, own_sets, split)


def from_experiment(
    file: str | Path,
    store: str | Path | None,
    epochs: int | None,
    seed: int | None,
    settings: Mapping[str, Any] | None,
    watch: Callable[[Progress], None] | None,
) -> Trainer:
    """What `Trainer.from_experiment` returns."""
    plan = lineage.read(file, store=store, epochs=epochs, seed=seed, settings=settings)
    return trainer(plan, writing=store is not None, watch=watch)


def trainer(
    plan: Lineage,
    *,
    writing: bool,
    watch: Callable[[Progress], None] | None = None,
    until: int | None = None,
) -> Trainer:
    """A trainer that stands where the run on disk stands, or at the beginning when nothing is written.

    Args:
        plan: the experiment and its artifacts.
        writing: whether epochs and checkpoints are published into the run.
        watch: is told where training stands.
        until: the epoch that is to be reached, when it may be one that is done already; by default the last.
    """
    if not writing:
        return _without_store(plan, watch)
    plan.tidy()
    plan.record_origins()
    settings = plan.experiment.training
    refuse_other_samples(plan)
    while True:
        opened = open_data(plan)  # again after a shard was found altered: the reader holds the file that was set aside
        journal = Journal(plan.training, settings.keep_every)
        try:
            return _made(opened, journal, watch, until or settings.epochs)
        except AlteredError as error:
            plan.set_aside(error)


def trainer_of(plan: Lineage, run: TrainingRun, until: int, watch: Callable[[Progress], None] | None = None) -> Trainer:
    """A trainer that writes another run than the plan's, and stands where that one stands.

    Args:
        plan: the experiment and its artifacts.
        run: what is written; retention keeps the states of its own.
        until: the epoch that is to be reached.
        watch: is told where training stands.
    """
    return _made(open_data(plan), Journal(run, plan.experiment.training.keep_every), watch, until)


def opened(
    file: str | Path, epoch: int, store: str | Path | None, session: str | None, settings: Mapping[str, Any] | None
) -> Trainer:
    """What `Trainer.open` returns."""
    plan = lineage.read(file, store=store, settings=settings)
    written, epochs = Journal(plan.training), max(plan.epochs, epoch)
    if session is None:
        begin = written.at_end_of(epoch)
        return _made(open_data(plan), None, None, epochs, begin=(written, begin))
    run = plan.training.session(session, epoch)
    if not run.directory.exists():
        written.at_end_of(epoch)  # or it is told what is missing; a session that has begun has states of its own
    return trainer_of(plan, run, epochs)


def _made(
    opened: Opened,
    journal: Journal | None,
    watch: Callable[[Progress], None] | None,
    until: int,
    begin: tuple[Journal, Checkpoint] | None = None,
) -> Trainer:
    settings = opened.plan.experiment.training
    return Trainer(
        opened.learner(),
        opened.feed("train", training=True),
        opened.feed("val"),
        epochs=until,
        kind=opened.shards.info.kind,
        outputs=opened.plan.experiment.model.outputs,
        metrics=opened.metrics,
        key_metric=settings.key,
        maximize=settings.maximize,
        callbacks=callbacks(settings.callbacks, opened.plan.experiment.beside),
        phases=opened.phases(),
        validate=settings.validate.every(),
        autosave=Every(seconds=settings.autosave_seconds),
        health=_health(HealthSettings.of(settings.health)),
        journal=journal,
        begin=begin,
        watch=watch,
    )


def _health(settings: HealthSettings) -> Health:
    rules = {name: getattr(settings, name) for name in ("dead", "large", "share", "growth", "gradient_growth")}
    return Health(settings.policy, factor=settings.factor, most=settings.most, rules=Rules(**rules))


def _without_store(plan: Lineage, watch: Callable[[Progress], None] | None) -> Trainer:
    """A trainer that leaves nothing behind: its shards live in a temporary directory as long as it does."""
    directory = tempfile.mkdtemp(prefix="deeptrain-")
    try:
        local = lineage.of(plan.experiment, Path(directory))
        return _owning(directory, _made(open_data(local), None, watch, local.epochs))
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def _owning(directory: str, trainer: Trainer) -> Trainer:
    """Apart: errors that libraries handle while a model is built keep the variables of whoever waits for them alive."""
    weakref.finalize(trainer, shutil.rmtree, directory, ignore_errors=True)
    return trainer
