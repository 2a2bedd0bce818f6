"""The train loop: fits, validates, remembers, and can be stopped between any two groups of iterations."""

import signal as signals_module
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deeptrain.errors import Interrupted, SettingsError, TrainingError
from deeptrain.loading.arrays import Arrays
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.batches import Batches
from deeptrain.loading.feed import Feed, Group
from deeptrain.loading.position import Position
from deeptrain.loading.preprocessing import remembering
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.metrics import names
from deeptrain.metrics.metric import Kind, Metric
from deeptrain.training import judging, signals
from deeptrain.training.callbacks.memory import memory_of
from deeptrain.training.callbacks.naming import named
from deeptrain.training.callbacks.stages import Stages
from deeptrain.training.frequency import Counts, Every, Schedule
from deeptrain.training.history import History
from deeptrain.training.journal import Checkpoint, Journal
from deeptrain.training.judging import Judged
from deeptrain.training.learner import Learner
from deeptrain.training.outputs import OutputKind, as_labels, interpret
from deeptrain.training.pace import Pace
from deeptrain.training.progress import Meter, Phase, Progress
from deeptrain.training.results import Results, Validation
from deeptrain.training.standing import Standing
from deeptrain.training.state import Best, TrainState
from deeptrain.training.tally import Tally

EACH_EPOCH = Every(epochs=1)
EACH_MINUTE = Every(seconds=60.0)


@dataclass(frozen=True)
class Fitted:
    """Iterations that were fit in one call; one, where a callback acts at every iteration.

    Attributes:
        at: the position of the first of them.
        group: inputs and labels, (iterations, batch, ...).
        losses: (iterations,) float32, each before its update.
        outputs: (iterations, batch, ...) of the model, likewise.
    """

    at: Position
    group: Group
    losses: np.ndarray
    outputs: Arrays


@dataclass(frozen=True)
class Predictions:
    """What the newest validation found.

    Attributes:
        labels: as the feed orders them, (samples, ...).
        outputs: binary: (samples,) probabilities; classes: (samples, classes) probabilities; values: as the labels.
        sets: (samples,) set numbers.
    """

    labels: np.ndarray
    outputs: np.ndarray
    sets: np.ndarray


