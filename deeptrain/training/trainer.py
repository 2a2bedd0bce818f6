"""The train loop: fits, validates, remembers, and can be stopped between any two groups of iterations."""

import functools
import signal as signals_module
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deeptrain.errors import BatchError, Interrupted, SettingsError, TrainingError, UnhealthyError
from deeptrain.loading.arrays import Arrays
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.batches import Batches
from deeptrain.loading.feed import Feed, Group
from deeptrain.loading.position import Position
from deeptrain.loading.preprocessing import remembering
from deeptrain.metrics.chosen import Named
from deeptrain.metrics.metric import Kind
from deeptrain.metrics.of_output import MetricOfOutput
from deeptrain.training import metric_choice, set_losses, signals, validation
from deeptrain.training import tally as tallies
from deeptrain.training.by_hand import ByHand
from deeptrain.training.callbacks.memory import memory_of
from deeptrain.training.callbacks.naming import named
from deeptrain.training.callbacks.stages import Stages
from deeptrain.training.frequency import Counts, Every, Schedule
from deeptrain.training.health import Health, Policy
from deeptrain.training.history import History
from deeptrain.training.interventions import Intervention, Key
from deeptrain.training.journal import Checkpoint, Journal
from deeptrain.training.judging import Judged
from deeptrain.training.learner import Fitted, Learner, Measuring
from deeptrain.training.outputs import OutputKind, interpret
from deeptrain.training.pace import Pace
from deeptrain.training.phases import Phase, Phases
from deeptrain.training.progress import Meter, Progress
from deeptrain.training.progress import Phase as Doing
from deeptrain.training.record import Record
from deeptrain.training.results import Results, Validation
from deeptrain.training.set_losses import SetLosses
from deeptrain.training.standing import Standing
from deeptrain.training.state import Best
from deeptrain.training.tally import Tally
from deeptrain.training.validation import Validated

EACH_EPOCH = Every(epochs=1)
EACH_MINUTE = Every(seconds=60.0)


@dataclass(frozen=True)
class FittedGroup:
    """Iterations that were fit in one call; one, where a callback acts at every iteration.

    Attributes:
        at: the position of the first of them.
        last: the position of the last of them.
        group: inputs and labels, (iterations, batch, ...).
        fitted: losses, (iterations,) float32, and outputs, (iterations, batch, ...).
    """

    at: Position
    last: Position
    group: Group
    fitted: Fitted


