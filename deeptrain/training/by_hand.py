"""Changes by hand in a trainer's life: how they are written, wait for their iteration, and act."""

import math
from typing import Any

from deeptrain.errors import TrainingError
from deeptrain.loading.position import Position
from deeptrain.training.course import Course
from deeptrain.training.interventions import NAMED, Intervention, Key
from deeptrain.training.learner import Learner, Naming
from deeptrain.training.phases import Phase
from deeptrain.training.record import Record

MOVES = {"skip": 1, "repeat": -1}


class ByHand:
    """The changes by hand of one training, new ones and those that were written before and act again."""

    def __init__(self, record: Record, learner: Learner, course: Course) -> None:
        """Know what is changed.

        Args:
            record: whose state is changed, and where changes are written.
            learner: whose learning rate is.
            course: lets what is said by name change the learner, as phases do.
        """
        self._record = record
        self._learner = learner
        self._course = course
        self._named: dict[int, Phase] = {}
        self.seen()

    def seen(self) -> None:
        """The learning rate is as training left it: if it is another one later, somebody set it."""
        self._rate = self._learner.learning_rate

    @property
    def rate(self) -> float | None:
        """The learning rate that somebody set on the learner since it was seen; None if nobody did."""
        rate = self._learner.learning_rate
        # NaN, of what has no rate, is none that somebody set: it is no other one, though it differs from itself
        return rate if rate != self._rate and not math.isnan(rate) else None

    def said(self, key: Key, value: Any) -> Any:
        """A change as it can be written down by name; None where it cannot, or nothing is written."""
        written = self._record.journal is not None and isinstance(self._learner, Naming)
        return self._learner.said(key, value) if written else None  # type: ignore[attr-defined]

    def write(self, key: Key, value: Any) -> None:
        """Write down a change that is to act where training stands, and a checkpoint before it.

        Raises:
            TrainingError: when there is no learning rate to change: whoever trains on would fail at it each time.
        """
        if key == "learning_rate" and math.isnan(self._learner.learning_rate):
            raise TrainingError("learning_rate: what is trained here has none to change")
        at = self._record.kept.position
        self._record.intervene(Intervention(at.epoch, at.iteration, key, value if key in NAMED else float(value)))
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
        return at.batch + sum(int(one.value) * MOVES[one.key] for one in here if one.key in MOVES)

    def phases(self, acted: int) -> list[Phase]:
        """The changes by name among the first so many, as the phases that they are."""
        found = []
        for number, one in enumerate(self._record.interventions[:acted]):
            if one.key in NAMED:
                found.append(self._named.setdefault(number, self._phase(one)))
        return found

    def act(self) -> None:
        """Let the changes act that wait where training stands."""
        while (pending := self.pending) is not None and pending.iteration <= self._record.kept.position.iteration:
            kept = self._record.kept
            at = kept.position
            if pending.key == "learning_rate":
                self._learner.learning_rate = pending.value
            elif pending.key == "threshold":
                kept = kept.with_(threshold=pending.value)
            elif pending.key in NAMED:
                self._course.begin(*self.phases(kept.interventions + 1))
            else:
                batch = at.batch + int(pending.value) * MOVES[pending.key]
                kept = kept.with_(position=Position(at.epoch, batch, at.iteration, 0))
            self._record.kept = kept.with_(interventions=kept.interventions + 1)

    def _phase(self, one: Intervention) -> Phase:
        learner: Any = self._learner
        value = learner.meant(one.key, one.value)
        changed: dict[str, Any] = {one.key: (lambda: value) if one.key == "optimizer" else value}
        return Phase(epoch=one.epoch, **changed)
