"""A trained model ready to use: model, preprocessing, calibration and threshold together."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deeptrain import decisions, files, trusted_code
from deeptrain.calibration import class_offsets
from deeptrain.calibration.maps.score_map import Map
from deeptrain.errors import AlteredError, ArtifactError, DataError, TrainingError, UserCodeError
from deeptrain.experiment import Experiment, read
from deeptrain.loading import arrays, memory, unseen
from deeptrain.loading.arrays import Arrays
from deeptrain.loading.batch import Batch
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.batches import Batches
from deeptrain.loading.fed import FedInfo, fed
from deeptrain.loading.memory import InMemory
from deeptrain.loading.preprocessing import Preprocessor, preprocessors, processed, remembering, unmoved
from deeptrain.loading.settings import WindowSettings
from deeptrain.loading.unseen import Way
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.metrics.metric import Kind
from deeptrain.settings import Mistakes, Use, typed
from deeptrain.shards import layout, outputs, reading
from deeptrain.shards.info import DataInfo
from deeptrain.shards.reading import Shards
from deeptrain.store import artifact, run_names
from deeptrain.store.artifact import Artifact
from deeptrain.training import arrays as stored
from deeptrain.training import averaged, averaging, building, exporting, judging, predictions, runtime
from deeptrain.training.outputs import OutputKind, interpret
from deeptrain.training.results import Results
from deeptrain.training.run import METRICS, PROGRESS, STATE
from deeptrain.training.runtime import Backend
from deeptrain.training.settings import ModelSettings, TrainingSettings
from deeptrain.training.state import TrainState


@dataclass(frozen=True, eq=False)
class Predictor:
    """Predicts for new samples as the run predicted for its own.

    Attributes:
        data: shape, dtype and classes of the samples it was trained on.
        model: the `keras.Model`.
        epoch: whose weights it has, or that was asked for of those averaged.
        averaged: the epochs whose mean weights it has; the epoch alone if nothing was averaged.
        threshold: above which a score is called positive; 0.5 when none was chosen, None when there is none. Of
            several outputs it is that of `calibrated`; the others with binary labels are at 0.5.
        calibrated: the output that threshold and probabilities were chosen for; "" of an only one, None where they were
            chosen for none.
        threshold_source: the artifact the threshold comes from, or why there is none.
        probability_map: what makes the scores of `calibrated` into probabilities; None where the experiment does not
            ask for it, or it was chosen for other weights. Decisions are by the scores.
        preprocessors: what is done to samples before the model sees them.
        outputs: whether the model itself gives probabilities (or values) or logits.
        thresholds: by output, where every one of several binary outputs has its own (`calibration.several`); that of
            `calibrated` goes before.
        offsets: (classes,) of the log-probabilities, by output, where they were chosen.
    """

    data: DataInfo
    model: Any
    epoch: int
    averaged: tuple[int, ...]
    threshold: float | None
    threshold_source: str
    calibrated: str | None
    probability_map: Map | None
    preprocessors: tuple[Preprocessor, ...]
    outputs: OutputKind
    _learner: building.AnyKerasLearner
    _batch_size: int
    _windows: WindowSettings | None
    _shards: Artifact
    _experiment: Experiment | None
    thresholds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    offsets: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)

    def preprocess(self, x: Any) -> Arrays:
        """Samples as the model takes them.

        Args:
            x: (samples, *data.shape), or (samples, features) with as many features; by input where there are several.

        Raises:
            DataError: for another shape or dtype, and for sequences, which are preprocessed window by window.
        """
        if self._windows is not None:
            raise DataError(
                "sequences are preprocessed window by window; only probabilities and predict take them whole"
            )
        given = self._given(x)
        return self._preprocessed(given.take(np.arange(len(given))))

    def probabilities(self, x: Any) -> Any:
        """How sure the model is, float64: `scores`, made into probabilities where the experiment asks for it.

        See `scores` for what it takes, gives and raises.
        """
        return self.calibrate(self.scores(x))

    def calibrate(self, scores: Any) -> Any:
        """The probabilities for what `scores` gave; the same where there is no `probability_map`."""
        if self.probability_map is None:
            return scores
        values = outputs.parts(scores)
        name = str(self.calibrated)
        return outputs.whole({**values, name: self.probability_map.apply(values[name])})

    def scores(self, x: Any) -> Any:
        """What the model says, float64: (samples,) probabilities of a positive, (samples, classes), or values.

        A dictionary of these by output where there are several.

        Args:
            x: (samples, *data.shape), or (samples, features) with as many features; of a model on windows a list of
                sequences (steps, *shape), each predicted as the mean over its windows; a mapping of these by input
                where there are several.

        Raises:
            DataError: for another shape or dtype, or no samples.
        """
        given: Any = self._given(x)
        if self._windows is not None:
            windows = WindowFeed(
                Batches(given, min(self._batch_size, len(given))),
                self._windows,
                self._batch_size,
                preprocessors=self.preprocessors,
                labels_are_input=self.data.labels_are_input,
                per_step=self.data.per_step,
            )
            return interpret(judging.predict(self._learner, windows), self.data.kind, self.outputs)
        parts: list[Arrays] = []
        for first in range(0, len(given), self._batch_size):
            fed = self._preprocessed(given.take(np.arange(first, min(first + self._batch_size, len(given)))))
            parts.append(interpret(self._learner.predict(fed), self.data.kind, self.outputs))
        return arrays.joined(parts)

    def predict(self, x: Any) -> Any:
        """The decision: (samples,) class numbers int64, for binary labels by the threshold; for values the values.

        A dictionary of these by output where there are several.
        """
        return self.decided(self.scores(x))

    def decided(self, scores: Any) -> Any:
        """The decisions that `predict` takes by what `scores` gave."""
        kinds, values = outputs.parts(self.data.kind), outputs.parts(scores)
        return outputs.whole({name: self._decided(name, kinds[name], of) for name, of in values.items()})

    def _decided(self, output: str, kind: Kind, values: np.ndarray) -> np.ndarray:
        if kind == "binary":
            chosen = self.threshold if output == self.calibrated else self.thresholds.get(output)
            return (values > (0.5 if chosen is None else chosen)).astype(np.int64)
        if kind == "classes" and output in self.offsets:
            values = class_offsets.weighed(values, self.offsets[output])
        return values.argmax(axis=1) if kind == "classes" else values

    def export(self, directory: Path) -> list[Path]:
        """Write the model for use without deeptrain, and return the paths: see `training.exporting.export`.

        Raises:
            DataError: for a model on windows: cutting series, and following them, is no part of a model; and for one
                with several inputs.
            TrainingError: where Keras does not run on TensorFlow.
        """
        if runtime.keras_backend() != "tensorflow":
            raise TrainingError(
                f"a model is exported on TensorFlow, whose format saved_model/ is, and this process uses Keras on "
                f"{runtime.keras_backend()}: python -m pipelines export RUN, or in a fresh process "
                'deeptrain.load(RUN, backend="tensorflow")'
            )
        if len(self.data.inputs) > 1:
            raise DataError(
                f"a model with several inputs ({', '.join(one.name for one in self.data.inputs)}) cannot be exported; "
                "use deeptrain.load"
            )
        if self._windows is not None:
            raise DataError(
                "a model on windows (training.windows) cannot be exported: it needs series cut into windows and its "
                "states followed; use deeptrain.load"
            )
        return exporting.export(
            directory,
            self.model,
            self.data,
            self.preprocessors,
            epochs=self.averaged,
            outputs=self.outputs,
            threshold=self.threshold,
            probability_map=self.probability_map,
            calibrated=self.calibrated,
        )

    def _given(self, x: Any) -> InMemory:
        allowed = self._shards.manifest.settings.get("allow_missing") is True
        return memory.of(x, self.data, allow_missing=allowed)

    def _preprocessed(self, x: Arrays) -> Arrays:
        nothing = np.zeros(arrays.samples(x), np.int64)
        batch = Batch(x, nothing, np.arange(len(nothing)), nothing, 0)
        with unmoved(remembering(self.preprocessors)):
            fed: Arrays = processed(batch, self.preprocessors, lambda _: None).x
        return fed


def open(
    run: Path,
    epoch: int | str = "best",
    experiment: Path | None = None,
    average: int | None = None,
    backend: Backend | None = None,
) -> Predictor:
    """The predictor of a run: see `deeptrain.load`."""
    try:
        return _open(run, epoch, experiment, average, backend)
    except AlteredError as error:
        raise ArtifactError(f"{error}; delete {error.directory} and run TrainModel to have it made again") from error


def _open(
    run: Path, epoch: int | str, experiment: Path | None, average: int | None, backend: Backend | None
) -> Predictor:
    root, names = run_names.of(run)
    training = root / names["training"]
    last = run_names.last(training, names.get("epochs"))
    number = _number(epoch, last, run_names.epoch(training, last))
    epochs = _epochs(root, names, training, last, number, average, best=epoch == "best")
    found = run_names.epoch(training, number)
    model, settings = _settings(found, last)
    seed = found.manifest.seeds.get("model")
    if "shards" not in found.manifest.inputs or not isinstance(seed, int):
        raise ArtifactError(f"{found.directory / 'manifest.json'}: not the manifest of an epoch: no shards or no seed")
    shards_identity = found.manifest.inputs["shards"].identity
    asked = None if experiment is None else _checked(read(experiment), root)
    beside = _training_code(found, model, settings, asked)
    joined = _shards(root, shards_identity)
    shards = reading.open(joined.directory.parent)
    data = shards.info
    backend = backend or settings.backend
    runtime.start(settings.threads, settings.deterministic, backend)
    # Optimizer, loss and schedule are of no use here, so none of the run's is made.
    plain = TrainingSettings(epochs=last, batch_size=settings.batch_size, precision=settings.precision, backend=backend)
    made = preprocessors(settings.preprocessors, data, beside)
    state = found.told(PROGRESS, TrainState.from_progress)
    for name, preprocessor in remembering(made).items():
        preprocessor.restore(state.preprocessors[name])
    learner = building.learner(model, plain, _fed(shards, settings, made), seed, beside)
    learner.restore_weights(
        averaging.mean(epochs, lambda one: _variables(training, one, run_names.epoch(training, one)))
    )
    chosen = decisions.read(root, names, data, epochs)
    return Predictor(
        data,
        learner.model,
        number,
        epochs,
        chosen.threshold,
        chosen.source,
        chosen.output,
        chosen.probability_map,
        made,
        model.outputs,
        learner,
        settings.batch_size,
        settings.windows,
        joined,
        asked,
        chosen.thresholds,
        chosen.offsets,
    )


def _settings(epoch: Artifact, epochs: int) -> tuple[ModelSettings, TrainingSettings]:
    """What an epoch's manifest tells of the model and its training."""
    source = str(epoch.directory / "manifest.json")
    mistakes = Mistakes(source)
    told = epoch.manifest.settings
    model = typed(ModelSettings, told.get("model"), "model", mistakes)
    training = told.get("training")
    given = {**training, "epochs": epochs} if isinstance(training, Mapping) else training
    settings = typed(TrainingSettings, given, "training", mistakes)
    if model is None or settings is None:
        raise ArtifactError(f"{source}: not the manifest of an epoch: {'; '.join(mistakes.lines)}")
    return model, settings


