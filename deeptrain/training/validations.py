"""The validations of a training: when they are due, and what they leave as it was."""

import functools
from typing import TYPE_CHECKING

from deeptrain.loading.feed import Feed
from deeptrain.training import validation
from deeptrain.training.callbacks.stages import Stages
from deeptrain.training.course import Course
from deeptrain.training.display import Display
from deeptrain.training.frequency import Counts, Every
from deeptrain.training.judging import Judged, Told
from deeptrain.training.record import Record
from deeptrain.training.requests import Requests
from deeptrain.training.validation import Validated

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer


class Validations:
    """Judges the validation split of a trainer; one that is broken off leaves nothing behind, and begins anew.

    Attributes:
        running: whether the split is being judged.
        judged: the newest iteration of a validation, None before the first of this process.
        newest: the newest validation of the whole split, None before the first of this process.
    """

    def __init__(self, every: Every, record: Record, course: Course, requests: Requests, display: Display) -> None:
        """None was made yet.

        Args:
            every: how often the split is judged.
            record: the state, which counts them.
            course: whose preprocessors remember.
            requests: answered between two batches.
            display: who watches.
        """
        self.running = False
        self.judged: Judged | None = None
        self.newest: Validated | None = None
        self._every = every
        self._record = record
        self._course = course
        self._requests = requests
        self._display = display

    def due_within(self, trainer: "Trainer") -> bool:
        """Whether one within the epoch is due here and was not made."""
        record, at = self._record, self._record.kept.position
        inside = trainer.val_data is not None and not record.begins_epoch and at.batch < len(self._course.data)
        return inside and record.kept.validated != at.iteration and self._due(trainer)

    def due_at_end(self, trainer: "Trainer") -> bool:
        """Whether one is due at the end of this epoch."""
        due = self._every.due("epoch", Counts(epochs=self._record.kept.position.epoch)) or self._due(trainer)
        return due and trainer.val_data is not None

    def until_due(self, trainer: "Trainer") -> int | None:
        """How many iterations may be fit before one may be due; None for any number."""
        return self._every.until_due(self._record.counts) if trainer.val_data is not None else None

    def judge(self, trainer: "Trainer", data: Feed, told: Told) -> Validated:
        """Judge a split as the learner is now."""
        self._course.remember()  # within a batch preprocessors went ahead, and would not have after a stop here
        return validation.validate(
            trainer.learner, data, trainer.kind, trainer.outputs, trainer.metrics, trainer.threshold, told
        )

    def make(self, trainer: "Trainer", stages: Stages, last: int) -> dict[str, float]:
        """Judge the validation split, and tell callbacks; without one there are no metrics.

        Args:
            trainer: what is trained.
            stages: the callbacks.
            last: the epoch that is to be reached.
        """
        record = self._record
        if trainer.val_data is None:
            return {}
        # What is kept from here on is what was kept before: a validation that is broken off begins anew.
        record.keep(callbacks=stages.memory())
        self._course.remember()  # for callbacks that look before anything is judged
        self.running = True
        try:
            stages.tell("validation_begin", trainer)
            self.newest = self.judge(trainer, trainer.val_data, functools.partial(self._told, trainer, stages))
            stages.tell("validation_end", trainer, self.newest.metrics)
        except BaseException:
            stages.remember(record.kept.callbacks)
            raise
        finally:
            self.running = False
        record.keep(validations=record.kept.validations + 1, validated=record.kept.position.iteration)
        record.kept = trainer.health.look(trainer.learner.variables, record.kept)
        stages.act("validation", record.counts, trainer)
        self._display.tell("checkpoint", trainer, last)
        return self.newest.metrics

    def _due(self, trainer: "Trainer") -> bool:
        every = self._every
        return every.due("iteration", self._record.counts) or (every.when is not None and every.when(trainer.state))

    def _told(self, trainer: "Trainer", stages: Stages, stage: str, judged: Judged | None) -> None:
        """Tell callbacks, and between two batches answer what is asked."""
        if judged is not None:
            self.judged = judged
        stages.tell(stage, trainer)
        if stage == "validation_batch_end":
            self._requests.save_if_due("time", trainer)
            self._requests.answer(trainer, stages, within_validation=True)
