"""The written side of a training: publishes epochs and states, saves in between, and finds where to go on."""

import contextlib
import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deeptrain import files
from deeptrain.errors import ArtifactError, TrainingError
from deeptrain.files import FileDigest
from deeptrain.store import artifact, manifest
from deeptrain.store.locks import lock_of
from deeptrain.training import adoption, arrays, history
from deeptrain.training.history import History
from deeptrain.training.results import Results
from deeptrain.training.run import HISTORY, METRICS, PROGRESS, STATE, TrainingRun
from deeptrain.training.state import TrainState

log = logging.getLogger("deeptrain")

GENERATIONS = 2
"""How many mid-epoch checkpoints stay: the newest may be the one that a crash of the disk spoiled."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything a trainer needs to go on.

    Attributes:
        state: what the trainer knew.
        variables: the learner's variables by name.
        history: the iterations of the epoch that is not finished.
    """

    state: TrainState
    variables: Mapping[str, np.ndarray]
    history: History

    @property
    def begins_epoch(self) -> bool:
        """Whether nothing of its epoch was fit; the first batch may come again by hand."""
        return self.state.position.begins_epoch and not len(self.history)


class Journal:
    """Writes one training into its run's directory, and holds its lock from `open` or `open_again` to `close`.

    Its directory is made durably when the lock is taken: what is published below it must not hang in the air.
    """

    def __init__(self, run: TrainingRun, keep_every: int = 0) -> None:
        """Name what is written; nothing is touched yet."""
        self.run = run
        self._keep_every = keep_every
        self._lock = lock_of(run.root, run.directory)

    @property
    def live(self) -> Path:
        """Where goes what is no part of an artifact."""
        return self.run.directory / "live"

    def open(self) -> None:
        """Become the one writer of this training.

        Raises:
            LockedError: when another process is.
        """
        self._lock.acquire()
        files.make_directories(self.run.directory)
        files.sync_directory(self.run.root)  # a display may have made it a moment ago
        self.run.read_again()
        adoption.adopt(self.run)

    def open_again(self) -> bool:
        """Become the one writer again; whether nobody else has been meanwhile.

        Raises:
            LockedError: when another process is.
        """
        return self._lock.acquire()

    def close(self) -> None:
        """Let another process write."""
        self._lock.release()

    def done(self) -> int:
        """How many epochs in a row are published."""
        return self.run.done()

    def beginning_is_there(self, epoch: int) -> bool:
        """Whether an epoch can be begun anew by another process: from the state at the end of the one before."""
        return epoch == 1 or self._has_state(epoch - 1)

    def resume(self, until: int, *, anew: bool = False) -> Checkpoint | None:
        """The newest checkpoint that verifies and from which epoch `until` can be reached; None to begin at the start.

        What does not verify is set aside with a warning.

        Args:
            until: an epoch.
            anew: whether the epoch may have to be begun anew; a checkpoint within it is of no use then if its beginning
                is not there.

        Raises:
            AlteredError: when what an epoch recorded is altered.
        """
        done = self.done()
        reached = max((number for number in range(1, min(until, done) + 1) if self._has_state(number)), default=0)
        for found in self._unfinished():
            with self._set_aside_if_damaged(found.directory):
                state = found.told(PROGRESS, TrainState.from_progress)
                if reached < state.position.epoch <= min(until, done + 1) and self._belongs(found, state):
                    checkpoint = Checkpoint(
                        state,
                        arrays.decode(found.verified(STATE), found.directory / STATE),
                        history.decode(found.verified(HISTORY), found.directory / HISTORY),
                    )
                    if not anew or checkpoint.begins_epoch or self.beginning_is_there(state.position.epoch):
                        return checkpoint
        for number in range(reached, 0, -1):
            if self._has_state(number):
                state = self._state_after(number)
                if self.run.base is not None and number <= self.run.base[1]:
                    # Of the training that the session goes on from, which is another writer's.
                    return Checkpoint(state.with_(interventions=0), self.variables(number), History.empty())
                with self._set_aside_if_damaged(self.run.state(number).directory):
                    return Checkpoint(state, self.variables(number), History.empty())
        return None

    def at_end_of(self, number: int) -> Checkpoint:
        """The end of an epoch that is done.

        Raises:
            ArtifactError: when it is not done, or its state is not on disk.
        """
        done = self.done()
        if not done:
            raise ArtifactError(f"{self.run.directory}: no epoch of this training is done, so epoch {number} is not")
        if not 1 <= number <= done:
            raise ArtifactError(
                f"{self.run.directory}: expected an epoch from 1 to {done}, which are done, got {number}"
            )
        if not self._has_state(number):
            there = ", ".join(str(one) for one in range(1, done + 1) if self._has_state(one))
            raise ArtifactError(
                f"{self.run.directory}: the state of epoch {number} was not kept; those of {there} are on disk, and "
                "training.keep_every keeps more"
            )
        return Checkpoint(self._state_after(number), self.variables(number), History.empty())

    def results(self, until: int) -> list[Results]:
        """What the epochs up to `until`, which are done, came to."""
        return self.run.results(until)

    def history(self, number: int) -> History:
        """The iterations of an epoch that is done."""
        found = self.run.published(number)
        return history.decode(found.verified(HISTORY), found.directory / HISTORY)

    def variables(self, number: int) -> dict[str, np.ndarray]:
        """The learner's variables at the end of an epoch, every byte checked.

        Raises:
            ArtifactError: when the state is not there, damaged, or not the one the epoch recorded.
        """
        found = artifact.open(self.run.state(number).directory)
        recorded = self.run.recorded_state(number)
        if found.manifest.content != recorded:
            raise ArtifactError(f"{found.directory}: is not the state that epoch {number} recorded")
        return arrays.decode(found.verified(STATE), found.directory / STATE)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint before an epoch's end, and let go those that are older than the one before it.

        Where an epoch begins and the state of the one before is there, nothing is written: that is checkpoint enough.
        """
        at = checkpoint.state.position
        if checkpoint.begins_epoch and self.beginning_is_there(at.epoch):
            return
        specification = self.run.unfinished(at)
        # What is further on, or was made from something else, belongs to a past of the epoch that was trained again.
        for found in self._unfinished(at.epoch):
            state = found.told(PROGRESS, TrainState.from_progress)
            if state.position.iteration >= at.iteration or not self._belongs(found, state):
                artifact.remove(found.directory)
        with artifact.writing(specification, self.run.checker.links(specification)) as writer:
            _write_state(writer, checkpoint.variables)
            writer.write(HISTORY, history.encode(checkpoint.history))
            writer.json(PROGRESS, {"state": checkpoint.state.plain()})
        for old in self._unfinished(at.epoch)[GENERATIONS:]:
            artifact.remove(old.directory)

    def publish(self, checkpoint: Checkpoint, results: Results) -> bool:
        """Publish the epoch that has just ended and its state, then let go what retention no longer keeps.

        An epoch that is there already, because it was trained again to rebuild its state, is left as it is; the
        rebuilt state must be the recorded one.

        Returns:
            Whether the epoch's state is on disk now, so that training can go on from it.

        Raises:
            TrainingError: when an epoch trained again does not come out as recorded.
            ArtifactError: when the epoch cannot be read.
        """
        number = results.epoch
        epoch = self.run.epoch(number)
        again = self.run.checker.complete(epoch)
        expected = self.run.recorded_state(number) if again else None
        kept = not again or number in self.run.kept(self._keep_every)
        content = self._publish_state(number, checkpoint.variables, expected, publish=kept)
        if not again:
            with artifact.writing(epoch, self.run.checker.links(epoch)) as writer:
                writer.json(PROGRESS, {"state": checkpoint.state.plain(), "state_content": content})
                writer.json(METRICS, results.plain())
                writer.write(HISTORY, history.encode(checkpoint.history))
            self.run.published(number)  # an epoch that cannot be read would count as not done, and nobody would be told
            self.tidy()
        return kept

    def tidy(self) -> None:
        """Remove checkpoints of epochs that are done, and states that retention does not keep."""
        self.run.tidy(self._keep_every)

    def _publish_state(
        self, number: int, variables: Mapping[str, np.ndarray], expected: str | None, *, publish: bool
    ) -> str:
        specification = self.run.state(number)
        if not publish or specification.directory.exists():
            content = content_of_state(variables)
            self._refuse_other(number, content, expected)
            if not publish or _is_whole(specification.directory, content):
                return content
        with artifact.writing(specification, {}) as writer:
            _write_state(writer, variables)
            content = writer.content
            self._refuse_other(number, content, expected)
        return content

    def _refuse_other(self, number: int, content: str, expected: str | None) -> None:
        if expected not in (None, content):
            raise TrainingError(
                f"epoch {number} trained again ends in other weights than recorded ({content[:12]}... instead of "
                f"{str(expected)[:12]}...): another kind of machine or other versions than those in "
                f"{self.run.epoch(number).directory / 'manifest.json'} cannot continue this training exactly"
            )

    def _state_after(self, number: int) -> TrainState:
        return self.run.published(number).told(PROGRESS, TrainState.from_progress)

    def _has_state(self, number: int) -> bool:
        return self.run.state(number).directory.is_dir()

    def _belongs(self, found: artifact.Artifact, state: TrainState) -> bool:
        """Whether a checkpoint was made from what its epoch is made from now."""
        specification = self.run.unfinished(state.position)
        same = found.manifest.identity == specification.identity
        return same and dict(found.manifest.inputs) == self.run.checker.links(specification)

    def _unfinished(self, epoch: int | None = None) -> list[artifact.Artifact]:
        """Mid-epoch checkpoints, of all epochs or of one, whose sizes fit, newest first."""
        found = []
        pattern = "[0-9]*" if epoch is None else f"{epoch:05d}.*"
        for directory in sorted(self.run.directory.glob(f"unfinished/{pattern}"), reverse=True):
            with self._set_aside_if_damaged(directory):
                found.append(artifact.open(directory))
        return found

    @contextlib.contextmanager
    def _set_aside_if_damaged(self, directory: Path) -> Iterator[None]:
        try:
            yield
        except ArtifactError as error:
            log.warning("%s; it is set aside and the one before it is used", error)
            artifact.set_aside(directory)


def _write_state(writer: artifact.Writer, variables: Mapping[str, np.ndarray]) -> None:
    with writer.open(STATE) as file:
        for piece in arrays.pieces(variables):
            file.write(piece)


def content_of_state(variables: Mapping[str, np.ndarray]) -> str:
    """The content that a state with these variables has, as epochs record it."""
    digest, size = hashlib.sha256(), 0
    for piece in arrays.pieces(variables):
        digest.update(piece)
        size += len(piece)
    return manifest.content_of((FileDigest(STATE, size, digest.hexdigest()),))


def _is_whole(directory: Path, content: str | None = None) -> bool:
    try:
        found = artifact.verify(directory)
    except ArtifactError:
        return False
    return content is None or found.manifest.content == content