class Trainer:
    """Trains a learner, and stands between two calls exactly where it stopped.

    Law: stopping at any point and training on gives the same weights, histories and metrics as never having stopped.

    Attributes:
        learner: what is trained.
        train_data: what it is fit on in this epoch.
        val_data: what it is judged on, or None.
        epochs: how many `train` trains; may be raised between two calls.
        metrics: computed for each validation.
        key_metric: the metric that tells which epoch is best.
        maximize: whether more of it is better.
        health: looks at every layer after each validation; its `findings` are those of the newest look.
        newest: the newest group of iterations, None before the first of this process.
        judged: the newest iteration of a validation, None before the first of this process.
        validated: the newest validation of the whole split, None before the first of this process.
    """

    def __init__(
        self,
        learner: Learner,
        train_data: Feed | Batches,
        val_data: Feed | Batches | None = None,
        *,
        epochs: int = 1,
        kind: Kind | Mapping[str, Kind] | None = None,
        outputs: OutputKind = "probabilities",
        metrics: Sequence[Named | MetricOfOutput] = (),
        key_metric: str = "loss",
        callbacks: Sequence[Any] | Mapping[str, Any] = (),
        phases: Sequence[Phase] = (),
        validate: Every = EACH_EPOCH,
        autosave: Every = EACH_MINUTE,
        health: Health | Policy = "tell",
        journal: Journal | None = None,
        begin: tuple[Journal, Checkpoint] | None = None,
        watch: Callable[[Progress], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Stand at the beginning, or with a journal at its newest checkpoint.

        Args:
            learner: what is trained; its variables are set when a checkpoint is found.
            train_data: what it is fit on; batches, or windows of sequences.
            val_data: what it is validated on; without it the key metric is of the training batches.
            epochs: how many `train` trains; may be raised later.
            kind: of the task, by output where there are several; by default that of the data.
            outputs: what the model's outputs are.
            metrics: computed for each validation: names, metrics, or functions of (y_true, y_pred[, sample_weight][,
                threshold]).
            key_metric: "loss" or a metric's name; it need not be among `metrics`.
            callbacks: see `Callback`; act in this order.
            phases: what is different from some epochs on.
            validate: how often the validation split is judged; not by the clock.
            autosave: how often a checkpoint is written beside those of the epochs' ends: the most that a crash costs.
            health: what is done when weights or gradients are not finite, dead, large or explode: see `Health`.
            journal: writes epochs, states and checkpoints; without it nothing is written.
            begin: without a journal, stand at a checkpoint of another one, which is not written to.
            watch: is told where training stands after every group of iterations.
            clock: seconds from any origin.

        Raises:
            LockedError: when another process writes the same training.
            SettingsError: for metrics that do not exist or do not fit, and for phases and frequencies.
            TrainingError: when the checkpoint does not fit the learner.
        """
        self.learner = learner
        self.val_data = None if val_data is None else _feed(val_data)
        self._phases = Phases(phases, _feed(train_data))
        self._gone: list[Phase] = []
        self._take(1)
        self.epochs = epochs
        self.kind: Kind | Mapping[str, Kind] = kind or self.train_data.split.info.kind
        self.outputs: OutputKind = outputs
        self.metrics, self.key_metric, self.maximize = metric_choice.choose(metrics, key_metric, self.kind)
        metric_choice.check_names(self.metrics, learner)
        if validate.seconds is not None:
            raise SettingsError("validate: a clock would make two runs differ; expected iterations, batches or epochs")
        if validate.validations is not None or autosave.validations is not None:
            raise SettingsError("validate and autosave: expected another frequency than validations, which they set")
        self._validate_every = validate
        self._clock = clock
        self.health = health if isinstance(health, Health) else Health(health)
        self._record = Record(journal, clock, rolls_back=self.health.rolls_back)
        self._callbacks = named(callbacks)
        self._stages = Stages(self._callbacks, clock)
        self._driving = True
        self.newest: FittedGroup | None = None
        self.judged: Judged | None = None
        self.validated: Validated | None = None
        self._watch = watch
        self._meter = Meter(clock)
        self._autosave = Schedule(autosave, clock)
        self._signal: int | None = None
        self._save_asked = False
        self._pause_asked = False
        self._paused = False
        self._validating = False
        self._failed = False
        self._closed = False
        self._begun = 0  # the newest epoch that was begun here
        self._by_hand = ByHand(self._record, learner)
        self._keep(preprocessors=self._preprocessing())
        self._stages.tell("init", self)
        try:
            checkpoint = self._record.open(epochs) if begin is None else begin[1]
            if checkpoint is not None:
                if checkpoint.state.position.epoch == 1:
                    self.health.begin(self._beginning, 1)
                self._stand_at(checkpoint, None if begin is None else begin[0])
        except BaseException:
            self._record.close()
            raise
        self._by_hand.seen()
        self._driving = False

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

    @classmethod
    def open(
        cls,
        file: str | Path,
        epoch: int,
        *,
        store: str | Path | None = None,
        session: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> "Trainer":
        """A trainer that stands at the end of an epoch of a run, to look at it or to go on differently.

        The run itself is never written to. Anything may be changed by hand.

        Args:
            file: the experiment's TOML file.
            epoch: an epoch that is done and whose state is on disk.
            store: the directory of runs.
            session: a name: what is trained is written to `sessions/NAME` in the run, which no task reads, and opening
                it again goes on there; without it nothing is written.
            settings: other values for dotted keys, as the run was made with.

        Raises:
            ArtifactError: when the epoch is not done, or its state was not kept.
            SettingsError: for a name that is none.
        """
        from deeptrain import session as sessions

        return sessions.opened(file, epoch, store, session, settings)

    @property
    def state(self) -> Standing:
        """Everything that is known now, as plain attributes."""
        record = self._record
        return Standing(
            kept=record.kept,
            data=self.train_data,
            epochs=self.epochs,
            results=tuple(record.results),
            newest=None if self.newest is None else self.newest.last,
            learning_rate=self.learner.learning_rate,
            key_metric=self.key_metric,
            maximize=self.maximize,
            paused=self._paused,
            iterations_per_second=self._meter.rate,
            saved=record.saved,
            seconds_at_risk=None if record.journal is None else max(self._clock() - record.saved_at, 0.0),
            _parts=record.parts,
            _count=len(record.parts),
        )

    def __str__(self) -> str:
        """Where it stands, on one screen."""
        return str(self.state)

    @property
    def position(self) -> Position:
        """The next iteration to be fit."""
        return self._record.kept.position

    @property
    def results(self) -> Sequence[Results]:
        """What each epoch came to, from the first."""
        return self._record.results

    def history(self) -> History:
        """Every iteration since the training began, one row each; read from disk where it is written."""
        return self._record.history()

    def losses_by_set(self, epochs: Sequence[int] | None = None) -> SetLosses:
        """The loss of every batch of some epochs, told of each set it held.

        Args:
            epochs: that have ended, from 1; by default all of them.
        """
        asked = [one.epoch for one in self.results] if epochs is None else epochs
        return set_losses.of(self.history(), self.results, self._phases.data, asked)

    @property
    def interventions(self) -> Sequence[Intervention]:
        """What was changed by hand, in order."""
        return self._record.interventions

    @property
    def live(self) -> Path | None:
        """Where callbacks may write what is no result: beside the run's artifacts; None where nothing is written."""
        return None if self._record.journal is None else self._record.journal.live

    @property
    def callbacks(self) -> Mapping[str, Any]:
        """What acts while training, by name and in order; others may be set between two calls.

        Where the training is written, its own callbacks stay, and only such may be added behind them that keep nothing:
        `trainer.callbacks = {**trainer.callbacks, "mine": mine}`. That they only look is theirs to see to.
        """
        return self._callbacks

    @callbacks.setter
    def callbacks(self, given: Sequence[Any] | Mapping[str, Any]) -> None:
        found = named(given)
        own = list(self._callbacks.items())
        added = list(found.items())[len(own) :]
        if list(found.items())[: len(own)] != own or any(hasattr(one, "state") for _, one in added):
            self._refuse_unwritten("callbacks")
        self._callbacks = found
        self._stages = Stages(self._callbacks, self._clock)

    @property
    def threshold(self) -> float:
        """Above which probability a sample counts as positive in the metrics of training and validation.

        Set by a callback it is part of what training keeps; set by hand between two calls it is an intervention.
        """
        return self._record.kept.threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        if self._driving:
            self._keep(threshold=float(value))
        else:
            self._intervene("threshold", value)

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
        return self._drive(lambda: True, last)

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
            return self._drive(lambda: True, min(self.position.epoch + epochs - 1, self.epochs))
        if until is not None:
            return self._drive(lambda: not until(self.state), self.epochs, lambda: 1)
        if batches is not None:
            last_batch = self._record.kept.batches + batches
            return self._counted(lambda: last_batch - self._record.kept.batches)
        goal = self.position.iteration + (1 if iterations is None else iterations)
        return self._counted(lambda: goal - self.position.iteration)

    def validate(self) -> dict[str, float]:
        """The loss and all metrics over the validation split now. Nothing of training changes, no callback is told.

        Raises:
            TrainingError: when there is no validation data, or outputs are not finite.
        """
        if self.val_data is None:
            raise TrainingError("validate: this trainer has no validation data")
        try:
            self._remember_preprocessing()
            return self._judge(self.val_data, lambda *_: None).metrics
        finally:
            self._remember_preprocessing()

    def replay(self, iteration: int) -> Group:
        """What was fit in an iteration: inputs, labels and weights, made again from the data.

        Preprocessors that keep something are as they are now; they keep nothing of it.

        Args:
            iteration: counted from 0 since the training began.

        Raises:
            TrainingError: when it has not been fit.
        """
        rows = self.history()
        if not 0 <= iteration < len(rows):
            raise TrainingError(f"replay: expected an iteration from 0 to {len(rows) - 1}, got {iteration}")
        epoch = 1 + sum(iteration >= results.iterations for results in self.results)
        at = Position(epoch, int(rows.batch[iteration]), iteration, int(rows.window[iteration]))
        try:
            group = self._phases.data(epoch).group(at, 1)
        finally:
            self._remember_preprocessing()
        if group is None:
            raise TrainingError(f"replay: preprocessors make nothing of batch {at.batch} of epoch {epoch} any more")
        return group

    def change(
        self,
        *,
        learning_rate: float | None = None,
        threshold: float | None = None,
        loss: Any = None,
        optimizer: Callable[[], Any] | None = None,
        frozen: Sequence[str] | None = None,
        data: Feed | Batches | None = None,
    ) -> None:
        """Change something by hand, from the next iteration on.

        Where the training is written, learning rate and threshold become interventions, and anything else is refused:
        it is said as a phase in the experiment's file, or done in a session (`Trainer.open`).

        Args:
            learning_rate: of the next iteration on.
            threshold: above which probability a sample counts as positive in metrics.
            loss: what the learner takes for one.
            optimizer: makes a new one, whose state begins anew.
            frozen: patterns of names of layers that are not trained; () to train all again.
            data: what is fit from the next epoch on.

        Raises:
            TrainingError: when it cannot be written down, or the learner cannot change it.
        """
        for name, value in (("loss", loss), ("optimizer", optimizer), ("frozen", frozen), ("data", data)):
            if value is not None:
                self._refuse_unwritten(name)
        Phase(epoch=1, loss=loss, optimizer=optimizer, frozen=frozen).change(self.learner)
        if data is not None:
            self._phases = self._phases.followed_by(Phase(epoch=self.position.epoch + 1, data=_feed(data)))
        if learning_rate is not None:
            self._intervene("learning_rate", learning_rate)
        if threshold is not None:
            self._intervene("threshold", threshold)

    def skip(self, batches: int = 1) -> None:
        """Leave out the next batches of this epoch; an intervention.

        Raises:
            TrainingError: when there are not so many, or a batch of sequences is in its middle.
        """
        left = len(self.train_data) - self._by_hand.next_batch
        if self.position.window or not 1 <= batches <= left:
            raise TrainingError(
                f"skip: expected 1 to the {left} batches left of this epoch, between two, got {batches}"
            )
        self._intervene("skip", batches)

    def repeat(self, batches: int = 1) -> None:
        """Fit the last batches of this epoch once more, before what would come next; an intervention.

        Raises:
            TrainingError: when not so many were fit, or a batch of sequences is in its middle.
        """
        fit = self._by_hand.next_batch
        if self.position.window or not 1 <= batches <= fit:
            raise TrainingError(
                f"repeat: expected 1 to the {fit} batches fit in this epoch, between two, got {batches}"
            )
        self._intervene("repeat", batches)

    def stop(self, reason: str) -> None:
        """End training with the epoch that is being finished; for callbacks, and by hand where nothing is written."""
        if not self._driving:
            self._refuse_unwritten("stop")
        self._keep(stopping=reason)

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
        """Let another process write this training, and end reading ahead; where it is written, it trains no more."""
        self._closed = True
        for feed in self._phases.feeds:
            feed.close()
        if self.val_data is not None:
            self.val_data.close()
        self._record.close()

    def _keep(self, **changes: Any) -> None:
        self._record.kept = self._record.kept.with_(**changes)

    def _take(self, epoch: int) -> None:
        """Take the data that an epoch is fit on."""
        data = self._phases.data(epoch)
        if getattr(self, "train_data", None) is data:
            return
        self.train_data = data
        self._remembering = remembering(data.preprocessors)
        self._pace = Pace(data.iteration_bytes)

    def _refuse_unwritten(self, name: str) -> None:
        journal = self._record.journal
        if journal is not None and journal.run.base is None:
            raise TrainingError(
                f"{name} cannot be changed by hand in a training that is written: say it in the experiment's file "
                "([[training.phases]] for what begins with an epoch), or open a session of its own: "
                "Trainer.open(file, epoch, session=name)"
            )

    def _counted(self, left: Callable[[], int]) -> Standing:
        return self._drive(lambda: left() > 0, self.epochs, left)

    def _drive(self, goes_on: Callable[[], bool], last: int, most: Callable[[], int] | None = None) -> Standing:
        """Train up to the end of an epoch while a condition holds and nothing stops it.

        Args:
            goes_on: looked at after every group of iterations.
            last: the last epoch to train.
            most: how many iterations may be fit in one call at most; asked before each.
        """
        self._refuse_ended()
        if self._by_hand.rate is not None:
            self._intervene("learning_rate", self._by_hand.rate)
        self._driving = True
        try:
            with signals.handled(self.interrupt, self.save_soon):
                self._go_on()
                self._between()
                self._skip_what_is_done(last)
                while self.position.epoch <= last and self._record.kept.stopped is None and goes_on():
                    try:
                        self._advance(last, most)
                    except UnhealthyError as error:
                        self.health.tell(self.learner.variables)
                        self._roll_back(error)
                self._between()
                self._record.settle()
                if self._ended:
                    self._stages.tell("end", self)
                    self._between()  # what was asked for meanwhile
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
        finally:
            self._driving = False
        if self._ended:
            self._tell("done", last)
        self._by_hand.seen()
        return self.state

    def _refuse_ended(self) -> None:
        """Neither a trainer that failed nor one that was closed goes on: another may write by now."""
        if self._failed:
            raise TrainingError(
                "this trainer failed, and may stand in the middle of an iteration: make a new one, "
                "which goes on from the last checkpoint"
            )
        if self._closed and self._record.journal is not None:
            raise TrainingError("this trainer was closed, and another may write its training: make a new one")

    @property
    def _ended(self) -> bool:
        return self.position.epoch > self.epochs or self._record.kept.stopped is not None

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

    def _intervene(self, key: Key, value: float) -> None:
        """Write down a change by hand, then let it act: at once, or behind what comes before the next iteration."""
        self._refuse_ended()
        if self.health.times(self._record.kept):
            raise TrainingError(
                f"{key}: epoch {self.position.epoch} was begun anew with a lower learning rate, and what is changed by "
                "hand in it could not act again in its place: change it in the next epoch"
            )
        self._by_hand.write(key, value)
        if not self._within_due and not self._begins_epoch:
            self._act_by_hand()
        self._by_hand.seen()

    def _act_by_hand(self) -> None:
        """Let the changes by hand act that wait here."""
        batch = self.position.batch
        self._by_hand.act()
        if self.position.batch != batch:
            self._remember_preprocessing()  # the batch that was just fit would otherwise come with what it began with

    def _advance(self, last: int, most: Callable[[], int] | None) -> None:
        """Validate within the epoch, end it, or fit the next group: whichever is next."""
        if self._within_due:
            metrics = self._validate(last)
            self._keep(within=(*self._record.kept.within, Validation(self.position.iteration, metrics)))
            self._meter.start(self._done)
            self._between()
            return
        self._begin_epoch()
        self._act_by_hand()
        if self.position.batch < len(self.train_data):
            self._group(last, most)
            self._between()
            return
        if not self._done:
            raise TrainingError(
                f"preprocessors left nothing of any batch of epoch {self.position.epoch}, or all were skipped: no "
                "iteration was fit; their pieces(batch, rng) must give at least one in an epoch"
            )
        due = self._validate_every.due("epoch", Counts(epochs=self.position.epoch)) or self._now_due
        self._finish(self._validate(last) if due and self.val_data is not None else {})
        self._save_asked |= self._autosave.due("time", self._counts, lambda: self.state)
        self._between()
        self._skip_what_is_done(last)

    def _skip_what_is_done(self, last: int) -> None:
        checkpoint = self._record.further(last)
        if checkpoint is not None:
            self._stand_at(checkpoint)
            self._paused = False

    @property
    def _begins_epoch(self) -> bool:
        """Whether nothing of this epoch was fit; its first batch may come again by hand."""
        return self.position.begins_epoch and not self._done

    @property
    def _within_due(self) -> bool:
        """Whether a validation within the epoch is due here and was not made."""
        at = self.position
        inside = self.val_data is not None and not self._begins_epoch and at.batch < len(self.train_data)
        return inside and self._record.kept.validated != at.iteration and self._now_due

    @property
    def _now_due(self) -> bool:
        every = self._validate_every
        return every.due("iteration", self._counts) or (every.when is not None and every.when(self.state))

    @property
    def _counts(self) -> Counts:
        kept = self._record.kept
        at = kept.position
        return Counts(at.iteration, kept.batches, at.epoch - 1, kept.validations, at.window == 0)

    def _stand_at(self, checkpoint: Checkpoint, source: Journal | None = None) -> None:
        at = checkpoint.state.position
        for phase in self._phases.begun(at.epoch, within=not checkpoint.begins_epoch):
            self._begin(phase)
        self._take(at.epoch)
        self.train_data.close()  # what it knows of the batch being fed is of another time
        self.learner.restore(checkpoint.variables)
        self._record.stand_at(checkpoint, source)
        self._begun = 0
        self._stages.remember(checkpoint.state.callbacks)
        self._remember_preprocessing()
        self._by_hand.seen()
        self._paused = True
        self._stages.tell("load", self)

    def _beginning(self) -> Checkpoint:
        """The state at the beginning of an epoch."""
        kept = self._record.kept.with_(callbacks=self._stages.memory())
        return Checkpoint(kept, self.learner.variables(), History.empty())

    def _roll_back(self, error: UnhealthyError) -> None:
        """Stand at the beginning of this epoch again, which lowers the learning rate; or raise what was found."""
        epoch = self.position.epoch
        phase = self._phases.beginning(epoch)
        good = self.health.back(
            error,
            self._record.kept,
            rate=self.learner.learning_rate,
            phase=phase,
            by_hand=any(one.epoch == epoch for one in self.interventions),
            written=lambda: self._record.end_of(epoch - 1),
        )
        self.train_data.close()
        self.learner.restore(good.variables)
        self._record.roll_back(good.state)
        self._begun = 0
        self._gone = [one for one in self._gone if one is not phase]  # its learning rate is that of the beginning
        self._stages.remember(good.state.callbacks)
        self._remember_preprocessing()
        self.newest = None
        self._stages.tell("load", self)

    def _begin_epoch(self) -> None:
        """Begin an epoch, once: its phase, then callbacks; changes by hand act after that."""
        epoch = self.position.epoch
        if not self._begins_epoch or self._begun == epoch:
            return
        self._begun = epoch
        self.health.begin(self._beginning, epoch)
        self._meter.start(0)
        phase = self._phases.beginning(epoch)
        if phase is not None:
            self._begin(phase)
        if isinstance(self.learner, Measuring):
            self.learner.reset_metrics()
        self._stages.tell("epoch_begin", self)
        self.health.lower(self.learner, self._record.kept)

    def _begin(self, phase: Phase) -> None:
        """Change the learner as a phase says, if that was not done."""
        if phase not in self._gone:
            phase.change(self.learner)
            self._gone.append(phase)

    def _remember_preprocessing(self) -> None:
        """Let preprocessors stand where the batch that is being fit began; what is fed goes on from there by itself."""
        if self._remembering:
            self.train_data.close()
        for name, preprocessor in self._remembering.items():
            if name in self._record.kept.preprocessors:
                preprocessor.restore(self._record.kept.preprocessors[name])

    def _group(self, last: int, most: Callable[[], int] | None) -> None:
        """Fit the next iterations of equal shapes in one call."""
        at = self.position
        if at.window == 0:
            self._stages.tell("batch_begin", self)
        self._stages.tell("iteration_begin", self)
        begun = self._clock()
        group = self.train_data.group(at, self._size(most))
        if group is None:
            self._stand_behind(self.train_data.after(at, 0))
        else:
            self._fit(group, at)
            self._pace.took(len(group), self._clock() - begun)
            self._meter.tell(self._done)
            self._stages.tell("iteration_end", self)
        if self.position.window == 0:
            self._stages.tell("batch_end", self)
        if group is not None and self.newest is not None:
            self._stages.act("iteration", self._counts, self)
            self._save_asked |= self._autosave.due("iteration", self._counts, lambda: self.state)
            self._tell("fit", last, functools.partial(self.train_data.name, self.newest.last), self._record.loss)
        if self.position.batch == len(self.train_data):
            self._tell("validate", last)

    def _fit(self, group: Group, at: Position) -> None:
        """Fit a group that begins at a position; training stands behind it then."""
        try:
            fitted = self.learner.fit(group.x, group.y, weights=group.weights, mask=group.mask, begins=group.begins)
        except BatchError as error:
            raise TrainingError(f"{self._place(self._behind(at, error.iteration))}: {error}") from error
        self._refuse_non_finite(fitted.losses, at)
        tally, metrics = self._tallied(group, fitted)
        steps = np.arange(len(group), dtype=np.int64)
        parted = self.train_data.in_parts
        windows = at.window + steps if parted else np.zeros_like(steps)
        batches = np.full_like(steps, at.batch) if parted else at.batch + steps
        losses = fitted.losses.astype(np.float32)
        rows = History(at.iteration + steps, batches, windows, group.counted, losses, metrics)
        self._stand_behind(self.train_data.after(at, len(group)), tally=tally)
        self._record.parts.append(rows)
        # Now: once the batch is left, the way to its last iteration would lead through preprocessors that went on.
        self.newest = FittedGroup(at, self._behind(at, len(group) - 1), group, fitted)

    def _stand_behind(self, to: Position, **changes: Any) -> None:
        """Stand at a later position of the epoch.

        A checkpoint in the middle of a batch holds what preprocessors kept when it began: they see it again from there.
        """
        kept = self._record.kept
        preprocessors = kept.preprocessors if to.window else self._preprocessing()
        batches = kept.batches + to.batch - kept.position.batch
        # One assignment: an exception before it leaves the state where the group began.
        self._keep(position=to, batches=batches, preprocessors=preprocessors, **changes)

    def _size(self, most: Callable[[], int] | None) -> int:
        """How many iterations the next call may fit: up to the next event that needs Python."""
        counts, pending = self._counts, self._by_hand.pending
        limits = [
            self._stages.until_due(counts),
            self._validate_every.until_due(counts) if self.val_data is not None else None,
            self._autosave.every.until_due(counts),
            None if pending is None else pending.iteration - counts.iterations,
            None if most is None else most(),
        ]
        return min([self._pace.size, *(limit for limit in limits if limit is not None)])

    def _tallied(self, group: Group, fitted: Fitted) -> tuple[Tally, dict[str, np.ndarray]]:
        """The epoch's sums after a group, and the metrics of each of its iterations."""
        y, outputs = group.y, fitted.outputs
        losses: Arrays = fitted.losses
        if isinstance(y, Mapping) and all(f"{name}.loss" in fitted.metrics for name in y):
            losses = {"loss": fitted.losses, **fitted.metrics}
        counts: tallies.Counts = {}
        if outputs is not None and isinstance(outputs, Mapping) == isinstance(losses, Mapping):
            # Otherwise a step of the user's own told no outputs, or no loss of each.
            said = interpret(outputs, self.kind, self.outputs)
            counts = tallies.confusion(y, said, self.kind, group.real, self.threshold, group.counts_as)
        tally = self._record.kept.tally.plus(losses, counts, y, group.real)
        return tally, {**fitted.metrics, **tallies.by_iteration(counts, self.metrics)}

    def _preprocessing(self) -> dict[str, dict[str, Any]]:
        """What preprocessors keep, as a checkpoint holds it."""
        return {name: memory_of(name, preprocessor) for name, preprocessor in self._remembering.items()}

    def _behind(self, at: Position, iterations: int) -> Position:
        return self.train_data.after(at, iterations) if iterations else at

    @property
    def _done(self) -> int:
        """Iterations of this epoch that are done."""
        return self.position.iteration - self._record.begun

    def _refuse_non_finite(self, losses: np.ndarray, at: Position) -> None:
        bad = np.flatnonzero(~np.isfinite(losses))
        if not len(bad):
            return
        raise UnhealthyError(f"the loss became {losses[bad[0]]} in {self._place(self._behind(at, int(bad[0])))}")

    def _place(self, at: Position) -> str:
        """An iteration in words."""
        name, sets = self.train_data.name(at), ", ".join(map(str, self.train_data.sets(at)[:8]))
        return f"epoch {at.epoch}, iteration {at.iteration} (counted from 0), batch {name}, sets {sets}"

    def _validate(self, last: int) -> dict[str, float]:
        """Judge the validation split, and tell callbacks."""
        if self.val_data is None:
            return {}
        # What is kept from here on is what was kept before: a validation that is broken off begins anew.
        self._keep(callbacks=self._stages.memory())
        self._validating = True
        try:
            self._stages.tell("validation_begin", self)
            self._remember_preprocessing()  # within a batch they went ahead, and would not have after a stop here
            self.validated = self._judge(self.val_data, self._told)
            self._remember_preprocessing()  # what validation showed them is not theirs to keep
            self._stages.tell("validation_end", self, self.validated.metrics)
        except BaseException:
            self._stages.remember(self._record.kept.callbacks)
            self._remember_preprocessing()
            raise
        finally:
            self._validating = False
        self._keep(validations=self._record.kept.validations + 1, validated=self.position.iteration)
        self._look()
        self._stages.act("validation", self._counts, self)
        self._tell("checkpoint", last)
        return self.validated.metrics

    def _look(self) -> None:
        """Look at the health of every layer."""
        self._record.kept = self.health.look(self.learner.variables, self._record.kept)

    def _judge(self, data: Feed, told: Callable[[str, Judged | None], None]) -> Validated:
        return validation.validate(self.learner, data, self.kind, self.outputs, self.metrics, self.threshold, told)

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
        if not validation:
            self._look()
        at, kept = self.position, self._record.kept
        train = kept.tally.results(self.metrics) | dict(
            self.learner.metrics() if isinstance(self.learner, Measuring) else {}
        )
        judged = validation if self.val_data is not None else train
        key_value = judged.get(self.key_metric, float("nan"))
        best = kept.best
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
                stopped=self._record.kept.stopping,
                within=kept.within,
            )

        self._stages.tell("epoch_end", self, results())
        self._stages.act("epoch", Counts(epochs=at.epoch), self)
        ended = results()
        state = self._record.kept.with_(
            position=at.next_epoch(),
            tally=Tally(),
            within=(),
            best=best,
            stopping=None,
            stopped=ended.stopped,
            callbacks=self._stages.memory(),
        )
        if self._record.journal is not None:
            self._stages.tell("save", self)
        if self._record.end_epoch(state, ended, self.learner.variables()):
            self._autosave.start()
        else:
            self._save_asked |= self.health.rolls_back  # the next epoch may have to be begun anew from here
        self._take(state.position.epoch)
        self._tell("checkpoint", self.epochs)

    def _between(self) -> None:
        """What was asked for meanwhile, and the automatic checkpoint."""
        self._record.settle(wait=False)
        if self._signal is None and not self._save_asked and not self._pause_asked:
            return
        self._save()
        if self._signal is None and not self._pause_asked:
            return
        self._record.settle()  # whoever is told that training stopped may end the process
        number, self._signal, self._pause_asked = self._signal, None, False
        self._paused = True
        self._stages.tell("pause", self)
        self._by_hand.seen()
        if number is None:
            raise _Paused
        at = self.position
        told = (
            "a checkpoint holds everything: run the same command to go on"
            if self._record.journal is not None
            else "nothing is on disk: call train() again to go on"
        )
        about = "about " if self.train_data.estimates else ""
        whole = self._done + self.train_data.left(at, self._done)
        raise Interrupted(
            f"stopped in epoch {at.epoch} after {self._done} of {about}{whole} iterations; {told}",
            number,
        )

    def _save(self) -> None:
        self._save_asked = False
        self._autosave.start()
        if not self._validating:
            self._keep(callbacks=self._stages.memory())
        if self._record.journal is not None:
            self._stages.tell("save", self)
            self._record.save(self.learner.variables())

    def _tell(self, phase: Doing, last: int, fitting: Callable[[], str] = str, loss: float | None = None) -> None:
        if self._watch is None:
            return
        at, done = self.position, self._done
        if phase == "done":
            ends = [0, 0, *(result.iterations for result in self.results)]
            done = ends[-1] - ends[-2]
            at = Position(at.epoch - 1, len(self.train_data), at.iteration)
        iterations = done + self.train_data.left(at, done)
        best = self._record.kept.best
        latest = self._record.results[-1] if self._record.results else None
        self._watch(
            Progress(
                phase=phase,
                epoch=at.epoch,
                epochs=max(last, self.epochs),
                iteration=done,
                iterations=iterations,
                fitting=fitting,
                loss=loss,
                iterations_per_second=self._meter.rate,
                seconds_left_epoch=self._meter.seconds_left(iterations - done),
                seconds_left_run=self._meter.seconds_left(iterations * (self.epochs - at.epoch + 1) - done),
                metrics=(latest.validation or latest.train) if latest else {},
                key_metric=self.key_metric,
                best=None if best is None else best.value,
                best_epoch=None if best is None else best.epoch,
                **self._record.curves,
                maximize=self.maximize,
                findings=self.health.findings,
            )
        )


class _Paused(Exception):
    """Training was paused."""


def _feed(data: Feed | Batches) -> Feed:
    if isinstance(data, Batches):
        return BatchFeed(data)
    return data