def _fed(shards: Shards, settings: TrainingSettings, made: tuple[Preprocessor, ...]) -> FedInfo:
    """What the model is fed, told by the first sample it was trained on."""
    split = shards.split("train")
    if settings.windows is None:
        return fed(shards.info, BatchFeed(Batches(split, 1, preprocessors=made)))
    of_input = shards.info.labels_are_input
    batches = Batches(split, 1)
    windows = WindowFeed(
        batches,
        settings.windows,
        settings.batch_size,
        preprocessors=made,
        labels_are_input=of_input,
        per_step=shards.info.per_step,
    )
    return fed(shards.info, windows)


def _training_code(
    epoch: Artifact, model: ModelSettings, settings: TrainingSettings, experiment: Experiment | None
) -> Path:
    """Where the code that trained is taken from; see `trusted_code.place`."""
    imported = [Use.of(one).use for one in (model.use, *settings.preprocessors)]
    named = [settings.schedule, *settings.losses.values(), settings.fit, settings.evaluate]
    everything = [model.use, settings.optimizer, *(one for one in named if one is not None)]
    everything += [*settings.callbacks, *settings.preprocessors]
    allowed = [] if experiment is None else experiment.training_code()
    return trusted_code.place(epoch, imported, [Use.of(one).use for one in everything], experiment, allowed)


