"""What a training has come to: its state, its histories and results, and which of it is written."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from deeptrain.errors import ArtifactError, TrainingError, UnhealthyError
from deeptrain.loading.position import Position
from deeptrain.training.frequency import Counts
from deeptrain.training.history import History
from deeptrain.training.interventions import Intervention
from deeptrain.training.journal import Checkpoint, Journal
from deeptrain.training.results import Results
from deeptrain.training.state import TrainState


class Record:
    """The memory of a training; with a journal, what is ended or saved is on disk.

    Attributes:
        kept: what a checkpoint holds beside the learner's variables; replaced, never changed.
        results: of every epoch that has ended; replaced when one ends, so that whoever looks need not copy them.
        parts: the history of this epoch, a slice a group of iterations; a new list with every epoch.
        curves: what displays draw of the results.
        saved: iterations fit when the newest checkpoint was written, None before.
        saved_at: when, by the clock.
    """

    def __init__(
        self, journal: Journal | None, clock: Callable[[], float] = time.monotonic, *, rolls_back: bool = False
    ) -> None:
        """Nothing has been trained.

        Args:
            journal: writes; without it everything stays in memory.
            clock: seconds from any origin.
            rolls_back: whether what is not finite is dealt with by who trains, who may begin an epoch anew. Left out is
                then a checkpoint of it, as it would be found at a time that depends on the clock, and one within an
                epoch whose beginning is not on disk.
        """
        self.journal = journal
        self.kept = TrainState()
        self.results: tuple[Results, ...] = ()
        self.parts: list[History] = []
        self.curves: dict[str, Any] = {}
        self.saved: int | None = None
        self.saved_at = clock()
        self._clock = clock
        self._rolls_back = rolls_back
        self._past: list[History] = []
        self._interventions: list[Intervention] = []
        self._writer: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    def keep(self, **changes: Any) -> None:
        """Change some of the state."""
        self.kept = self.kept.with_(**changes)

    def open(self, epochs: int) -> Checkpoint | None:
        """Become the one writer, and find the newest checkpoint from which `epochs` can be reached.

        Raises:
            LockedError: when another process writes the same training.
        """
        if self.journal is None:
            return None
        self.journal.open()
        try:
            return self.journal.resume(epochs, anew=self._rolls_back)
        except BaseException:
            self.journal.close()
            raise

    def further(self, last: int) -> Checkpoint | None:
        """The checkpoint behind epochs that are done already: one before them was missing and came out the same."""
        self.settle()
        journal, epoch = self.journal, self.kept.position.epoch
        if journal is None or not journal.done() >= epoch <= last:
            return None
        checkpoint = journal.resume(last, anew=self._rolls_back)
        return checkpoint if checkpoint is not None and checkpoint.state.position.epoch > epoch else None

    def stand_at(self, checkpoint: Checkpoint, source: Journal | None = None) -> None:
        """Remember what a checkpoint of a journal holds, and the epochs before it.

        Args:
            checkpoint: where to stand.
            source: the journal it is of; by default the one that is written.
        """
        self.kept = checkpoint.state if source is None else checkpoint.state.with_(interventions=0)
        self.parts = [checkpoint.history] if len(checkpoint.history) else []
        self.results, self.curves = (), {}
        source = source or self.journal
        if source is not None:
            ended = range(1, self.kept.position.epoch)
            self._remember(source.results(len(ended)))
            self._past = [] if self.journal is not None else [source.history(number) for number in ended]
        self.saved, self.saved_at = self.kept.position.iteration, self._clock()

    def end_of(self, epoch: int) -> Checkpoint:
        """The end of an epoch as it is on disk.

        Raises:
            ArtifactError: when it is not.
        """
        if self.journal is None:
            raise ArtifactError(f"the end of epoch {epoch} was not written")
        return self.journal.at_end_of(epoch)

    def roll_back(self, state: TrainState) -> None:
        """Stand at the beginning of this epoch again."""
        self.kept = state
        self.parts = []

    def save(self, variables: Mapping[str, np.ndarray]) -> "Future[None] | None":
        """Write a checkpoint in the background, if anything is written; the one before is waited for.

        Args:
            variables: snapshots of the learner's, which nothing changes any more.

        Returns:
            What tells when it is on disk; None where nothing is written.

        Raises:
            UnhealthyError: when a variable of the one before was not finite.
            ArtifactError: when the one before could not be written.
        """
        if self.journal is None:
            return None
        self.settle()
        checkpoint = Checkpoint(self.kept, variables, self._epoch())
        there = checkpoint.begins_epoch or self.journal.beginning_is_there(self.kept.position.epoch)
        if self._rolls_back and not there:
            return None
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._writing = self._writer.submit(self._write, self.journal, checkpoint, self._clock())
        return self._writing

    def settle(self, *, wait: bool = True) -> None:
        """Wait for the checkpoint that is being written, and raise what went wrong with it.

        Args:
            wait: if not, one that is still being written is left alone.
        """
        writing = self._writing
        if writing is not None and (wait or writing.done()):
            self._writing = None
            writing.result()

    def _write(self, journal: Journal, checkpoint: Checkpoint, begun: float) -> None:
        try:
            _refuse_non_finite(checkpoint.variables, checkpoint.state.position)
        except UnhealthyError:
            if self._rolls_back:
                return
            raise
        journal.save(checkpoint)
        self.saved, self.saved_at = checkpoint.state.position.iteration, begun

    def end_epoch(self, state: TrainState, results: Results, variables: Mapping[str, np.ndarray]) -> bool:
        """Take in the end of an epoch, and publish it with its state.

        Args:
            state: with the position at the beginning of the next epoch.
            results: what the epoch came to.
            variables: of the learner.

        Returns:
            Whether training can go on from here after a crash.
        """
        history, durable = self._epoch(), False
        self.settle()
        if self.journal is not None:
            _refuse_non_finite(variables, self.kept.position)
            durable = self.journal.publish(Checkpoint(state, variables, history), results)
        else:
            self._past.append(history)
        self._remember([results])
        self.parts = []
        self.kept = state
        if durable:
            self.saved, self.saved_at = state.position.iteration, self._clock()
        return durable

    def history(self) -> History:
        """Every iteration of the epochs that have ended and of this one; read from disk where it was written."""
        ended = range(1, self.kept.position.epoch)
        past = self._past if self.journal is None else [self.journal.history(number) for number in ended]
        return History.joined([History.empty(), *past, *self.parts])

    @property
    def done(self) -> int:
        """Iterations of this epoch that were fit."""
        return self.kept.position.iteration - (self.results[-1].iterations if self.results else 0)

    @property
    def begins_epoch(self) -> bool:
        """Whether nothing of this epoch was fit; its first batch may come again by hand."""
        return self.kept.position.begins_epoch and not self.done

    @property
    def counts(self) -> Counts:
        """What was done since the training began."""
        kept, at = self.kept, self.kept.position
        return Counts(at.iteration, kept.batches, at.epoch - 1, kept.validations, at.window == 0)

    @property
    def seconds_at_risk(self) -> float | None:
        """Of training since the newest checkpoint; None where nothing is written."""
        return None if self.journal is None else max(self._clock() - self.saved_at, 0.0)

    @property
    def loss(self) -> float:
        """Of the newest iteration of this epoch."""
        return float(self.parts[-1].loss[-1])

    @property
    def interventions(self) -> Sequence[Intervention]:
        """What a person changed by hand, in order."""
        return self._interventions if self.journal is None else self.journal.run.interventions

    def intervene(self, intervention: Intervention) -> None:
        """Write down what is about to be changed by hand."""
        self.settle()
        if self.journal is None:
            self._interventions.append(intervention)
        else:
            self.journal.run.intervene(intervention)

    @property
    def pending(self) -> Intervention | None:
        """The next change by hand that has not acted yet."""
        waiting = self.interventions[self.kept.interventions :]
        return waiting[0] if waiting else None

    def refuse_unwritten(self, name: str) -> None:
        """Refuse a change by hand that cannot be written down, where a run is written.

        Raises:
            TrainingError: saying where it can be said.
        """
        if self.journal is not None and self.journal.run.base is None:
            raise TrainingError(
                f"{name} cannot be changed by hand in a training that is written: say it in the experiment's file "
                "([[training.phases]] for what begins with an epoch), or open a session of its own: "
                "Trainer.open(file, epoch, session=name)"
            )

    def close(self) -> None:
        """Let another process write, when the checkpoint that is being written is whole or has failed."""
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = None
        if self.journal is not None:
            self.journal.close()

    def _epoch(self) -> History:
        return History.joined([History.empty(), *self.parts])

    def _remember(self, results: Sequence[Results]) -> None:
        self.results = (*self.results, *results)
        more = {
            "losses": tuple(result.train["loss"] for result in results),
            "validation_losses": tuple(result.validation["loss"] for result in results if result.validation),
            "key_values": tuple(result.key_value for result in results),
        }
        self.curves = {name: (*self.curves.get(name, ()), *values) for name, values in more.items()}


def _refuse_non_finite(variables: Mapping[str, np.ndarray], at: Position) -> None:
    """A checkpoint that holds a number that is not finite would only be found out much later."""
    for name, value in variables.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise UnhealthyError(
                f"{name} holds a number that is not finite in epoch {at.epoch} after {at.iteration} iterations"
            )
