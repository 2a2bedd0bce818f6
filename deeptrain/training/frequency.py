"""How often something is done: every so many iterations, batches, epochs, validations or seconds, or when asked."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

from deeptrain.errors import SettingsError

if TYPE_CHECKING:
    from deeptrain.training.standing import Standing

Event = Literal["iteration", "validation", "epoch", "time"]
"""What just ended; "time": nothing, but seconds have passed."""


@dataclass(frozen=True)
class Counts:
    """What was done since the training began.

    Attributes:
        iterations: fit.
        batches: fit to their end; a batch of sequences has several iterations.
        epochs: ended.
        validations: of the whole validation split.
        ends_batch: whether the newest iteration was its batch's last.
    """

    iterations: int = 0
    batches: int = 0
    epochs: int = 0
    validations: int = 0
    ends_batch: bool = False


@dataclass(frozen=True, kw_only=True)
class Every:
    """A frequency; where several are given, each counts.

    All but `seconds` are the same however often training is stopped: they are functions of what was done since it
    began. What is done every few seconds must therefore change nothing that training goes on from.

    Attributes:
        iterations: after each n-th iteration.
        batches: after each n-th batch.
        epochs: at the end of each n-th epoch.
        validations: after each n-th validation.
        seconds: when so many have passed since it was done, or since training went on, and an iteration ends.
        when: after each iteration for which it is true of the trainer's state; no iterations are fused then.
    """

    iterations: int | None = None
    batches: int | None = None
    epochs: int | None = None
    validations: int | None = None
    seconds: float | None = None
    when: "Callable[[Standing], bool] | None" = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            SettingsError: when none is given, or one is out of range.
        """
        if all(getattr(self, field.name) is None for field in fields(self)):
            names = ", ".join(field.name for field in fields(self))
            raise SettingsError(f"Every: expected at least one of {names}")
        for name in ("iterations", "batches", "epochs", "validations"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise SettingsError(f"Every: {name} must be an integer of at least 1, got {value!r}")
        seconds = self.seconds
        if seconds is not None and not (isinstance(seconds, int | float) and 0 < seconds < math.inf):
            raise SettingsError(f"Every: seconds must be a finite number above 0, got {seconds!r}")
        if self.when is not None and not callable(self.when):
            raise SettingsError(f"Every: when must be a function of the state, got {self.when!r}")

    def until_due(self, at: Counts) -> int | None:
        """How many iterations may be fit before this may be due; None for any number.

        Batches count as iterations here, which is right where a batch is one and cautious where it has several.
        """
        if self.when is not None:
            return 1
        left = []
        if self.iterations is not None:
            left.append(self.iterations - at.iterations % self.iterations)
        if self.batches is not None:
            left.append(self.batches - at.batches % self.batches)
        return min(left, default=None)

    def due(self, event: Event, counts: Counts) -> bool:
        """Whether it is due now by the counts alone."""
        if event == "validation":
            return _multiple(counts.validations, self.validations)
        if event == "epoch":
            return _multiple(counts.epochs, self.epochs)
        return event == "iteration" and (
            _multiple(counts.iterations, self.iterations)
            or (counts.ends_batch and _multiple(counts.batches, self.batches))
        )


class Schedule:
    """A frequency in use: knows when it was last due by the clock."""

    def __init__(self, every: Every, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to wait.

        Args:
            every: the frequency.
            clock: gives seconds from any origin.
        """
        self.every = every
        self._clock = clock
        self.start()

    def start(self) -> None:
        """Wait for the seconds from now on."""
        self.since = self._clock()

    def due(self, event: Event, counts: Counts, standing: "Callable[[], Standing]") -> bool:
        """Whether it is due now; the seconds begin anew then."""
        every = self.every
        late = every.seconds is not None and self._clock() - self.since >= every.seconds
        found = (
            every.due(event, counts)
            or (late and event in {"iteration", "time"})
            or (every.when is not None and event == "iteration" and bool(every.when(standing())))
        )
        if found:
            self.start()
        return found


def _multiple(count: int, of: int | None) -> bool:
    return of is not None and count > 0 and count % of == 0
