"""What an epoch is made of: how it begins, the groups of iterations that are fit, and how it ends."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from deeptrain.training import fitting
from deeptrain.training.callbacks.stages import Stages
from deeptrain.training.course import Course
from deeptrain.training.display import Display
from deeptrain.training.fitting import FittedGroup
from deeptrain.training.frequency import Counts
from deeptrain.training.history import History
from deeptrain.training.journal import Checkpoint
from deeptrain.training.learner import Measuring
from deeptrain.training.record import Record
from deeptrain.training.requests import Requests
from deeptrain.training.results import Results
from deeptrain.training.state import best_of
from deeptrain.training.tally import Tally

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer


class Epochs:
    """Begins, fits and ends the epoch in which a training stands.

    Attributes:
        newest: the newest group of iterations, None before the first here or behind a checkpoint that was loaded.
    """

    def __init__(
        self, record: Record, course: Course, requests: Requests, display: Display, clock: Callable[[], float]
    ) -> None:
        """None was begun yet.

        Args:
            record: the state, histories and results.
            course: the data of this epoch, and the phases.
            requests: to write checkpoints.
            display: who watches.
            clock: seconds from any origin.
        """
        self.newest: FittedGroup | None = None
        self._record = record
        self._course = course
        self._requests = requests
        self._display = display
        self._clock = clock
        self._begun = 0  # the newest epoch that was begun here

    def begin(self, trainer: "Trainer", stages: Stages) -> None:
        """Begin an epoch, once: its phase, then callbacks; changes by hand act after that."""
        record, epoch = self._record, self._record.kept.position.epoch
        if not record.begins_epoch or self._begun == epoch:
            return
        self._begun = epoch
        trainer.health.begin(functools.partial(self.beginning, trainer, stages), epoch)
        self._display.meter.start(0)
        phase = self._course.phases.beginning(epoch)
        if phase is not None:
            self._course.begin(phase)
        if isinstance(trainer.learner, Measuring):
            trainer.learner.reset_metrics()
        stages.tell("epoch_begin", trainer)
        trainer.health.lower(trainer.learner, record.kept)

    def begin_anew(self) -> None:
        """Nothing of the epoch was begun here, and nothing was fit."""
        self._begun, self.newest = 0, None

    def beginning(self, trainer: "Trainer", stages: Stages) -> Checkpoint:
        """The state at the beginning of an epoch."""
        kept = self._record.kept.with_(callbacks=stages.memory())
        return Checkpoint(kept, trainer.learner.variables(), History.empty())

    def fit(self, trainer: "Trainer", stages: Stages, last: int, most: Callable[[], int]) -> None:
        """Fit the next iterations of equal shapes in one call.

        Args:
            trainer: what is trained.
            stages: the callbacks.
            last: the epoch that is to be reached.
            most: how many iterations at most; asked when callbacks have been told of the first.
        """
        record, course = self._record, self._course
        at = record.kept.position
        if at.window == 0:
            stages.tell("batch_begin", trainer)
        stages.tell("iteration_begin", trainer)
        begun = self._clock()
        group = course.data.group(at, most())
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
            self._display.meter.tell(record.done)
            stages.tell("iteration_end", trainer)
        if record.kept.position.window == 0:
            stages.tell("batch_end", trainer)
        if group is not None and self.newest is not None:
            stages.act("iteration", record.counts, trainer)
            self._requests.save_if_due("iteration", trainer)
            name = functools.partial(course.data.name, self.newest.last)
            self._display.tell("fit", trainer, last, name, record.loss)
        if record.kept.position.batch == len(course.data):
            self._display.tell("validate", trainer, last)

    def end(self, trainer: "Trainer", stages: Stages, validation: dict[str, float]) -> None:
        """End the epoch: results, best, callbacks, and the epoch's checkpoint.

        Args:
            trainer: what is trained.
            stages: the callbacks.
            validation: the metrics of the one at its end; empty where there was none.
        """
        learner, record = trainer.learner, self._record
        if not validation:
            record.kept = trainer.health.look(learner.variables, record.kept)
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

        stages.tell("epoch_end", trainer, results())
        stages.act("epoch", Counts(epochs=at.epoch), trainer)
        ended = results()
        state = record.kept.with_(
            position=at.next_epoch(),
            tally=Tally(),
            within=(),
            best=best,
            stopping=None,
            stopped=ended.stopped,
            callbacks=stages.memory(),
        )
        if record.journal is not None:
            stages.tell("save", trainer)
        if record.end_epoch(state, ended, learner.variables()):
            self._requests.autosave.start()
        elif trainer.health.rolls_back:
            self._requests.save()  # the next epoch may have to be begun anew from here
        self._course.take(state.position.epoch)
        self._display.tell("checkpoint", trainer, trainer.epochs)
