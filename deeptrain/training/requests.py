"""What is asked of a running training (to save, to pause, to stop) and answered between two groups of iterations."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from deeptrain.errors import Interrupted
from deeptrain.training.callbacks.stages import Stages
from deeptrain.training.frequency import Event, Every, Schedule
from deeptrain.training.record import Record

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer


class Paused(Exception):
    """Training was paused."""


class Requests:
    """Asked by a person, a signal, a callback or the clock, from any thread; whoever trains calls `answer`.

    Attributes:
        paused: whether training was stopped between two iterations and can go on.
    """

    def __init__(self, record: Record, autosave: Every, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is asked yet.

        Args:
            record: of the training, whose checkpoints are written.
            autosave: how often one is written without being asked for.
            clock: seconds from any origin.
        """
        self.paused = False
        self.autosave = Schedule(autosave, clock)
        self._record = record
        self._save = False
        self._pause = False
        self._signal: int | None = None

    def save(self) -> None:
        """Write a checkpoint."""
        self._save = True

    def pause(self) -> None:
        """Write a checkpoint, and stop: `Paused` is raised."""
        self._pause = True

    def interrupt(self, signal_number: int) -> None:
        """As `pause`, but `Interrupted` is raised."""
        self._signal = signal_number

    def save_if_due(self, event: Event, trainer: "Trainer") -> None:
        """Write a checkpoint if one is due now."""
        self._save |= self.autosave.due(event, self._record.counts, lambda: trainer.state)

    def answer(self, trainer: "Trainer", stages: Stages, *, within_validation: bool) -> None:
        """Do what was asked, or go on.

        Args:
            trainer: what is trained.
            stages: the callbacks, which are told.
            within_validation: whether what callbacks keep is what they kept before it: it may be broken off here.

        Raises:
            Interrupted: when it was asked to stop.
            Paused: when it was asked to pause.
        """
        record = self._record
        record.settle(wait=False)
        stops = self._pause or self._signal is not None
        if not self._save and not stops:
            return
        self._save = False
        self.autosave.start()
        if not within_validation:
            record.keep(callbacks=stages.memory())
        if record.journal is not None:
            stages.tell("save", trainer)
            record.save(trainer.learner.variables())
        if not stops:
            return
        record.settle()  # whoever is told that training stopped may end the process
        number, self._signal, self._pause = self._signal, None, False
        self.paused = True
        stages.tell("pause", trainer)
        if number is None:
            raise Paused
        at, data = record.kept.position, trainer.train_data
        told = (
            "a checkpoint holds everything: run the same command to go on"
            if record.journal is not None
            else "nothing is on disk: call train() again to go on"
        )
        about = "about " if data.estimates else ""
        whole = record.done + data.left(at, record.done)
        raise Interrupted(
            f"stopped in epoch {at.epoch} after {record.done} of {about}{whole} iterations; {told}", number
        )
