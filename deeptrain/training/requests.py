"""What is asked of a running training (to save, to pause, to stop) and answered between two groups of iterations."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from deeptrain.errors import DeeptrainError, Interrupted, in_one_line
from deeptrain.training.callbacks.stages import Stages
from deeptrain.training.display import Display
from deeptrain.training.frequency import Event, Every, Schedule
from deeptrain.training.messages import Message
from deeptrain.training.record import Record

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer

ON_DISK = "a checkpoint holds everything"
IN_MEMORY = "nothing is on disk"
GO_ON = {True: f"{ON_DISK}: run the same command to go on", False: f"{IN_MEMORY}: call train() again to go on"}


class Paused(Exception):
    """Training was paused."""


class Asked(NamedTuple):
    """A message, and where its answer goes."""

    message: Message
    answer: "Future[str]"


class Requests:
    """Asked by a person, a signal, a callback or the clock, from any thread; whoever trains calls `answer`.

    Attributes:
        paused: whether training was stopped between two iterations and can go on.
    """

    def __init__(
        self, record: Record, display: Display, autosave: Every, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is asked yet.

        Args:
            record: of the training, whose checkpoints are written.
            display: who watches, and is told of a pause.
            autosave: how often one is written without being asked for.
            clock: seconds from any origin.
        """
        self.paused = False
        self.autosave = Schedule(autosave, clock)
        self._record = record
        self._display = display
        self._save = False
        self._pause = False
        self._signal: int | None = None
        self._after_epoch: int | None = None
        # Nothing but `put` of this queue may be called in a signal's handler, and it wakes whoever waits in `get`.
        self._asked: SimpleQueue[Asked | None] = SimpleQueue()
        self._later: list[Asked] = []
        self._stopping: list[Asked] = []
        self._given_up = False

    def save(self) -> None:
        """Write a checkpoint."""
        self._save = True

    def pause(self) -> None:
        """Write a checkpoint, and stop: `Paused` is raised."""
        self._pause = True
        self._asked.put(None)

    def interrupt(self, signal_number: int) -> None:
        """As `pause`, but `Interrupted` is raised."""
        self._signal = signal_number
        self._asked.put(None)

    def interrupt_after_epoch(self, signal_number: int) -> None:
        """As `interrupt`, when the epoch that is trained is done."""
        self._after_epoch = signal_number

    def ask(self, message: Message) -> "Future[str]":
        """Take a message to be acted on; its answer comes when that is done."""
        asked = Asked(message, Future())
        self._asked.put(asked)
        if self._given_up:
            self.give_up()
        return asked.answer

    def save_if_due(self, event: Event, trainer: "Trainer") -> None:
        """Write a checkpoint if one is due now."""
        self._save |= self.autosave.due(event, self._record.counts, lambda: trainer.state)

    def epoch_ended(self) -> None:
        """An epoch is done: who asked to stop behind it is answered next."""
        if self._after_epoch is not None:
            self._signal, self._after_epoch = self._after_epoch, None

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
        self._record.settle(wait=False)
        if self._later and not within_validation:
            waiting, self._later = self._later, []
            for asked in waiting:
                self._change(asked, trainer)
        while not self._asked.empty():
            next_one = self._asked.get()
            if next_one is not None:
                try:
                    self._act(next_one, trainer, stages, within_validation=within_validation)
                except Exception as error:
                    if not next_one.answer.done():
                        next_one.answer.set_result(f"{next_one.message.word} was not done: {in_one_line(error)}")
                    raise
        stops = self._pause or self._signal is not None
        if not self._save and not stops:
            return
        if not self.paused:
            self._checkpoint(trainer, stages, within_validation=within_validation)
        if not stops:
            return
        self._record.settle()  # whoever is told that training stopped may end the process
        told = f"stopped {self._where(trainer)}; {GO_ON[self._record.journal is not None]}"
        number, self._signal, self._pause = self._signal, None, False
        if not self.paused:
            self.paused = True
            stages.tell("pause", trainer)
        if number is None:
            raise Paused
        for asked in self._stopping:
            asked.answer.set_result(told)
        by_message = bool(self._stopping) or number == signal.SIGUSR1
        self._stopping.clear()
        raise Interrupted(told, number, by_message=by_message)

    def give_up(self) -> None:
        """Nobody trains here any more: what was asked and not done, or is asked later, is answered so."""
        self._given_up = True
        while not self._asked.empty():
            asked = self._asked.get()
            if asked is not None:
                self._later.append(asked)
        for asked in (*self._later, *self._stopping):
            asked.answer.set_result(f"{asked.message.word} was not done: training has ended")
        self._later.clear()
        self._stopping.clear()

    def _act(self, asked: Asked, trainer: "Trainer", stages: Stages, *, within_validation: bool) -> None:
        """Do what a message asks for."""
        word = asked.message.word
        if word == "pause":
            self._checkpoint(trainer, stages, within_validation=within_validation)
            self._record.settle()
            self._wait(asked, trainer, stages, within_validation=within_validation)
        elif word == "resume":
            asked.answer.set_result(f"is not paused, it goes on {self._where(trainer)}")
        elif word == "checkpoint":
            where = self._where(trainer)
            writing = self._checkpoint(trainer, stages, within_validation=within_validation)
            if writing is None:
                asked.answer.set_result(f"no checkpoint was written {where}: {self._kept}")
            else:
                writing.add_done_callback(lambda done: asked.answer.set_result(_written(done, where)))
        elif word == "stop":
            self._stop(asked)
        elif word == "stop-after-epoch":
            self._stop_after_epoch(asked, trainer)
        elif within_validation:
            self._later.append(asked)
        else:
            self._change(asked, trainer)

    def _wait(self, paused: Asked, trainer: "Trainer", stages: Stages, *, within_validation: bool) -> None:
        """Hold everything until somebody says that training goes on, or stops."""
        self.paused = True
        stages.tell("pause", trainer)
        resumed: Asked | None = None
        self._display.tell_now("paused", trainer)
        paused.answer.set_result(f"paused {self._where(trainer)}; {self._kept}; resume goes on")
        while resumed is None and self._signal is None and not self._pause:
            asked = self._asked.get()
            word = None if asked is None else asked.message.word
            if asked is None:
                continue
            if word == "resume":
                resumed = asked
            elif word == "stop":
                self._stop(asked)
            elif word == "stop-after-epoch":
                self._stop_after_epoch(asked, trainer)
            elif word == "lr" and within_validation:
                asked.answer.set_result("refused: it is paused within a validation; resume, and say it again")
            elif word == "lr":
                self._change(asked, trainer)
            else:
                asked.answer.set_result(f"is paused {self._where(trainer)}; {self._kept}")
        if resumed is None:
            return
        self.paused, self._save = False, False
        self.autosave.start()
        self._display.meter.start(self._record.done)  # no rate counts the pause
        self._display.tell_now("validate" if within_validation else "fit", trainer)
        stages.tell("resume", trainer)
        resumed.answer.set_result(f"goes on {self._where(trainer)}")

    def _stop(self, asked: Asked) -> None:
        self._signal = signal.SIGTERM
        self._stopping.append(asked)

    def _stop_after_epoch(self, asked: Asked, trainer: "Trainer") -> None:
        if self._has_ended(trainer):
            asked.answer.set_result("its last epoch is done")
            return
        self._after_epoch = signal.SIGUSR1
        epoch = self._record.kept.position.epoch
        asked.answer.set_result(f"stops when epoch {epoch} is done; the same command goes on behind it")

    def _change(self, asked: Asked, trainer: "Trainer") -> None:
        """Change the learning rate by hand, or say why not; what is refused does not end the training."""
        value, at = asked.message.value, self._record.kept.position
        if self._has_ended(trainer):
            asked.answer.set_result("refused: its last epoch is done")
            return
        self._record.settle()  # what went wrong with an earlier checkpoint is not this message's
        before = trainer.learner.learning_rate
        try:
            trainer.change(learning_rate=value)
        except (DeeptrainError, OSError) as error:
            asked.answer.set_result(f"refused: {error}")
            return
        asked.answer.set_result(
            f"learning rate {value:g}, was {before:g}, from iteration {at.iteration} in epoch {at.epoch} on; epochs "
            "from there on are of that course"
        )

    def _has_ended(self, trainer: "Trainer") -> bool:
        kept = self._record.kept
        return kept.position.epoch > trainer.epochs or kept.stopped is not None

    def _checkpoint(self, trainer: "Trainer", stages: Stages, *, within_validation: bool) -> "Future[None] | None":
        """Write a checkpoint in the background."""
        self._save = False
        self.autosave.start()
        if not within_validation:
            self._record.keep(callbacks=stages.memory())
        if self._record.journal is None:
            return None
        stages.tell("save", trainer)
        return self._record.save(trainer.learner.variables())

    @property
    def _kept(self) -> str:
        return IN_MEMORY if self._record.journal is None else ON_DISK

    def _where(self, trainer: "Trainer") -> str:
        """Where training stands between two groups, in words."""
        record, data = self._record, trainer.train_data
        at = record.kept.position
        if at.epoch > trainer.epochs or (self._signal == signal.SIGUSR1 and record.begins_epoch):
            return f"after epoch {at.epoch - 1} of {trainer.epochs}"
        about = "about " if data.estimates else ""
        whole = record.done + data.left(at, record.done)
        return f"in epoch {at.epoch} after {record.done} of {about}{whole} iterations"


def _written(done: "Future[None]", where: str) -> str:
    error = done.exception()
    return f"a checkpoint is on disk, {where}" if error is None else f"no checkpoint was written: {in_one_line(error)}"
