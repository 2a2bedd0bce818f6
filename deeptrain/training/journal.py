"""The written side of a training: publishes epochs and states, saves in between, and finds where to go on."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deeptrain.errors import ArtifactError, TrainingError
from deeptrain.store import artifact
from deeptrain.store.locks import lock_of
from deeptrain.training import arrays, history
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


class Journal:
    """Writes one training into its run's directory, and holds its lock from `open` to `close`."""

    def __init__(self, run: TrainingRun, keep_every: int = 0) -> None:
        """Name what is written; nothing is touched yet."""
        self.run = run
        self._keep_every = keep_every
        self._lock = lock_of(run.root, run.directory)

    def open(self) -> None:
        """Become the one writer of this training.

        Raises:
            LockedError: when another process is.
        """
        self._lock.acquire()

    def close(self) -> None:
        """Let another process write."""
        self._lock.release()

    def done(self) -> int:
        """How many epochs in a row are published."""
        return self.run.done()

    def resume(self, until: int) -> Checkpoint | None:
        """The newest checkpoint that verifies and from which epoch `until` can be reached; None to begin at the start.

        What does not verify is set aside with a warning.

        Raises:
            AlteredError: when what an epoch recorded is altered.
        """
        done = self.done()
        if until > done:
            for found in self._unfinished():
                with self._set_aside_if_damaged(found.directory):
                    state = TrainState.from_plain(found.json(PROGRESS)["state"])
                    if state.position.epoch == done + 1:
                        artifact.verify(found.directory)
                        return Checkpoint(
                            state,
                            arrays.decode(found.verified(STATE), found.directory / STATE),
                            history.decode(found.verified(HISTORY), found.directory / HISTORY),
                        )
        for number in range(min(until, done), 0, -1):
            if not self.run.state(number).directory.exists():
                continue
            state = self._state_after(number)
            with self._set_aside_if_damaged(self.run.state(number).directory):
                return Checkpoint(state, self.variables(number), History.empty())
        return None

    def results(self, until: int) -> list[Results]:
        """What the epochs up to `until`, which are done, came to."""
        published = (self.run.published(number) for number in range(1, until + 1))
        return [Results.from_plain(found.json(METRICS)) for found in published]

    def variables(self, number: int) -> dict[str, np.ndarray]:
        """The learner's variables at the end of an epoch, every byte checked.

        Raises:
            ArtifactError: when the state is not there, damaged, or not the one the epoch recorded.
        """
        found = artifact.verify(self.run.state(number).directory)
        recorded = self.run.recorded_state(number)
        if found.manifest.content != recorded:
            raise ArtifactError(f"{found.directory}: is not the state that epoch {number} recorded")
        return arrays.decode(found.verified(STATE), found.directory / STATE)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a mid-epoch checkpoint and let the oldest go."""
        position = checkpoint.state.position
        if position.batch == 0 or position.epoch <= self.done():
            return  # where an epoch begins, and while one is trained again, the state before it is checkpoint enough
        specification = self.run.unfinished(position.iteration)
        if _is_whole(specification.directory):
            return  # asked for again where nothing was fit since, as during a validation
        with artifact.writing(specification, {}) as writer:
            writer.write(STATE, arrays.encode(checkpoint.variables))
            writer.write(HISTORY, history.encode(checkpoint.history))
            writer.json(PROGRESS, {"state": checkpoint.state.plain()})
        for old in self._unfinished()[GENERATIONS:]:
            artifact.remove(old.directory)

    def publish(self, checkpoint: Checkpoint, results: Results) -> None:
        """Publish the epoch that has just ended and its state, then let go what retention no longer keeps.

        An epoch that is there already, because it was trained again to rebuild its state, is left as it is; the
        rebuilt state must be the recorded one.

        Raises:
            TrainingError: when an epoch trained again does not come out as recorded.
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
            self.tidy()

    def tidy(self) -> None:
        """Remove checkpoints of epochs that are done, and states that retention does not keep."""
        self.run.tidy(self._keep_every)

    def _publish_state(
        self, number: int, variables: Mapping[str, np.ndarray], expected: str | None, *, publish: bool
    ) -> str:
        data = arrays.encode(variables)
        content = artifact.content_of_bytes({STATE: data})
        if expected not in (None, content):
            raise TrainingError(
                f"epoch {number} trained again ends in other weights than recorded ({content[:12]}... instead of "
                f"{str(expected)[:12]}...): another kind of machine or other versions than those in "
                f"{self.run.epoch(number).directory / 'manifest.json'} cannot continue this training exactly"
            )
        specification = self.run.state(number)
        if publish and not _is_whole(specification.directory, content):
            with artifact.writing(specification, {}) as writer:
                writer.write(STATE, data)
        return content

    def _state_after(self, number: int) -> TrainState:
        return TrainState.from_plain(self.run.published(number).json(PROGRESS)["state"])

    def _unfinished(self) -> list[artifact.Artifact]:
        """Mid-epoch checkpoints whose sizes fit, newest first."""
        found = []
        for directory in sorted(self.run.directory.glob("unfinished/[0-9]*"), reverse=True):
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


def _is_whole(directory: Path, content: str | None = None) -> bool:
    try:
        found = artifact.verify(directory)
    except ArtifactError:
        return False
    return content is None or found.manifest.content == content
