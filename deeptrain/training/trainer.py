"""The trainer: a training as a person has it in hand, to run, step, look at and change between two iterations."""

import signal as signals_module
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from numbers import Integral
from pathlib import Path
from typing import Any

from deeptrain.errors import SettingsError, TrainingError
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.batches import Batches
from deeptrain.loading.feed import Feed, Group
from deeptrain.loading.position import Position
from deeptrain.metrics.chosen import Named
from deeptrain.metrics.metric import Kind
from deeptrain.metrics.of_output import MetricOfOutput
from deeptrain.training import metric_choice, set_losses
from deeptrain.training.callbacks.naming import named
from deeptrain.training.fitting import FittedGroup
from deeptrain.training.frequency import Every
from deeptrain.training.health import Health, Policy
from deeptrain.training.history import History
from deeptrain.training.interventions import Intervention, Key
from deeptrain.training.journal import Checkpoint, Journal
from deeptrain.training.judging import Judged
from deeptrain.training.learner import Learner
from deeptrain.training.loop import Loop
from deeptrain.training.outputs import OutputKind
from deeptrain.training.phases import Phase, Phases
from deeptrain.training.progress import Progress
from deeptrain.training.results import Results
from deeptrain.training.set_losses import SetLosses
from deeptrain.training.standing import Standing
from deeptrain.training.validation import Validated

EACH_EPOCH = Every(epochs=1)
EACH_MINUTE = Every(seconds=60.0)