def samples(predictor: Predictor, path: Path, format: str | None = None) -> Any:
    """The samples in new raw files, for `Predictor.probabilities`; see `loading.unseen.read`.

    Args:
        predictor: what is going to predict.
        path: a file or a directory.
        format: of the files; by default as in the run's settings, or told by their extensions.

    Raises:
        ArtifactError: when the run does not tell how its raw files were read.
        DataError: when files cannot be read, lack columns or inputs, or have samples of another shape or dtype.
        UserCodeError: when a loader function reads them, and it is not trusted: neither named by the experiment that
            was loaded nor by a ready one, or not what it was.
    """
    shards, experiment = predictor._shards, predictor._experiment
    way = Way.of(shards.manifest.settings, str(shards.directory))
    beside = None
    if format is None and way.loader is not None:
        named = [way.loader.use]
        asked = None if experiment is None or experiment.data.loader is None else Use.of(experiment.data.loader)
        beside = trusted_code.place(shards, named, named, experiment, [] if asked is None else [asked.use])
        own = {} if asked is None else asked.arguments
        if files.canonical_json(way.loader.arguments) != files.canonical_json(own):  # code may do anything with them
            raise UserCodeError(
                f"{way.loader.use}: called with other arguments by {shards.directory} than data.loader of the "
                f"experiment says; name the experiment that the run is of"
            )
        way = dataclasses.replace(way, loader=asked or way.loader)  # JSON has no dates, and NaN as text
    return unseen.read(path, predictor.data, way, format=format, beside=beside)


