"""The train loop: decides what comes next, and can be stopped between any two groups of iterations."""

import functools
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from deeptrain.errors import Interrupted, TrainingError, UnhealthyError
from deeptrain.loading.feed import Feed
from deeptrain.training.by_hand import ByHand
from deeptrain.training.callbacks.stages import Stages
from deeptrain.training.course import Course
from deeptrain.training.display import Display
from deeptrain.training.epochs import Epochs
from deeptrain.training.frequency import Every
from deeptrain.training.interventions import Key
from deeptrain.training.journal import Checkpoint, Journal
from deeptrain.training.judging import Told
from deeptrain.training.phases import Phases
from deeptrain.training.progress import Phase, Progress
from deeptrain.training.reception import Reception
from deeptrain.training.record import Record
from deeptrain.training.requests import Paused, Requests
from deeptrain.training.results import Validation
from deeptrain.training.validation import Validated
from deeptrain.training.validations import Validations

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
        epochs: what an epoch is made of, and the newest group of iterations.
        validations: the validations within and at the end of epochs, and the newest.
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
        self.record = Record(journal, clock, rolls_back=trainer.health.rolls_back)
        self.course = Course(phases, trainer.learner, self.record)
        self.stages = Stages(callbacks, clock)
        self.by_hand = ByHand(self.record, trainer.learner, self.course)
        self.display = Display(watch, self.record, clock)
        self.requests = Requests(self.record, self.display, autosave, clock)
        self.epochs = Epochs(self.record, self.course, self.requests, self.display, clock)
        self.validations = Validations(validate, self.record, self.course, self.requests, self.display)
        self._reception = Reception(journal, self.requests)
        self.driving = True
        self._failed = False
        self._closed = False

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
            self._reception.sweep()
            if checkpoint is not None:
                if checkpoint.state.position.epoch == 1:
                    self._trainer.health.begin(functools.partial(self.epochs.beginning, self._trainer, self.stages), 1)
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
            with self._reception.open(self):
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
        self._reception.close()
        self.course.close()
        if self._trainer.val_data is not None:
            self._trainer.val_data.close()
        self.record.close()

    def ask(self, text: str) -> "Future[str]":
        """Take a message, from any thread; its answer comes when it was acted on, at once where nothing is to be done.

        Raises:
            MessageError: for a text that is none.
        """
        return self._reception.ask(text, lambda: self._progress)

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
        if not self.validations.due_within(self._trainer) and not self.record.begins_epoch:
            self._act_by_hand()
        self.by_hand.seen()

    def judge(self, data: Feed, told: Told) -> Validated:
        """Judge a split as the learner is now, which changes nothing of training."""
        return self.validations.judge(self._trainer, data, told)

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
        busy: Phase = "done" if ended else "validate" if self.validations.running else "fit"
        return self.display.now("paused" if self.requests.paused and not ended else busy, self._trainer)

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
        trainer, record = self._trainer, self.record
        if self.validations.due_within(trainer):
            metrics = self.validations.make(trainer, self.stages, last)
            record.keep(within=(*record.kept.within, Validation(record.kept.position.iteration, metrics)))
            self.display.meter.start(record.done)
            self._answer()
            return
        self.epochs.begin(trainer, self.stages)
        self._act_by_hand()
        at = record.kept.position
        if at.batch < len(self.course.data):
            self.epochs.fit(trainer, self.stages, last, functools.partial(self._size, most))
            self._answer()
            return
        if not record.done:
            raise TrainingError(
                f"preprocessors left nothing of any batch of epoch {at.epoch}, or all were skipped: no "
                "iteration was fit; their pieces(batch, rng) must give at least one in an epoch"
            )
        due = self.validations.due_at_end(trainer)
        self.epochs.end(trainer, self.stages, self.validations.make(trainer, self.stages, last) if due else {})
        self.requests.epoch_ended()
        self.requests.save_if_due("time", trainer)
        self._answer()
        self._skip_what_is_done(last)

    def _skip_what_is_done(self, last: int) -> None:
        checkpoint = self.record.further(last)
        if checkpoint is not None:
            self._stand_at(checkpoint)
            self.requests.paused = False

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
        self.stages.tell("load", self._trainer)

    def _stand_anew(self) -> None:
        """Callbacks and preprocessors remember what the record holds, of which nothing was begun here."""
        self.epochs.begin_anew()
        self.stages.remember(self.record.kept.callbacks)
        self.course.remember()

    def _size(self, most: Callable[[], int] | None) -> int:
        """How many iterations the next call may fit: up to the next event that needs Python."""
        counts, pending = self.record.counts, self.by_hand.pending
        limits = [
            self.stages.until_due(counts),
            self.validations.until_due(self._trainer),
            self.requests.autosave.every.until_due(counts),
            None if pending is None else pending.iteration - counts.iterations,
            None if most is None else most(),
        ]
        return min([self.course.pace.size, *(limit for limit in limits if limit is not None)])

    def _answer(self) -> None:
        """Do what was asked meanwhile."""
        self.requests.answer(self._trainer, self.stages, within_validation=False)