class Trainer:
    """Trains a learner, and stands between two calls exactly where it stopped.

    Law: stopping at any point and training on gives the same weights, histories and metrics as never having stopped.

    Attributes:
        learner: what is trained.
        val_data: what it is judged on, or None.
        metrics: computed for each validation.
        key_metric: the metric that tells which epoch is best.
        maximize: whether more of it is better.
        health: looks at every layer after each validation; its `findings` are those of the newest look.
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
        maximize: bool | None = None,
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
            key_metric: "loss" or a metric's name; it need not be among `metrics`, and may be one of the model's own.
            maximize: whether more of a key metric that the model computes is better; None of any other, which tells it.
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
        if validate.seconds is not None:
            raise SettingsError("validate: a clock would make two runs differ; expected iterations, batches or epochs")
        if validate.validations is not None or autosave.validations is not None:
            raise SettingsError("validate and autosave: expected another frequency than validations, which they set")
        of_training = Phases(phases, _feed(train_data))
        self.learner = learner
        self.val_data = None if val_data is None else _feed(val_data)
        self.epochs = epochs
        self.kind: Kind | Mapping[str, Kind] = kind or of_training.data(1).split.info.kind
        self.outputs: OutputKind = outputs
        chosen = metric_choice.choose(metrics, key_metric, self.kind, learner, maximize)
        self.metrics, self.key_metric, self.maximize = chosen
        self.health = health if isinstance(health, Health) else Health(health)
        self._loop = Loop(
            self,
            of_training,
            named(callbacks),
            validate=validate,
            autosave=autosave,
            journal=journal,
            watch=watch,
            clock=clock,
        )
        self._loop.open(epochs, begin)

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
            SettingsError: for a name or an epoch that is none.
        """
        from deeptrain import session as sessions

        return sessions.opened(file, _whole("open: epoch", epoch), store, session, settings)

    @property
    def state(self) -> Standing:
        """Everything that is known now, as plain attributes."""
        loop, record = self._loop, self._loop.record
        return Standing(
            kept=record.kept,
            data=self.train_data,
            epochs=self.epochs,
            results=record.results,
            newest=None if loop.epochs.newest is None else loop.epochs.newest.last,
            learning_rate=self.learner.learning_rate,
            key_metric=self.key_metric,
            maximize=self.maximize,
            paused=loop.requests.paused,
            iterations_per_second=loop.display.meter.rate,
            saved=record.saved,
            seconds_at_risk=record.seconds_at_risk,
            health=self.health.findings,
            _parts=record.parts,
            _count=len(record.parts),
        )

    def __str__(self) -> str:
        """Where it stands, on one screen."""
        return str(self.state)

    __repr__ = __str__

    @property
    def training(self) -> bool:
        """Whether it trains, or waits in a pause, at this moment."""
        return self._loop.driving

    @property
    def position(self) -> Position:
        """The next iteration to be fit."""
        return self._loop.record.kept.position

    @property
    def train_data(self) -> Feed:
        """What is fit in this epoch."""
        return self._loop.course.data

    @property
    def epochs(self) -> int:
        """How many `train` trains; may be raised or lowered between two calls."""
        return self._epochs

    @epochs.setter
    def epochs(self, number: int) -> None:
        self._epochs = _whole("epochs", number)

    @property
    def newest(self) -> FittedGroup | None:
        """The newest group of iterations, None before the first here or behind a checkpoint that was loaded."""
        return self._loop.epochs.newest

    @property
    def judged(self) -> Judged | None:
        """The newest iteration of a validation, None before the first of this process."""
        return self._loop.validations.judged

    @property
    def validated(self) -> Validated | None:
        """The newest validation of the whole split, None before the first of this process."""
        return self._loop.validations.newest

    @property
    def results(self) -> Sequence[Results]:
        """What each epoch came to, from the first."""
        return self._loop.record.results

    def history(self) -> History:
        """Every iteration since the training began, one row each; read from disk where it is written."""
        return self._loop.record.history()

    def losses_by_set(self, epochs: Sequence[int] | None = None) -> SetLosses:
        """The loss of every batch of some epochs, told of each set it held.

        Args:
            epochs: that have ended, from 1; by default all of them.

        Raises:
            TrainingError: for an epoch that has not.
        """
        asked = [one.epoch for one in self.results] if epochs is None else epochs
        for epoch in asked:
            if not 1 <= epoch <= len(self.results):
                raise TrainingError(f"losses_by_set: expected epochs from 1 to {len(self.results)}, got {epoch}")
        return set_losses.of(self.history(), self.results, self._loop.course.phases.data, asked)

    @property
    def interventions(self) -> Sequence[Intervention]:
        """What was changed by hand, in order."""
        return self._loop.record.interventions

    @property
    def live(self) -> Path | None:
        """Where callbacks may write what is no result: beside the run's artifacts; None where nothing is written."""
        return None if self._loop.record.journal is None else self._loop.record.journal.live

    @property
    def callbacks(self) -> Mapping[str, Any]:
        """What acts while training, by name and in order; others may be set between two calls.

        Where the training is written, its own callbacks stay, and only such may be added behind them that keep nothing:
        `trainer.callbacks = {**trainer.callbacks, "mine": mine}`. That they only look is theirs to see to.
        """
        return self._loop.stages.callbacks

    @callbacks.setter
    def callbacks(self, given: Sequence[Any] | Mapping[str, Any]) -> None:
        found = named(given)
        own = list(self.callbacks.items())
        added = list(found.items())[len(own) :]
        if list(found.items())[: len(own)] != own or any(hasattr(one, "state") for _, one in added):
            self._loop.record.refuse_unwritten("callbacks")
        self._loop.call(found)

    @property
    def threshold(self) -> float:
        """Above which probability a sample counts as positive in the metrics of training and validation.

        Set by a callback it is part of what training keeps; set by hand between two calls it is an intervention.
        """
        return self._loop.record.kept.threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        if self._loop.driving:
            self._loop.record.keep(threshold=float(value))
        else:
            self._loop.intervene("threshold", value)

    def train(self, until: int | None = None) -> Standing:
        """Train until an epoch has ended, and return where training stands then.

        Ctrl-C, SIGTERM and `interrupt` stop between two groups of iterations, after writing a checkpoint; calling
        `train` again goes on as if nothing had happened.

        Args:
            until: the last epoch to train; by default all of `epochs`.

        Raises:
            SettingsError: for an epoch that is no integer.
            Interrupted: when it was asked to stop.
            TrainingError: when the loss is not finite, or this trainer failed before.
        """
        last = self.epochs if until is None else _whole("train: until", until)
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
            SettingsError: when more than one is said, or one is no integer of at least 0.
            Interrupted: when it was asked to stop.
            TrainingError: when the loss is not finite, or this trainer failed before.
        """
        said = [one for one in (iterations, batches, epochs, until) if one is not None]
        if len(said) > 1:
            raise SettingsError("step: expected one of iterations, batches, epochs and until")
        for name, number in (("iterations", iterations), ("batches", batches), ("epochs", epochs)):
            if number is not None:
                _whole(f"step: {name}", number)
        if epochs is not None:
            return self._drive(lambda: True, min(self.position.epoch + epochs - 1, self.epochs))
        if until is not None:
            return self._drive(lambda: not until(self.state), self.epochs, lambda: 1)
        if batches is not None:
            last_batch = self._loop.record.kept.batches + batches
            return self._counted(lambda: last_batch - self._loop.record.kept.batches)
        goal = self.position.iteration + (1 if iterations is None else iterations)
        return self._counted(lambda: goal - self.position.iteration)

    def validate(self) -> dict[str, float]:
        """The loss and all metrics over the validation split now. Nothing of training changes, no callback is told.

        Raises:
            TrainingError: when there is no validation data, or outputs are not finite.
        """
        return self.judge().metrics

    def judge(self) -> Validated:
        """What `validate` finds, with the labels and outputs of every sample.

        Raises:
            TrainingError: when there is no validation data, or outputs are not finite.
        """
        if self.val_data is None:
            raise TrainingError("validate: this trainer has no validation data")
        return self._loop.judge(self.val_data, lambda *_: None)

    def replay(self, iteration: int) -> Group:
        """What was fit in an iteration: inputs, labels and weights, made again from the data.

        Preprocessors that keep something keep nothing of it. For an iteration of the batch that was fit last, in
        whichever process, they are as they were then; for an older one they are as they are now.

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
        since = rows.window[-1] - rows.window[iteration]  # a batch that came twice by hand begins anew
        newest = rows.batch[-1] == rows.batch[iteration] and since == len(rows) - 1 - iteration
        group = self._loop.course.again(at, newest=bool(newest))
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
        it is said as a phase in the experiment's file, or done in a session (`Trainer.open`), where loss, optimizer and
        frozen layers are interventions, too, if they are Keras' own and so have a name that can be written down.

        Args:
            learning_rate: of the next iteration on.
            threshold: above which probability a sample counts as positive in metrics.
            loss: what the learner takes for one.
            optimizer: makes a new one, whose state begins anew.
            frozen: patterns of names of layers that are not trained; () to train all again.
            data: what is fit from the next epoch on.

        Raises:
            SettingsError: for what is no data, no number, or makes no optimizer.
            TrainingError: when it cannot be written down, or the learner cannot change it.
        """
        by_name: dict[Key, Any] = {"frozen": frozen, "loss": loss, "optimizer": optimizer}
        feed = None if data is None else _feed(data)
        if optimizer is not None and not callable(optimizer):
            raise SettingsError(
                "optimizer: expected a function that makes one, such as lambda: keras.optimizers.SGD(0.01), got "
                f"{optimizer!r:.80}"
            )
        for name, value in [*by_name.items(), ("data", data)]:
            if value is not None:
                self._loop.record.refuse_unwritten(name)
        numbers: dict[Key, Any] = {"learning_rate": learning_rate, "threshold": threshold}
        numbers = {key: value for key, value in numbers.items() if value is not None}
        for key, value in numbers.items():
            self._loop.by_hand.checked(key, value)  # before anything acts
        said = {key: self._loop.by_hand.said(key, value) for key, value in by_name.items() if value is not None}
        unsaid = {key: by_name[key] for key, found in said.items() if found is None}
        Phase(epoch=1, **unsaid).change(self.learner)
        self._loop.by_hand.tell_unsaid([*unsaid, *([] if feed is None else ["data"])])
        for key, found in said.items():
            if found is not None:
                self._loop.intervene(key, found)
        if feed is not None:
            self._loop.course.phases = self._loop.course.phases.followed_by(
                Phase(epoch=self.position.epoch + 1, data=feed)
            )
        for key, value in numbers.items():
            self._loop.intervene(key, value)

    def skip(self, batches: int = 1) -> None:
        """Leave out the next batches of this epoch; an intervention.

        Raises:
            TrainingError: when there are not so many, or a batch of sequences is in its middle.
        """
        left = len(self.train_data) - self._loop.by_hand.next_batch
        if self.position.window or not 1 <= batches <= left:
            raise TrainingError(
                f"skip: expected 1 to the {left} batches left of this epoch, between two, got {batches}"
            )
        self._loop.intervene("skip", batches)

    def repeat(self, batches: int = 1) -> None:
        """Fit the last batches of this epoch once more, before what would come next; an intervention.

        Raises:
            TrainingError: when not so many were fit, or a batch of sequences is in its middle.
        """
        fit = self._loop.by_hand.next_batch
        if self.position.window or not 1 <= batches <= fit:
            raise TrainingError(
                f"repeat: expected 1 to the {fit} batches fit in this epoch, between two, got {batches}"
            )
        self._loop.intervene("repeat", batches)

    def stop(self, reason: str) -> None:
        """End training with the epoch that is being finished; for callbacks, and by hand where nothing is written."""
        if not self._loop.driving:
            self._loop.record.refuse_unwritten("stop")
        self._loop.record.keep(stopping=reason)

    def pause(self) -> None:
        """Stop as soon as the running group of iterations has ended, after writing a checkpoint; `train` goes on."""
        self._loop.requests.pause()

    def interrupt(self, signal_number: int = signals_module.SIGINT) -> None:
        """As `pause`, but `train` raises `Interrupted`; what Ctrl-C and SIGTERM do."""
        self._loop.requests.interrupt(signal_number)

    def interrupt_after_epoch(self, signal_number: int = signals_module.SIGUSR1) -> None:
        """As `interrupt`, when the epoch that is trained is done; what SIGUSR1 does."""
        self._loop.requests.interrupt_after_epoch(signal_number)

    def ask(self, text: str) -> "Future[str]":
        """Say something to this trainer while it trains, from another thread, as a mailbox or a page does.

        Args:
            text: one of `messages.WORDS`, such as "pause", "status", "lr 1e-4".

        Returns:
            The answer, a line, when it was acted on; of a trainer that stands still, when it trains again.

        Raises:
            MessageError: for a text that is no message.
        """
        return self._loop.ask(text)

    def save_soon(self) -> None:
        """Write a checkpoint as soon as the running group of iterations has ended."""
        self._loop.requests.save()

    def pass_on(self) -> None:
        """Between two epochs, where `train` has written all it had to, let others write it until `take_back`."""
        if self._loop.record.journal is not None:
            self._loop.record.journal.close()

    def take_back(self) -> bool:
        """Be the one who writes this training again.

        Returns:
            Whether it is as it was left. If not this trainer may not stand where it does: close it, and make a new one.

        Raises:
            LockedError: while another process writes it.
        """
        return self._loop.record.journal is None or self._loop.record.journal.open_again()

    def close(self) -> None:
        """Let another process write this training, and end reading ahead; where it is written, it trains no more."""
        self._loop.close()

    def _counted(self, left: Callable[[], int]) -> Standing:
        return self._drive(lambda: left() > 0, self.epochs, left)

    def _drive(self, goes_on: Callable[[], bool], last: int, most: Callable[[], int] | None = None) -> Standing:
        self._loop.drive(goes_on, last, most)
        return self.state


def _feed(data: Feed | Batches) -> Feed:
    if isinstance(data, Batches):
        return BatchFeed(data)
    if not hasattr(data, "group"):
        raise SettingsError(f"data: expected Batches, or a feed of them, got {type(data).__name__}")
    return data


def _whole(name: str, value: Any) -> int:
    """A number of things, or none.

    Raises:
        SettingsError: for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
        raise SettingsError(f"{name} must be an integer of at least 0, got {value!r}")
    return int(value)
