"""Changes by hand in a trainer's life: how they are written, wait for their iteration, and act."""

from deeptrain.loading.position import Position
from deeptrain.training.interventions import Intervention, Key
from deeptrain.training.learner import Learner
from deeptrain.training.record import Record

MOVES = {"skip": 1, "repeat": -1}


class ByHand:
    """The changes by hand of one training, new ones and those that were written before and act again."""

    def __init__(self, record: Record, learner: Learner) -> None:
        """Know what is changed.

        Args:
            record: whose state is changed, and where changes are written.
            learner: whose learning rate is.
        """
        self._record = record
        self._learner = learner
        self.seen()

    def seen(self) -> None:
        """The learning rate is as training left it: if it is another one later, somebody set it."""
        self._rate = self._learner.learning_rate

    @property
    def rate(self) -> float | None:
        """The learning rate that somebody set on the learner since it was seen; None if nobody did."""
        rate = self._learner.learning_rate
        return rate if rate != self._rate else None

    def write(self, key: Key, value: float) -> None:
        """Write down a change that is to act where training stands, and a checkpoint before it."""
        at = self._record.kept.position
        self._record.intervene(Intervention(at.epoch, at.iteration, key, float(value)))
        self._record.save(self._learner.variables())

    @property
    def pending(self) -> Intervention | None:
        """The next change of this epoch that has not acted."""
        pending = self._record.pending
        return pending if pending is not None and pending.epoch == self._record.kept.position.epoch else None

    @property
    def next_batch(self) -> int:
        """The next batch, when the changes that wait where training stands have acted."""
        kept = self._record.kept
        at = kept.position
        waiting = self._record.interventions[kept.interventions :]
        here = [one for one in waiting if (one.epoch, one.iteration) == (at.epoch, at.iteration)]
        return at.batch + sum(int(one.value) * MOVES.get(one.key, 0) for one in here)

    def act(self) -> None:
        """Let the changes act that wait where training stands."""
        while (pending := self.pending) is not None and pending.iteration <= self._record.kept.position.iteration:
            kept = self._record.kept
            at = kept.position
            if pending.key == "learning_rate":
                self._learner.learning_rate = pending.value
            elif pending.key == "threshold":
                kept = kept.with_(threshold=pending.value)
            else:
                batch = at.batch + int(pending.value) * MOVES[pending.key]
                kept = kept.with_(position=Position(at.epoch, batch, at.iteration, 0))
            self._record.kept = kept.with_(interventions=kept.interventions + 1)
