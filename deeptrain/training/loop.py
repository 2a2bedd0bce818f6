"""The train loop: fits, validates, ends epochs, and can be stopped between any two groups of iterations."""

import contextlib
import functools
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from deeptrain.errors import Interrupted, TrainingError, UnhealthyError
from deeptrain.loading.feed import Feed
from deeptrain.training import fitting, messages, signals, validation
from deeptrain.training.by_hand import ByHand
from deeptrain.training.callbacks.stages import Stages
from deeptrain.training.course import Course
from deeptrain.training.display import Display
from deeptrain.training.fitting import FittedGroup
from deeptrain.training.frequency import Counts, Every
from deeptrain.training.history import History
from deeptrain.training.interventions import Key
from deeptrain.training.journal import Checkpoint, Journal
from deeptrain.training.judging import Judged, Told
from deeptrain.training.learner import Measuring
from deeptrain.training.mailbox import Mailbox
from deeptrain.training.phases import Phases
from deeptrain.training.postman import Postman
from deeptrain.training.progress import Phase, Progress
from deeptrain.training.record import Record
from deeptrain.training.requests import Paused, Requests
from deeptrain.training.results import Results, Validation
from deeptrain.training.state import best_of
from deeptrain.training.tally import Tally
from deeptrain.training.validation import Validated

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer


class Loop:
    """Does what comes next in a training, again and again: a validation, an epoch's beginning or end, a group.

    What a person may set between two calls (the learner, what it is judged on, how many epochs) it reads of the
    trainer, which is also what callbacks are handed; what training has come to is in its own parts. The trainer owns
    its loop, which does not keep it: one that is let go of is freed at once, with the samples it may have on disk.

    Attributes:
        record: the state, histories and results, and what of them is written.
        course: the data of this epoch, and the phases.
        stages: the callbacks.
        by_hand: the changes by hand.
        requests: what is asked from outside.
        display: who watches.
        newest: the newest group of iterations, None before the first of this process.
        judged: the newest iteration of a validation, None before the first of this process.
        validated: the newest validation of the whole split, None before the first of this process.
        driving: whether it runs, or callbacks are being made ready: what they change is no change by hand.
    """

    def __init__(
        self,
        trainer: "Trainer",
        phases: Phases,
        callbacks: Mapping[str, Any],
        *,
        validate: Every,
        autosave: Every,
        journal: Journal | None,
        watch: Callable[[Progress], None] | None,
        clock: Callable[[], float],
    ) -> None:
        """Stand before the first iteration.

        Args:
            trainer: what is run; `open` may be called when it is made.
            phases: with the data of each.
            callbacks: by name, in order.
            validate: how often the validation split is judged.
            autosave: how often a checkpoint is written within an epoch.
            journal: writes epochs, states and checkpoints, if it is not None.
            watch: is told where training stands.
            clock: seconds from any origin.
        """
        self._owner = weakref.ref(trainer)
        self._clock = clock
        self._validate_every = validate
        self.record = Record(journal, clock, rolls_back=trainer.health.rolls_back)
        self.course = Course(phases, trainer.learner, self.record)
        self.stages = Stages(callbacks, clock)
        self.by_hand = ByHand(self.record, trainer.learner, self.course)
        self.display = Display(watch, self.record, clock)
        self.requests = Requests(self.record, self.display, autosave, clock)
        self._mailbox = None if journal is None or journal.live is None else Mailbox(journal.live)
        self._postman: Postman | None = None
        self.newest: FittedGroup | None = None
        self.judged: Judged | None = None
        self.validated: Validated | None = None
        self.driving = True
        self._validating = False
        self._failed = False
        self._closed = False
        self._begun = 0  # the newest epoch that was begun here

    @property
    def _trainer(self) -> "Trainer":
        trainer = self._owner()
        assert trainer is not None  # noqa: S101 - who calls the loop is the trainer, or is called by it
        return trainer

    def open(self, epochs: int, begin: tuple[Journal, Checkpoint] | None) -> None:
        """Tell callbacks of the trainer, then stand at a checkpoint that was given, or at the newest that was written.

        Raises:
            LockedError: when another process writes the same training.
        """
        self.stages.tell("init", self._trainer)
        try:
            source, checkpoint = (None, self.record.open(epochs)) if begin is None else begin
            if self._mailbox is not None:
                self._mailbox.sweep()  # messages are for whoever trained when they were sent
            if checkpoint is not None:
                if checkpoint.state.position.epoch == 1:
                    self._trainer.health.begin(self._beginning, 1)
                self._stand_at(checkpoint, source)
        except BaseException:
            self.record.close()
            raise
        self.by_hand.seen()
        self.driving = False

    def drive(self, goes_on: Callable[[], bool], last: int, most: Callable[[], int] | None = None) -> None:
        """Train up to the end of an epoch while a condition holds and nothing stops it.

        Args:
            goes_on: looked at after every group of iterations.
            last: the last epoch to train.
            most: how many iterations may be fit in one call at most; asked before each.
        """
        if self.driving:
            raise TrainingError(
                "this trainer is training: a callback may call neither train nor step; trainer.pause() stops it "
                "between two iterations"
            )
        self._refuse_ended()
        if self.by_hand.rate is not None:
            self.intervene("learning_rate", self.by_hand.rate)
        trainer, record = self._trainer, self.record
        self.driving = True
        try:
            with self._reachable():
                self._go_on()
                self._answer()
                self._skip_what_is_done(last)
                while record.kept.position.epoch <= last and record.kept.stopped is None and goes_on():
                    try:
                        self._advance(last, most)
                    except UnhealthyError as error:
                        trainer.health.tell(trainer.learner.variables)
                        self._roll_back(error)
                self._answer()
                record.settle()
                if self._ended:
                    self.stages.tell("end", trainer)
                    self._answer()  # what was asked for meanwhile
        except Paused:
            pass
        except Interrupted:
            self.by_hand.seen()
            raise
        except BaseException as error:
            self._failed = True
            if isinstance(error, Exception):
                self.stages.tell_of_failure(trainer, error)
            self.close()
            raise
        finally:
            self.driving = False
        if self._ended:
            self.display.tell("done", trainer, last)
        self.by_hand.seen()

    def call(self, callbacks: Mapping[str, Any]) -> None:
        """Tell others from now on."""
        self.stages = Stages(callbacks, self._clock)

    def close(self) -> None:
        """Let another process write, and end reading ahead."""
        self._closed = True
        self.requests.give_up()
        if self._postman is not None:
            self._postman.close()
        self.course.close()
        if self._trainer.val_data is not None:
            self._trainer.val_data.close()
        self.record.close()

    def ask(self, text: str) -> "Future[str]":
        """Take a message, from any thread; its answer comes when it was acted on, at once where nothing is to be done.

        Raises:
            MessageError: for a text that is none.
        """
        message = messages.parse(text)
        if message.word not in messages.AT_ONCE:
            return self.requests.ask(message)
        said: Future[str] = Future()
        said.set_result(messages.at_once(text, self._progress))
        return said

    def intervene(self, key: Key, value: Any) -> None:
        """Write down a change by hand, then let it act: at once, or behind what comes before the next iteration."""
        self._refuse_ended()
        kept = self.record.kept
        if self._trainer.health.times(kept):
            raise TrainingError(
                f"{key}: epoch {kept.position.epoch} was begun anew with a lower learning rate, and what is changed by "
                "hand in it could not act again in its place: change it in the next epoch"
            )
        self.record.keep(callbacks=self.stages.memory())  # it is in the checkpoint that is written now
        self.by_hand.write(key, value)
        if not self._within_due and not self.record.begins_epoch:
            self._act_by_hand()
        self.by_hand.seen()

    def judge(self, data: Feed, told: Told) -> Validated:
        """Judge a split as the learner is now; what that shows preprocessors is not theirs to keep."""
        trainer = self._trainer
        self.course.remember()  # within a batch they went ahead, and would not have after a stop here
        try:
            return validation.validate(
                trainer.learner, data, trainer.kind, trainer.outputs, trainer.metrics, trainer.threshold, told
            )
        finally:
            self.course.remember()

    def _refuse_ended(self) -> None:
        """Neither a trainer that failed nor one that was closed goes on: another may write by now."""
        if self._failed:
            raise TrainingError(
                "this trainer failed, and may stand in the middle of an iteration: make a new one, "
                "which goes on from the last checkpoint"
            )
        if self._closed and self.record.journal is not None:
            raise TrainingError("this trainer was closed, and another may write its training: make a new one")

    @property
    def _progress(self) -> Progress:
        """Where training stands, as any thread may ask."""
        ended = not self.driving and self._ended
        busy: Phase = "done" if ended else "validate" if self._validating else "fit"
        return self.display.now("paused" if self.requests.paused and not ended else busy, self._trainer)

    @contextlib.contextmanager
    def _reachable(self) -> Iterator[None]:
        """Take signals within the block, and messages from then on."""
        if self._mailbox is not None and self._postman is None:
            self._postman = Postman(self._mailbox, self)
        requests = self.requests
        with signals.handled(requests.interrupt, requests.save, requests.interrupt_after_epoch):
            yield

    @property
    def _ended(self) -> bool:
        return self.record.kept.position.epoch > self._trainer.epochs or self.record.kept.stopped is not None

    def _go_on(self) -> None:
        self.display.meter.start(self.record.done)
        self.stages.start()
        if self.requests.paused:
            self.requests.paused = False
            self.stages.tell("resume", self._trainer)

    # What comes next.

    def _advance(self, last: int, most: Callable[[], int] | None) -> None:
        """Validate within the epoch, end it, or fit the next group: whichever is next."""
        record, data = self.record, self.course.data
        if self._within_due:
            metrics = self._validate(last)
            record.keep(within=(*record.kept.within, Validation(record.kept.position.iteration, metrics)))
            self.display.meter.start(record.done)
            self._answer()
            return
        self._begin_epoch()
        self._act_by_hand()
        at = record.kept.position
        if at.batch < len(data):
            self._group(last, most)
            self._answer()
            return
        if not record.done:
            raise TrainingError(
                f"preprocessors left nothing of any batch of epoch {at.epoch}, or all were skipped: no "
                "iteration was fit; their pieces(batch, rng) must give at least one in an epoch"
            )
        due = self._validate_every.due("epoch", Counts(epochs=at.epoch)) or self._now_due
        self._finish(self._validate(last) if due and self._trainer.val_data is not None else {})
        self.requests.epoch_ended()
        self.requests.save_if_due("time", self._trainer)
        self._answer()
        self._skip_what_is_done(last)

    def _skip_what_is_done(self, last: int) -> None:
        checkpoint = self.record.further(last)
        if checkpoint is not None:
            self._stand_at(checkpoint)
            self.requests.paused = False

    @property
    def _within_due(self) -> bool:
        """Whether a validation within the epoch is due here and was not made."""
        at = self.record.kept.position
        inside = (
            self._trainer.val_data is not None and not self.record.begins_epoch and at.batch < len(self.course.data)
        )
        return inside and self.record.kept.validated != at.iteration and self._now_due

    @property
    def _now_due(self) -> bool:
        every = self._validate_every
        return every.due("iteration", self.record.counts) or (
            every.when is not None and every.when(self._trainer.state)
        )

    def _act_by_hand(self) -> None:
        """Let the changes by hand act that wait here."""
        batch = self.record.kept.position.batch
        self.by_hand.act()
        if self.record.kept.position.batch != batch:
            self.course.remember()  # the batch that was just fit would otherwise come with what it began with

    # Where training stands.

    def _stand_at(self, checkpoint: Checkpoint, source: Journal | None = None) -> None:
        state = checkpoint.state
        by_hand = self.by_hand.phases(0 if source is not None else state.interventions)
        self.course.stand_at(state.position, by_hand, within=not checkpoint.begins_epoch)
        self._trainer.learner.restore(checkpoint.variables)
        self.record.stand_at(checkpoint, source)
        self._stand_anew()
        self.by_hand.seen()
        self.requests.paused = True
        self.stages.tell("load", self._trainer)

    def _roll_back(self, error: UnhealthyError) -> None:
        """Stand at the beginning of this epoch again, which lowers the learning rate; or raise what was found."""
        record, learner = self.record, self._trainer.learner
        epoch = record.kept.position.epoch
        good = self._trainer.health.back(
            error,
            record.kept,
            rate=learner.learning_rate,
            phase=self.course.phases.beginning(epoch),
            by_hand=any(one.epoch == epoch for one in record.interventions),
            written=lambda: record.end_of(epoch - 1),
        )
        self.course.begin_anew(epoch)
        learner.restore(good.variables)
        record.roll_back(good.state)
        self._stand_anew()
        self.newest = None
        self.stages.tell("load", self._trainer)

    def _stand_anew(self) -> None:
        """Callbacks and preprocessors remember what the record holds, of which nothing was begun here."""
        self._begun = 0
        self.stages.remember(self.record.kept.callbacks)
        self.course.remember()

    def _beginning(self) -> Checkpoint:
        """The state at the beginning of an epoch."""
        kept = self.record.kept.with_(callbacks=self.stages.memory())
        return Checkpoint(kept, self._trainer.learner.variables(), History.empty())

    # What an epoch is made of.

    def _begin_epoch(self) -> None:
        """Begin an epoch, once: its phase, then callbacks; changes by hand act after that."""
        trainer, epoch = self._trainer, self.record.kept.position.epoch
        if not self.record.begins_epoch or self._begun == epoch:
            return
        self._begun = epoch
        trainer.health.begin(self._beginning, epoch)
        self.display.meter.start(0)
        phase = self.course.phases.beginning(epoch)
        if phase is not None:
            self.course.begin(phase)
        if isinstance(trainer.learner, Measuring):
            trainer.learner.reset_metrics()
        self.stages.tell("epoch_begin", trainer)
        trainer.health.lower(trainer.learner, self.record.kept)

    def _group(self, last: int, most: Callable[[], int] | None) -> None:
        """Fit the next iterations of equal shapes in one call."""
        trainer, record, course = self._trainer, self.record, self.course
        at = record.kept.position
        if at.window == 0:
            self.stages.tell("batch_begin", trainer)
        self.stages.tell("iteration_begin", trainer)
        begun = self._clock()
        group = course.data.group(at, self._size(most))
        if group is None:
            course.leave(at, 0)
        else:
            newest = fitting.fit(trainer.learner, course.data, group, at)
            tally, metrics = fitting.tallied(
                newest, record.kept.tally, trainer.kind, trainer.outputs, trainer.metrics, trainer.threshold
            )
            rows = fitting.rows(newest, metrics, in_parts=course.data.in_parts)
            course.leave(at, len(group), tally=tally)
            record.parts.append(rows)
            self.newest = newest
            course.pace.took(len(group), self._clock() - begun)
            self.display.meter.tell(record.done)
            self.stages.tell("iteration_end", trainer)
        if record.kept.position.window == 0:
            self.stages.tell("batch_end", trainer)
        if group is not None and self.newest is not None:
            self.stages.act("iteration", self.record.counts, trainer)
            self.requests.save_if_due("iteration", trainer)
            name = functools.partial(course.data.name, self.newest.last)
            self.display.tell("fit", trainer, last, name, record.loss)
        if record.kept.position.batch == len(course.data):
            self.display.tell("validate", trainer, last)

    def _size(self, most: Callable[[], int] | None) -> int:
        """How many iterations the next call may fit: up to the next event that needs Python."""
        counts, pending = self.record.counts, self.by_hand.pending
        limits = [
            self.stages.until_due(counts),
            self._validate_every.until_due(counts) if self._trainer.val_data is not None else None,
            self.requests.autosave.every.until_due(counts),
            None if pending is None else pending.iteration - counts.iterations,
            None if most is None else most(),
        ]
        return min([self.course.pace.size, *(limit for limit in limits if limit is not None)])

    def _validate(self, last: int) -> dict[str, float]:
        """Judge the validation split, and tell callbacks."""
        trainer, record = self._trainer, self.record
        if trainer.val_data is None:
            return {}
        # What is kept from here on is what was kept before: a validation that is broken off begins anew.
        record.keep(callbacks=self.stages.memory())
        self._validating = True
        try:
            self.stages.tell("validation_begin", trainer)
            self.validated = self.judge(trainer.val_data, self._told)
            self.stages.tell("validation_end", trainer, self.validated.metrics)
        except BaseException:
            self.stages.remember(record.kept.callbacks)
            self.course.remember()
            raise
        finally:
            self._validating = False
        record.keep(validations=record.kept.validations + 1, validated=record.kept.position.iteration)
        self._look()
        self.stages.act("validation", self.record.counts, trainer)
        self.display.tell("checkpoint", trainer, last)
        return self.validated.metrics

    def _told(self, stage: str, judged: Judged | None) -> None:
        """Within a validation, tell callbacks, and between two batches answer what is asked."""
        if judged is not None:
            self.judged = judged
        self.stages.tell(stage, self._trainer)
        if stage == "validation_batch_end":
            self.course.remember()
            self.requests.save_if_due("time", self._trainer)
            self._answer()

    def _look(self) -> None:
        """Look at the health of every layer."""
        self.record.kept = self._trainer.health.look(self._trainer.learner.variables, self.record.kept)

    def _finish(self, validation: dict[str, float]) -> None:
        """End the epoch: results, best, callbacks, and the epoch's checkpoint."""
        trainer, learner, record = self._trainer, self._trainer.learner, self.record
        if not validation:
            self._look()
        at, kept = record.kept.position, record.kept
        train = kept.tally.results(trainer.metrics)
        if isinstance(learner, Measuring):
            train |= learner.metrics()
        judged = validation if trainer.val_data is not None else train
        key_value = judged.get(trainer.key_metric, float("nan"))
        best = best_of(kept.best, at.epoch, key_value, maximize=trainer.maximize)

        def results() -> Results:
            return Results(
                epoch=at.epoch,
                iterations=at.iteration,
                train=train,
                validation=validation,
                learning_rate=learner.learning_rate,
                key_value=key_value,
                is_best=best is not kept.best,
                stopped=record.kept.stopping,
                within=kept.within,
            )

        self.stages.tell("epoch_end", trainer, results())
        self.stages.act("epoch", Counts(epochs=at.epoch), trainer)
        ended = results()
        state = record.kept.with_(
            position=at.next_epoch(),
            tally=Tally(),
            within=(),
            best=best,
            stopping=None,
            stopped=ended.stopped,
            callbacks=self.stages.memory(),
        )
        if record.journal is not None:
            self.stages.tell("save", trainer)
        if record.end_epoch(state, ended, learner.variables()):
            self.requests.autosave.start()
        elif trainer.health.rolls_back:
            self.requests.save()  # the next epoch may have to be begun anew from here
        self.course.take(state.position.epoch)
        self.display.tell("checkpoint", trainer, trainer.epochs)

    def _answer(self) -> None:
        """Do what was asked meanwhile."""
        self.requests.answer(self._trainer, self.stages, within_validation=self._validating)
