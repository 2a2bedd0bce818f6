"""The train loop: fits, validates, remembers, and can be stopped between any two groups of iterations."""

import signal as signals_module
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deeptrain.errors import Interrupted, TrainingError
from deeptrain.loading import arrays
from deeptrain.loading.arrays import Arrays
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.batches import Batches
from deeptrain.loading.feed import Feed, Group
from deeptrain.loading.position import Position
from deeptrain.loading.preprocessing import remembering
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.metrics.metric import Kind, Metric
from deeptrain.metrics.of_output import MetricOfOutput
from deeptrain.training import judging, signals
from deeptrain.training.callbacks import Callback, memory_of
from deeptrain.training.history import History
from deeptrain.training.journal import Checkpoint, Journal
from deeptrain.training.learner import Fitted, Learner
from deeptrain.training.outputs import OutputKind, as_labels, interpret
from deeptrain.training.pace import Pace
from deeptrain.training.progress import Meter, Phase, Progress
from deeptrain.training.results import Results
from deeptrain.training.state import Best, TrainState
from deeptrain.training.tally import Tally


class Trainer:
    """Trains a learner, epoch by epoch, and stands between two calls exactly where it stopped.

    Law: stopping at any point and training on gives the same weights, histories and metrics as never having stopped.

    Attributes:
        learner: what is trained.
        state: where training stands; a value, replaced after every group of iterations.
        results: what each epoch came to, from the first.
        key_metric: the metric that tells which epoch is best.
        maximize: whether more of it is better.
    """

    def __init__(
        self,
        learner: Learner,
        train_data: Feed | Batches,
        val_data: Feed | Batches | None = None,
        *,
        epochs: int = 1,
        kind: Kind | Mapping[str, Kind] = "binary",
        outputs: OutputKind = "probabilities",
        metrics: Sequence[Metric] | Sequence[MetricOfOutput] = (),
        key_metric: str = "loss",
        callbacks: Mapping[str, Callback] | None = None,
        autosave_seconds: float = 60.0,
        journal: Journal | None = None,
        watch: Callable[[Progress], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Stand at the beginning, or with a journal at its newest checkpoint.

        Args:
            learner: what is trained; its variables are set when a checkpoint is found.
            train_data: what it is fit on; batches, or windows of sequences.
            val_data: what each epoch is validated on; without it the key metric is of the training batches.
            epochs: how many `train` trains; may be raised later.
            kind: of the task, by output where there are several.
            outputs: what the model's outputs are.
            metrics: computed for each epoch.
            key_metric: "loss" or one of the metrics' names.
            callbacks: act at the end of each epoch, in this order.
            autosave_seconds: the most that a crash costs.
            journal: writes epochs, states and checkpoints; without it nothing is written.
            watch: is told where training stands after every group of iterations.
            clock: seconds from any origin.

        Raises:
            LockedError: when another process writes the same training.
            TrainingError: when the checkpoint does not fit the learner.
        """
        self.learner = learner
        self.train_data = _feed(train_data)
        self.val_data = None if val_data is None else _feed(val_data)
        self._windowed = isinstance(self.train_data, WindowFeed)
        self._remembering = remembering(self.train_data.preprocessors)
        self.epochs = epochs
        self.kind = kind
        self.outputs: OutputKind = outputs
        self.metrics: tuple[Metric | MetricOfOutput, ...] = tuple(metrics)
        chosen = {metric.name: metric for metric in self.metrics}.get(key_metric)
        if key_metric != "loss" and chosen is None:
            raise TrainingError(f"key_metric must be loss or one of {[m.name for m in metrics]}, got {key_metric}")
        self.key_metric = key_metric
        self.maximize = chosen is not None and chosen.maximize
        self.callbacks = dict(callbacks or {})
        self.autosave_seconds = autosave_seconds
        self.results: list[Results] = []
        self.state = TrainState()
        self._journal = journal
        self._rebuilding = False
        self._watch = watch
        self._clock = clock
        self._meter = Meter(clock)
        self._history: list[History] = []
        self._saved_at = clock()
        self._curves: dict[str, Any] = {}
        self._signal: int | None = None
        self._save_asked = False
        self._stop_reason: str | None = None
        self._pace = Pace(self.train_data.iteration_bytes)
        self._failed = False
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
    def position(self) -> Position:
        """The next iteration to be fit."""
        return self.state.position

    def train(self, until: int | None = None) -> TrainState:
        """Train until an epoch has ended, and return where training stands then.

        Ctrl-C, SIGTERM and `interrupt` stop between two groups of iterations, after writing a checkpoint; calling
        `train` again goes on as if nothing had happened.

        Args:
            until: the last epoch to train; by default all of `epochs`.

        Raises:
            Interrupted: when it was asked to stop.
            TrainingError: when the loss is not finite, or this trainer failed before.
        """
        if self._failed:
            raise TrainingError(
                "this trainer failed, and may stand in the middle of an iteration: make a new one, "
                "which goes on from the last checkpoint"
            )
        last = self.epochs if until is None else until
        try:
            with signals.handled(self.interrupt, self.save_soon):
                while self.position.epoch <= last and self.state.stopped is None:
                    self._epoch(last)
                    self._skip_what_is_done(last)
                self._between()
        except Interrupted:
            raise
        except BaseException:
            self._failed = True
            self.close()
            raise
        if self.position.epoch > self.epochs or self.state.stopped is not None:
            self._tell("done", last)
        return self.state

    def stop(self, reason: str) -> None:
        """End training with the epoch that is being finished; for callbacks."""
        self._stop_reason = reason

    def interrupt(self, signal_number: int = signals_module.SIGINT) -> None:
        """Stop as soon as the running group of iterations has ended, after writing a checkpoint."""
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
        self.state = checkpoint.state
        self._history = [checkpoint.history]
        self._remember(journal.results(self.position.epoch - 1))
        for name, callback in self.callbacks.items():
            if name in checkpoint.state.callbacks:
                callback.restore(checkpoint.state.callbacks[name])
        self._remember_preprocessing()

    def _remember_preprocessing(self) -> None:
        for name, preprocessor in self._remembering.items():
            if name in self.state.preprocessors:
                preprocessor.restore(self.state.preprocessors[name])

    def _remember(self, results: Sequence[Results]) -> None:
        self.results.extend(results)
        self._curves = {
            "losses": tuple(result.train["loss"] for result in self.results),
            "validation_losses": tuple(result.validation["loss"] for result in self.results if result.validation),
            "key_values": tuple(result.key_value for result in self.results),
        }

    def _epoch(self, last: int) -> None:
        self._meter.start(self._done)
        while self.position.batch < len(self.train_data):
            self._group(last)
            self._between()
        validation = self._validate(last)
        self._finish(validation)
        self._between()

    def _group(self, last: int) -> None:
        """Fit the next iterations of equal shapes in one call."""
        at = self.position
        begun = self._clock()
        group = self.train_data.group(at, self._pace.size)
        fitted = self.learner.fit(group.x, group.y, weights=group.weights, mask=group.mask, begins=group.begins)
        losses = fitted.losses
        self._refuse_non_finite(losses, at)
        steps = np.arange(len(group), dtype=np.int64)
        windows = at.window + steps if self._windowed else np.zeros_like(steps)
        batches = np.full_like(steps, at.batch) if self._windowed else at.batch + steps
        self._history.append(History(at.iteration + steps, batches, windows, group.counted, losses.astype(np.float32)))
        # One assignment: an exception before it leaves the state where the group began, and none can come within.
        self.state = self.state.with_(
            position=self.train_data.after(at, len(group)),
            tally=self._tallied(fitted, group),
            preprocessors=self._preprocessing(),
        )
        self._pace.took(len(group), self._clock() - begun)
        self._meter.tell(self._done)
        if self._watch is not None:
            newest = self.train_data.name(self._behind(at, len(group) - 1))
            self._tell("fit", last, newest, float(losses[-1]))
        if self.position.batch == len(self.train_data):
            self._tell("validate", last)

    def _tallied(self, fitted: Fitted, group: Group) -> Tally:
        y, outputs = group.y, fitted.outputs
        told: Arrays = fitted.losses
        if isinstance(y, Mapping) and all(f"{name}.loss" in fitted.metrics for name in y):
            told = {"loss": fitted.losses, **fitted.metrics}
        if outputs is None or isinstance(outputs, Mapping) != isinstance(told, Mapping):
            # A step of the user's own may tell no outputs, or no loss of each.
            nothing = np.zeros((len(fitted.losses), int(group.counted[0])))
            return self.state.tally.plus(fitted.losses, nothing, nothing, "values", group.real)
        said = interpret(outputs, self.kind, self.outputs)
        return self.state.tally.plus(told, y, said, self.kind, group.real)

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
        if self.val_data is None:
            return {}
        found, outputs = judging.evaluate(self.learner, self.val_data, self._between_validating)
        probabilities = interpret(outputs, self.kind, self.outputs)
        if not (arrays.finite(probabilities) and np.isfinite(found["loss"])):
            raise TrainingError(
                f"the model's outputs for the validation split, or its loss, are not finite after epoch "
                f"{self.position.epoch}: training stops and the last good checkpoint stays"
            )
        if self.metrics:
            labels: Any = self.val_data.labels
            said: Any = as_labels(probabilities, labels, self.kind)
            found |= {metric.name: metric(labels, said) for metric in self.metrics}
        self._remember_preprocessing()  # what validation showed them is not theirs to keep
        self._tell("checkpoint", last)
        return found

    def _between_validating(self) -> None:
        self._remember_preprocessing()
        self._between()

    def _finish(self, validation: dict[str, float]) -> None:
        """End the epoch: results, best, callbacks, and the epoch's checkpoint."""
        at = self.position
        train = self.state.tally.results(self.metrics)
        key_value = (validation or train)[self.key_metric] if self.key_metric in (validation or train) else float("nan")
        best = self.state.best
        sign = 1.0 if self.maximize else -1.0
        is_best = not np.isnan(key_value) and (best is None or sign * key_value > sign * best.value)
        if is_best:
            best = Best(at.epoch, key_value)
        draft = Results(at.epoch, at.iteration, train, validation, self.learner.learning_rate, key_value, is_best, None)
        self._stop_reason = None
        for callback in self.callbacks.values():
            callback.epoch_end(self, draft)
        results = Results(
            at.epoch, at.iteration, train, validation, self.learner.learning_rate, key_value, is_best, self._stop_reason
        )
        state = TrainState(
            position=at.next_epoch(),
            tally=Tally(),
            best=best,
            stopped=self._stop_reason,
            callbacks={name: memory_of(name, callback) for name, callback in self.callbacks.items()},
            preprocessors=self.state.preprocessors,
        )
        durable = True
        if self._journal is not None:
            history = History.joined([History.empty(), *self._history])
            durable = self._journal.publish(Checkpoint(state, self._finite_variables(), history), results)
        self._remember([results])
        self._history = []
        self.state = state
        if durable:
            self._saved_at = self._clock()
        self._tell("checkpoint", self.epochs)

    def _between(self) -> None:
        """What was asked for meanwhile, and the automatic checkpoint."""
        due = self._clock() - self._saved_at >= self.autosave_seconds
        if self._signal is None and not self._save_asked and not due:
            return
        self._save()
        if self._signal is not None:
            number, self._signal = self._signal, None
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
        self._saved_at = self._clock()
        if self._journal is not None:
            history = History.joined([History.empty(), *self._history])
            self._journal.save(Checkpoint(self.state, self._finite_variables(), history))

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
        best = self.state.best
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


def _feed(data: Feed | Batches) -> Feed:
    if isinstance(data, Batches):
        return BatchFeed(data)
    return data