def _number(epoch: int | str, last: int, published: Artifact) -> int:
    if epoch == "best":
        best = published.told(PROGRESS, TrainState.from_progress).best
        return last if best is None else best.epoch
    if epoch == "last":
        return last
    if isinstance(epoch, int) and not isinstance(epoch, bool) and 1 <= epoch <= last:
        return epoch
    raise ArtifactError(f'epoch must be "best", "last" or a number from 1 to {last}, got {epoch!r}')


def _epochs(
    root: Path, names: Mapping[str, Any], training: Path, last: int, number: int, average: int | None, *, best: bool
) -> tuple[int, ...]:
    """The epochs whose mean weights are asked for, `number` at the end.

    Args:
        root: the run's directory.
        names: of the artifacts in it that belong together.
        training: the directory with the epochs.
        last: the last epoch that counts.
        number: the epoch that is asked for.
        average: how many are asked for.
        best: whether `number` is asked for as the best.
    """
    if average is None:
        told = {} if "predictions" not in names else predictions.index(artifact.open(root / names["predictions"]))
        return predictions.epochs(told) if told.get("epoch") == number else (number,)
    most = last if best else number
    if isinstance(average, bool) or not isinstance(average, int) or not 1 <= average <= most:
        raise ArtifactError(f"average must be a number of epochs from 1 to {most}, got {average!r}")
    if average == 1 or not best:
        return averaged.last(number, average)
    results = [run_names.epoch(training, one).told(METRICS, Results.from_plain) for one in range(1, last + 1)]
    return averaged.best([one.key_value for one in results], number, average)


def _variables(training: Path, number: int, epoch: Artifact) -> dict[str, np.ndarray]:
    directory = training / "states" / f"{number:04d}"
    if not directory.is_dir():
        kept = sorted(path.name for path in (training / "states").glob("[0-9]*"))
        raise ArtifactError(
            f"{directory}: the state of epoch {number} is not kept (kept: {', '.join(kept) or 'none'}); "
            """run TrainModel with --settings '{"training.keep_every": 1}' to have every epoch's state made again"""
        )
    state = artifact.verify(directory)
    if state.manifest.content != epoch.told(PROGRESS, lambda told: told["state_content"]):
        raise ArtifactError(f"{directory}: is not the state that epoch {number} recorded")
    return stored.decode(state.verified(STATE), directory / STATE)


def _shards(root: Path, identity: str) -> Artifact:
    """What joins the shards."""
    from deeptrain.store.specification import SHORT

    directory = root / f"shards-{identity[:SHORT]}"
    if not (directory / layout.WHOLE).is_dir():
        raise ArtifactError(
            f"{directory}: the shards of this training are not there; run TrainModel to make them again"
        )
    joined = artifact.open(directory / layout.WHOLE)
    joined.verified(layout.NAME)
    return joined


def _checked(experiment: Experiment, root: Path) -> Experiment:
    if experiment.name != root.name:
        raise ArtifactError(f"{experiment.file.name}: is the experiment {experiment.name}, the run is of {root.name}")
    return experiment
