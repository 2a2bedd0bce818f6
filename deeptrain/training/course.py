"""What is fit from epoch to epoch: the phases that begin, the data of each, and what its preprocessors keep."""

from collections.abc import Mapping, Sequence
from typing import Any

from deeptrain.loading.feed import Feed, Group
from deeptrain.loading.position import Position
from deeptrain.loading.preprocessing import Remembering, remember, remembering, unmoved
from deeptrain.training.callbacks.memory import memory_of
from deeptrain.training.learner import Learner
from deeptrain.training.pace import Pace
from deeptrain.training.phases import Phase, Phases
from deeptrain.training.record import Record


class Course:
    """The data and the phases of one training, where its record says that it stands.

    Attributes:
        phases: all there are; others may take their place for epochs that have not begun.
        data: what is fit in this epoch.
        pace: how many iterations of it are fit in one call.
    """

    def __init__(self, phases: Phases, learner: Learner, record: Record) -> None:
        """Stand before the first epoch.

        Args:
            phases: with the data of each.
            learner: what a phase changes.
            record: whose state holds what preprocessors keep.
        """
        self.phases = phases
        self._learner = learner
        self._record = record
        self._begun: list[Phase] = []
        self._known: dict[str, Remembering] = {}
        self._initial: dict[str, dict[str, Any]] = {}
        self._take(phases.data(1))
        record.keep(preprocessors=dict(self._initial))

    def take(self, epoch: int) -> None:
        """Take the data that an epoch is fit on."""
        data = self.phases.data(epoch)
        if data is not self.data:
            self._take(data)

    def begin(self, *phases: Phase) -> None:
        """Change the learner as phases say, each once."""
        for phase in phases:
            if phase not in self._begun:
                phase.change(self._learner)
                self._begun.append(phase)

    def stand_at(self, at: Position, by_hand: Sequence[Phase], *, within: bool) -> None:
        """Stand in an epoch, or at its beginning: the learner is changed as it was until then.

        Args:
            at: where.
            by_hand: what was changed by hand until then, in order; each behind the phase of its epoch.
            within: whether something of the epoch was fit.
        """
        self.begin(*sorted([*self.phases.begun(at.epoch, within=within), *by_hand], key=lambda phase: phase.epoch))
        self.take(at.epoch)
        self.data.close()  # what it knows of the batch being fed is of another time

    def begin_anew(self, epoch: int) -> None:
        """The phase of this epoch is to change the learner once more, which has the variables of its beginning."""
        phase = self.phases.beginning(epoch)
        self._begun = [one for one in self._begun if one is not phase]
        self.data.close()

    def leave(self, at: Position, iterations: int, **changes: Any) -> None:
        """Stand behind iterations that were fit.

        Preprocessors may go ahead within a batch, whose pieces they make together, so what they kept when it began
        stays until it is left: they see it again from there.

        Args:
            at: the position of the first of them.
            iterations: how many; 0 where preprocessors made nothing of the batch.
            changes: of the state, all at once: an exception before it leaves the state where the group began.
        """
        to, kept = self.data.after(at, iterations), self._record.kept
        self._record.keep(
            position=to,
            batches=kept.batches + to.batch - kept.position.batch,
            preprocessors=kept.preprocessors if to.window else {**kept.preprocessors, **_memory(self._remembering)},
            preprocessors_before=self.data.began_with if iterations else kept.preprocessors_before,
            **changes,
        )

    def again(self, at: Position, *, newest: bool) -> Group | None:
        """The iteration at a position, made once more; what is fed goes on as if it had not been.

        Args:
            at: its position.
            newest: whether it is of the batch that was fit last: preprocessors then keep what they did when that began,
                and otherwise what they keep now.

        Returns:
            None where they make nothing of it.
        """
        data = self.phases.data(at.epoch)
        data.close()
        with unmoved(self._of(data)):
            if newest:
                remember(remembering(data.preprocessors), self._record.kept.preprocessors_before)
            else:
                remember(self._of(data), self._kept)
            try:
                return data.group(at, 1)
            finally:
                data.close()

    def remember(self) -> None:
        """Let preprocessors stand where the batch that is being fit began; what is fed goes on from there by itself."""
        if self._known:
            self.data.close()
        remember(self._known, self._kept)

    def close(self) -> None:
        """End reading ahead, of the data of every phase."""
        for feed in self.phases.feeds:
            feed.close()

    def _take(self, data: Feed) -> None:
        for name, one in self.phases.remembering().items():
            if all(one is not other for other in self._known.values()):  # the same may be in several data
                self._known[name] = one
                self._initial[name] = memory_of(name, one)
        self.data = data
        self._remembering = self._of(data)
        self.pace = Pace(data.iteration_bytes)

    def _of(self, data: Feed) -> dict[str, Remembering]:
        """The preprocessors of data that keep something, by their names in a checkpoint."""
        own = remembering(data.preprocessors).values()
        return {name: one for name, one in self._known.items() if any(one is other for other in own)}

    @property
    def _kept(self) -> dict[str, Any]:
        """What every preprocessor keeps; one that a checkpoint does not know had seen nothing when that was written."""
        return {**self._initial, **self._record.kept.preprocessors}


def _memory(keeping: Mapping[str, Remembering]) -> dict[str, dict[str, Any]]:
    """What preprocessors keep, as a checkpoint holds it."""
    return {name: memory_of(name, one) for name, one in keeping.items()}