class Trainer:
    """Trains a learner, and stands between two calls exactly where it stopped.

    Law: stopping at any point and training on gives the same weights, histories and metrics as never having stopped.

    Attributes:
        learner: what is trained.
        train_data: what it is fit on.
        val_data: what it is judged on, or None.
        epochs: how many `train` trains; may be raised between two calls.
        metrics: computed for each validation.
        results: what each epoch came to, from the first.
        key_metric: the metric that tells which epoch is best.
        maximize: whether more of it is better.
        fitted: the newest group of iterations, None before the first of this process.
        judged: the newest iteration of a validation, None before the first of this process.
        predictions: of the newest validation, None before the first of this process.
    """

    def __init__(
        self,
        learner: Learner,
        train_data: Feed | Batches,
        val_data: Feed | Batches | None = None,
        *,
        epochs: int = 1,
        kind: Kind | None = None,
        outputs: OutputKind = "probabilities",
        metrics: Sequence[str | Metric] = (),
        key_metric: str = "loss",
        callbacks: Sequence[Any] | Mapping[str, Any] = (),
        validate: Every = EACH_EPOCH,
        autosave: Every = EACH_MINUTE,
        journal: Journal | None = None,
        watch: Callable[[Progress], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Stand at the beginning, or with a journal at its newest checkpoint.

        Args:
            learner: what is trained; its variables are set when a checkpoint is found.
            train_data: what it is fit on; batches, or windows of sequences.
            val_data: what it is validated on; without it the key metric is of the training batches.
            epochs: how many `train` trains; may be raised later.
            kind: of the task; by default that of the data.
            outputs: what the model's outputs are.
            metrics: computed for each validation, by name or as they are.
            key_metric: "loss" or a metric's name; it need not be among `metrics`.
            callbacks: see `Callback`; act in this order.
            validate: how often the validation split is judged; not by the clock.
            autosave: how often a checkpoint is written beside those of the epochs' ends: the most that a crash costs.
            journal: writes epochs, states and checkpoints; without it nothing is written.
            watch: is told where training stands after every group of iterations.
            clock: seconds from any origin.

        Raises:
            LockedError: when another process writes the same training.
            SettingsError: for metrics that do not exist or do not fit.
            TrainingError: when the checkpoint does not fit the learner.
        """
        self.learner = learner
        self.train_data = _feed(train_data)
        self.val_data = None if val_data is None else _feed(val_data)
        self._windowed = isinstance(self.train_data, WindowFeed)
        self._remembering = remembering(self.train_data.preprocessors)
        self.epochs = epochs
        self.kind: Kind = kind or self.train_data.split.info.kind
        self.outputs: OutputKind = outputs
        self.metrics, self.key_metric, self.maximize = _metrics(metrics, key_metric, self.kind)
        if validate.seconds is not None:
            raise SettingsError("validate: a clock would make two runs differ; expected iterations, batches or epochs")
        self._validate_every = validate
        self._clock = clock
        self.callbacks = callbacks
        self.results: list[Results] = []
        self.fitted: Fitted | None = None
        self.judged: Judged | None = None
        self.predictions: Predictions | None = None
        self._kept = TrainState()
        self._journal = journal
        self._rebuilding = False
        self._watch = watch
        self._meter = Meter(clock)
        self._history: list[History] = []
        self._autosave = Schedule(autosave, clock)
        self._saved: int | None = None
        self._saved_at = clock()
        self._curves: dict[str, Any] = {}
        self._signal: int | None = None
        self._save_asked = False
        self._pause_asked = False
        self._paused = False
        self._validating = False
        self._pace = Pace(self.train_data.iteration_bytes)
        self._failed = False
        self._stages.tell("init", self)
        if journal is not None:
            journal.open()
            try:
                self._rebuilding = epochs <= journal.done()
                self._resume(journal, epochs)
            except BaseException:
                journal.close()
                raise

    @classmethod
    def from_experiment(
        cls,
        file: str | Path,
        *,
        store: str | Path | None = None,
        epochs: int | None = None,
        seed: int | None = None,
        settings: Mapping[str, Any] | None = None,
        watch: Callable[[Progress], None] | None = None,
    ) -> "Trainer":
        """Exactly the trainer that the task builds from the same file: it trains to the same bytes.

        Args:
            file: the experiment's TOML file.
            store: a directory of runs; epochs and checkpoints are written there as the task writes them, and what
                is there already is not trained again. Without it nothing stays on disk.
            epochs: instead of the file's.
            seed: of the training, instead of the file's.
            settings: other values for dotted keys, {"training.batch_size": 64}.
            watch: is told where training stands after every group of iterations.

        Raises:
            SettingsError: for every mistake in the file, all at once.
        """
        from deeptrain import session

        return session.from_experiment(file, store, epochs, seed, settings, watch)

    @property
    def state(self) -> Standing:
        """Everything that is known now, as plain attributes."""
        return Standing(
            kept=self._kept,
            data=self.train_data,
            epochs=self.epochs,
            results=tuple(self.results),
            newest=None if self.fitted is None else self._behind(self.fitted.at, len(self.fitted.losses) - 1),
            learning_rate=self.learner.learning_rate,
            key_metric=self.key_metric,
            maximize=self.maximize,
            paused=self._paused,
            iterations_per_second=self._meter.rate,
            saved=self._saved,
            seconds_at_risk=None if self._journal is None else max(self._clock() - self._saved_at, 0.0),
            _parts=self._history,
            _count=len(self._history),
        )

    def __str__(self) -> str:
        """Where it stands, on one screen."""
        return str(self.state)

    @property
    def position(self) -> Position:
        """The next iteration to be fit."""
        return self._kept.position

    @property
    def live(self) -> Path | None:
        """Where callbacks may write what is no result: beside the run's artifacts; None where nothing is written."""
        return None if self._journal is None else self._journal.live

    @property
    def callbacks(self) -> Mapping[str, Any]:
        """What acts while training, by name and in order; may be replaced between two calls."""
        return self._callbacks

    @callbacks.setter
    def callbacks(self, given: Sequence[Any] | Mapping[str, Any]) -> None:
        self._callbacks = named(given)
        self._stages = Stages(self._callbacks, self._clock)

    @property
    def threshold(self) -> float:
        """From which probability on a sample counts as positive in the metrics of training and validation."""
        return self._kept.threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        self._kept = self._kept.with_(threshold=float(value))

    def train(self, until: int | None = None) -> Standing:
        """Train until an epoch has ended, and return where training stands then.

        Ctrl-C, SIGTERM and `interrupt` stop between two groups of iterations, after writing a checkpoint; calling
        `train` again goes on as if nothing had happened.

        Args:
            until: the last epoch to train; by default all of `epochs`.

        Raises:
            Interrupted: when it was asked to stop.
            TrainingError: when the loss is not finite, or this trainer failed before.
        """
        last = self.epochs if until is None else until
        return self._drive(lambda: self.position.epoch <= last, last)

    def step(
        self,
        iterations: int | None = None,
        *,
        batches: int | None = None,
        epochs: int | None = None,
        until: Callable[[Standing], bool] | None = None,
    ) -> Standing:
        """Train a little, and return where training stands then; an epoch's end comes with the iteration after it.

        Args:
            iterations: so many; one if nothing is said.
            batches: until so many more batches have been fit to their end.
            epochs: until so many more epochs have ended.
            until: until it is true of the state, looked at after every iteration.

        Raises:
            SettingsError: when more than one is said.
            Interrupted: when it was asked to stop.
            TrainingError: when the loss is not finite, or this trainer failed before.
        """
        said = [one for one in (iterations, batches, epochs, until) if one is not None]
        if len(said) > 1:
            raise SettingsError("step: expected one of iterations, batches, epochs and until")
        if epochs is not None:
            last = min(self.position.epoch + epochs - 1, self.epochs)
            return self._drive(lambda: self.position.epoch <= last, last)
        begun, last = self._kept, self.epochs
        if until is not None:
            return self._drive(lambda: self._within(last) and not until(self.state), last, lambda: 1)
        if batches is not None:
            wanted = begun.batches + batches
            return self._drive(
                lambda: self._within(last) and self._kept.batches < wanted, last, lambda: wanted - self._kept.batches
            )
        goal = begun.position.iteration + (1 if iterations is None else iterations)
        return self._drive(
            lambda: self._within(last) and self.position.iteration < goal, last, lambda: goal - self.position.iteration
        )

    def validate(self) -> dict[str, float]:
        """The loss and all metrics over the validation split now. Nothing of training changes, no callback is told.

        Raises:
            TrainingError: when there is no validation data, or outputs are not finite.
        """
        if self.val_data is None:
            raise TrainingError("validate: this trainer has no validation data")
        try:
            metrics, _ = self._judge(self.val_data, lambda *_: None)
        finally:
            self._remember_preprocessing()
        return metrics

    def replay(self, iteration: int) -> Group:
        """What was fit in an iteration, or will be: inputs, labels and weights, made again from the shards.

        Preprocessors that keep something stand where they stand now.

        Args:
            iteration: counted from 0 since the training began; of an epoch that has begun.

        Raises:
            TrainingError: when it is not within the epochs that have begun.
        """
        begins, epoch = 0, 1
        for results in self.results:
            if iteration < results.iterations:
                break
            begins, epoch = results.iterations, results.epoch + 1
        at = Position(epoch, 0, begins)
        if not 0 <= iteration < begins + self.train_data.iterations(epoch):
            raise TrainingError(
                f"replay: expected an iteration from 0 to {begins + self.train_data.iterations(epoch) - 1}, "
                f"got {iteration}"
            )
        while at.iteration < iteration:
            at = self.train_data.after(at, 1)
        return self.train_data.group(at, 1)

    def stop(self, reason: str) -> None:
        """End training with the epoch that is being finished; for callbacks."""
        self._kept = self._kept.with_(stopping=reason)

    def pause(self) -> None:
        """Stop as soon as the running group of iterations has ended, after writing a checkpoint; `train` goes on."""
        self._pause_asked = True

    def interrupt(self, signal_number: int = signals_module.SIGINT) -> None:
        """As `pause`, but `train` raises `Interrupted`; what Ctrl-C and SIGTERM do."""
        self._signal = signal_number

    def save_soon(self) -> None:
        """Write a checkpoint as soon as the running group of iterations has ended."""
        self._save_asked = True

    def close(self) -> None:
        """Let another process write this training, and end reading ahead."""
        self.train_data.close()
        if self.val_data is not None:
            self.val_data.close()
        if self._journal is not None:
            self._journal.close()

    def _drive(self, goes_on: Callable[[], bool], last: int, most: Callable[[], int] | None = None) -> Standing:
        """Train while a condition holds and nothing stops it.

        Args:
            goes_on: looked at after every group of iterations.
            last: the last epoch to train.
            most: how many iterations may be fit in one call at most; asked before each.
        """
        if self._failed:
            raise TrainingError(
                "this trainer failed, and may stand in the middle of an iteration: make a new one, "
                "which goes on from the last checkpoint"
            )
        try:
            with signals.handled(self.interrupt, self.save_soon):
                self._go_on()
                while self._kept.stopped is None and goes_on():
                    self._advance(last, most)
                self._between()
                if self._ended:
                    self._stages.tell("end", self)
        except _Paused:
            pass
        except Interrupted:
            raise
        except BaseException as error:
            self._failed = True
            if isinstance(error, Exception):
                self._tell_of_failure(error)
            self.close()
            raise
        if self._ended:
            self._tell("done", last)
        return self.state

    @property
    def _ended(self) -> bool:
        return self.position.epoch > self.epochs or self._kept.stopped is not None

    def _within(self, last: int) -> bool:
        """Whether an epoch up to `last` has iterations, or its end, before it."""
        return self.position.epoch <= last

    def _go_on(self) -> None:
        self._meter.start(self._done)
        self._stages.start()
        if self._paused:
            self._paused = False
            self._stages.tell("resume", self)

    def _tell_of_failure(self, error: Exception) -> None:
        try:
            self._stages.tell("exception", self, error)
        except Exception as another:  # noqa: BLE001 - the first error is the one to be raised
            error.add_note(f"and while telling callbacks of it: {another}")

    def _advance(self, last: int, most: Callable[[], int] | None) -> None:
        """End the epoch, validate within it, or fit the next group: whichever is next."""
        if self.position.batch == len(self.train_data):
            due = self._validation_due("epoch") or self._validation_due("iteration")
            self._finish(self._validate(last) if due else {})
            self._between()
            self._skip_what_is_done(last)
            return
        if not self.position.begins_epoch and self._validation_due("iteration"):
            metrics = self._validate(last)
            within = (*self._kept.within, Validation(self.position.iteration, metrics))
            self._kept = self._kept.with_(within=within)
            self._meter.start(self._done)
        else:
            self._group(last, most)
        self._between()

    def _validation_due(self, event: str) -> bool:
        if self.val_data is None or (event == "iteration" and self._kept.validated == self.position.iteration):
            return False
        every, counts = self._validate_every, self._counts
        if event == "epoch":
            return every.due("epoch", Counts(epochs=self.position.epoch))
        return every.due("iteration", counts) or (every.when is not None and every.when(self.state))

    @property
    def _counts(self) -> Counts:
        kept = self._kept
        at = kept.position
        return Counts(at.iteration, kept.batches, at.epoch - 1, kept.validations, at.window == 0)

    def _skip_what_is_done(self, last: int) -> None:
        """Go to the end of epochs that are done already: one before them was missing, and came out the same."""
        journal = self._journal
        if journal is None or self._rebuilding or not journal.done() >= self.position.epoch <= last:
            return
        checkpoint = journal.resume(last)
        if checkpoint is not None and checkpoint.state.position.epoch > self.position.epoch:
            self._stand_at(checkpoint, journal)

    def _resume(self, journal: Journal, until: int) -> None:
        checkpoint = journal.resume(until)
        if checkpoint is not None:
            self._stand_at(checkpoint, journal)

    def _stand_at(self, checkpoint: Checkpoint, journal: Journal) -> None:
        self.results.clear()
        self.learner.restore(checkpoint.variables)
        self._kept = checkpoint.state
        self._history = [checkpoint.history]
        self._remember(journal.results(self.position.epoch - 1))
        self._stages.remember(checkpoint.state.callbacks)
        self._remember_preprocessing()
        self._saved, self._saved_at = self.position.iteration, self._clock()
        self._paused = True
        self._stages.tell("load", self)

    def _remember_preprocessing(self) -> None:
        for name, preprocessor in self._remembering.items():
            if name in self._kept.preprocessors:
                preprocessor.restore(self._kept.preprocessors[name])

    def _remember(self, results: Sequence[Results]) -> None:
        self.results.extend(results)
        self._curves = {
            "losses": tuple(result.train["loss"] for result in self.results),
            "validation_losses": tuple(result.validation["loss"] for result in self.results if result.validation),
            "key_values": tuple(result.key_value for result in self.results),
        }

    def _group(self, last: int, most: Callable[[], int] | None) -> None:
        """Fit the next iterations of equal shapes in one call."""
        at = self.position
        if at.begins_epoch:
            self._meter.start(0)
            self._stages.tell("epoch_begin", self)
        if at.window == 0:
            self._stages.tell("batch_begin", self)
        self._stages.tell("iteration_begin", self)
        begun = self._clock()
        group = self.train_data.group(at, self._size(most))
        losses, outputs = self.learner.fit(
            group.x, group.y, weights=group.weights, mask=group.mask, begins=group.begins
        )
        self._refuse_non_finite(losses, at)
        steps = np.arange(len(group), dtype=np.int64)
        windows = at.window + steps if self._windowed else np.zeros_like(steps)
        batches = np.full_like(steps, at.batch) if self._windowed else at.batch + steps
        self._history.append(History(at.iteration + steps, batches, windows, group.counted, losses.astype(np.float32)))
        after = self.train_data.after(at, len(group))
        # One assignment: an exception before it leaves the state where the group began, and none can come within.
        self._kept = self._kept.with_(
            position=after,
            tally=self._tallied(losses, group, outputs),
            batches=self._kept.batches + after.batch - at.batch,
            preprocessors=self._preprocessing(),
        )
        self.fitted = Fitted(at, group, losses, outputs)
        self._pace.took(len(group), self._clock() - begun)
        self._meter.tell(self._done)
        self._stages.tell("iteration_end", self)
        if after.window == 0:
            self._stages.tell("batch_end", self)
        self._stages.act("iteration", self._counts, self)
        self._save_asked |= self._autosave.due("iteration", self._counts, lambda: self.state)
        if self._watch is not None:
            newest = self.train_data.name(self._behind(at, len(group) - 1))
            self._tell("fit", last, newest, float(losses[-1]))
        if self.position.batch == len(self.train_data):
            self._tell("validate", last)

    def _size(self, most: Callable[[], int] | None) -> int:
        """How many iterations the next call may fit: up to the next event that needs Python."""
        counts = self._counts
        limits = [
            self._stages.until_due(counts),
            self._validate_every.until_due(counts) if self.val_data is not None else None,
            self._autosave.every.until_due(counts),
            None if most is None else most(),
        ]
        return min([self._pace.size, *(limit for limit in limits if limit is not None)])

    def _tallied(self, losses: np.ndarray, group: Group, outputs: Arrays) -> Tally:
        y = group.y
        if isinstance(outputs, Mapping) or isinstance(y, Mapping):
            # What is right or wrong is only asked of one output.
            nothing = np.zeros((len(losses), int(group.counted[0])))
            return self._kept.tally.plus(losses, nothing, nothing, "values", group.real)
        return self._kept.tally.plus(losses, y, interpret(outputs, self.kind, self.outputs), self.kind, group.real)

    def _preprocessing(self) -> dict[str, dict[str, Any]]:
        """What preprocessors keep, as a checkpoint holds it."""
        return {name: memory_of(name, preprocessor) for name, preprocessor in self._remembering.items()}

    def _behind(self, at: Position, iterations: int) -> Position:
        return self.train_data.after(at, iterations) if iterations else at

    @property
    def _done(self) -> int:
        """Iterations of this epoch that are done."""
        return self.train_data.done(self.position)

    def _refuse_non_finite(self, losses: np.ndarray, at: Position) -> None:
        bad = np.flatnonzero(~np.isfinite(losses))
        if not len(bad):
            return
        there = self._behind(at, int(bad[0]))
        sets = ", ".join(map(str, self.train_data.sets(there)[:8]))
        raise TrainingError(
            f"the loss became {losses[bad[0]]} in epoch {at.epoch}, iteration {there.iteration} "
            f"(counted from 0), batch {self.train_data.name(there)}, sets {sets}: "
            "training stops and the last good checkpoint stays; a lower learning rate or gradient clipping may help"
        )

    def _validate(self, last: int) -> dict[str, float]:
        """Judge the validation split, and tell callbacks."""
        if self.val_data is None:
            return {}
        # What is kept from here on is what was kept before: a validation that is broken off begins anew.
        self._kept = self._kept.with_(callbacks=self._stages.memory())
        self._validating = True
        try:
            self._stages.tell("validation_begin", self)
            metrics, self.predictions = self._judge(self.val_data, self._told)
            self._remember_preprocessing()  # what validation showed them is not theirs to keep
            self._stages.tell("validation_end", self, metrics)
        except BaseException:
            self._stages.remember(self._kept.callbacks)
            self._remember_preprocessing()
            raise
        finally:
            self._validating = False
        kept = self._kept
        self._kept = kept.with_(validations=kept.validations + 1, validated=kept.position.iteration)
        self._stages.act("validation", self._counts, self)
        self._tell("checkpoint", last)
        return metrics

    def _judge(self, data: Feed, told: Callable[[str, Judged | None], None]) -> tuple[dict[str, float], Predictions]:
        loss, outputs = judging.evaluate(self.learner, data, told)
        found = {"loss": loss}
        probabilities = interpret(outputs, self.kind, self.outputs)
        if not (np.isfinite(probabilities).all() and np.isfinite(found["loss"])):
            raise TrainingError(
                f"the model's outputs for the validation split, or its loss, are not finite in epoch "
                f"{self.position.epoch} after iteration {self.position.iteration}: training stops and the last good "
                "checkpoint stays"
            )
        labels = data.labels
        said = as_labels(probabilities, labels, self.kind)
        found |= {metric.name: metric(labels, said, threshold=self.threshold) for metric in self.metrics}
        return found, Predictions(labels, said, data.label_sets)

    def _told(self, stage: str, judged: Judged | None) -> None:
        if judged is not None:
            self.judged = judged
        self._stages.tell(stage, self)
        if stage == "validation_batch_end":
            self._remember_preprocessing()
            self._save_asked |= self._autosave.due("time", self._counts, lambda: self.state)
            self._between()

    def _finish(self, validation: dict[str, float]) -> None:
        """End the epoch: results, best, callbacks, and the epoch's checkpoint."""
        at = self.position
        train = self._kept.tally.results(self.metrics)
        judged = validation if self.val_data is not None else train
        key_value = judged.get(self.key_metric, float("nan"))
        best = self._kept.best
        sign = 1.0 if self.maximize else -1.0
        is_best = not np.isnan(key_value) and (best is None or sign * key_value > sign * best.value)
        if is_best:
            best = Best(at.epoch, key_value)

        def results() -> Results:
            return Results(
                epoch=at.epoch,
                iterations=at.iteration,
                train=train,
                validation=validation,
                learning_rate=self.learner.learning_rate,
                key_value=key_value,
                is_best=is_best,
                stopped=self._kept.stopping,
                within=self._kept.within,
            )

        self._stages.tell("epoch_end", self, results())
        self._stages.act("epoch", Counts(epochs=at.epoch), self)
        ended = results()
        state = self._kept.with_(
            position=at.next_epoch(),
            tally=Tally(),
            within=(),
            best=best,
            stopping=None,
            stopped=ended.stopped,
            callbacks=self._stages.memory(),
        )
        durable = True
        if self._journal is not None:
            self._stages.tell("save", self)
            history = History.joined([History.empty(), *self._history])
            durable = self._journal.publish(Checkpoint(state, self._finite_variables(), history), ended)
        self._remember([ended])
        self._history = []
        self._kept = state
        if durable:
            self._saved, self._saved_at = at.iteration, self._clock()
            self._autosave.start()
        self._tell("checkpoint", self.epochs)

    def _between(self) -> None:
        """What was asked for meanwhile, and the automatic checkpoint."""
        if self._signal is None and not self._save_asked and not self._pause_asked:
            return
        self._save()
        if self._signal is None and not self._pause_asked:
            return
        number, self._signal, self._pause_asked = self._signal, None, False
        self._paused = True
        self._stages.tell("pause", self)
        if number is None:
            raise _Paused
        at = self.position
        told = (
            "a checkpoint holds everything: run the same command to go on"
            if self._journal is not None
            else "nothing is on disk: call train() again to go on"
        )
        raise Interrupted(
            f"stopped in epoch {at.epoch} after {self._done} of {self.train_data.iterations(at.epoch)} iterations; "
            f"{told}",
            number,
        )

    def _save(self) -> None:
        self._save_asked = False
        self._autosave.start()
        if not self._validating:
            self._kept = self._kept.with_(callbacks=self._stages.memory())
        if self._journal is not None:
            self._stages.tell("save", self)
            history = History.joined([History.empty(), *self._history])
            self._journal.save(Checkpoint(self._kept, self._finite_variables(), history))
            self._saved, self._saved_at = self.position.iteration, self._clock()

    def _finite_variables(self) -> dict[str, np.ndarray]:
        """The learner's variables for a checkpoint; one that is not finite would only be found out much later."""
        variables = self.learner.variables()
        for name, value in variables.items():
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                at = self.position
                raise TrainingError(
                    f"{name} holds a number that is not finite in epoch {at.epoch} after {self._done} iterations: "
                    "training stops and the last good checkpoint stays; a lower learning rate or gradient clipping "
                    "may help"
                )
        return variables

    def _tell(self, phase: Phase, last: int, batch: str = "", loss: float | None = None) -> None:
        if self._watch is None:
            return
        at = self.position
        if phase == "done":
            at = Position(at.epoch - 1, len(self.train_data), at.iteration)
        done, iterations = self.train_data.done(at), self.train_data.iterations(at.epoch)
        best = self._kept.best
        latest = self.results[-1] if self.results else None
        self._watch(
            Progress(
                phase=phase,
                epoch=at.epoch,
                epochs=max(last, self.epochs),
                iteration=done,
                iterations=iterations,
                batch=batch,
                loss=loss,
                iterations_per_second=self._meter.rate,
                seconds_left_epoch=self._meter.seconds_left(iterations - done),
                seconds_left_run=self._meter.seconds_left(iterations * (self.epochs - at.epoch + 1) - done),
                metrics=(latest.validation or latest.train) if latest else {},
                key_metric=self.key_metric,
                best=None if best is None else best.value,
                best_epoch=None if best is None else best.epoch,
                **self._curves,
                maximize=self.maximize,
            )
        )


class _Paused(Exception):
    """Training was paused."""


def _metrics(given: Sequence[str | Metric], key_metric: str, kind: Kind) -> tuple[tuple[Metric, ...], str, bool]:
    """The metrics, the key metric's own name, and whether more of it is better."""
    found = [names.get(one) if isinstance(one, str) else one for one in given]
    if key_metric == "loss":
        return tuple(found), key_metric, False
    known = {metric.name: metric for metric in found}
    key = known.get(key_metric) or names.find(key_metric)
    if key is None:
        raise SettingsError(f"key_metric must be loss or a metric; {names.hint(key_metric)}, got {key_metric!r}")
    if kind not in key.kinds:
        raise SettingsError(f"key_metric: {key.name} does not fit labels that are {kind}")
    return tuple(found) if key.name in known else (*found, key), key.name, key.maximize


def _feed(data: Feed | Batches) -> Feed:
    if isinstance(data, Batches):
        return BatchFeed(data)
    return data
