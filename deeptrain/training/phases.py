"""A training in phases: from an epoch on another learning rate, loss, optimizer, frozen layers or data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from deeptrain.errors import SettingsError, TrainingError
from deeptrain.loading.feed import Feed
from deeptrain.loading.preprocessing import Remembering, remembering
from deeptrain.training.learner import Learner


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What is different from the beginning of an epoch on, until a later phase says otherwise.

    Attributes:
        epoch: the first of it, from 1.
        learning_rate: None to leave it as it is.
        loss: what the learner takes for one, such as a `keras.losses.Loss`; None to leave it.
        optimizer: makes a new one, whose state begins anew; None to leave it.
        frozen: patterns of names of layers that are no longer trained, such as "conv*"; () to train all again, None to
            leave it.
        data: what is fit, of as many samples or others, in batches of any size; None to leave it. A preprocessor
            that keeps something goes on from it in all data that it is part of.
    """

    epoch: int
    learning_rate: float | None = None
    loss: Any = None
    optimizer: Callable[[], Any] | None = None
    frozen: Sequence[str] | None = None
    data: Feed | None = None

    def change(self, learner: Learner) -> None:
        """Change a learner that stands at the epoch's beginning, or whose variables are set afterwards."""
        given = {
            "loss": self.loss,
            "optimizer": None if self.optimizer is None else self.optimizer(),
            "frozen": self.frozen,
            "learning_rate": self.learning_rate,
        }
        given = {name: value for name, value in given.items() if value is not None}
        changing = getattr(learner, "change", None)
        if not given:
            return
        if given.keys() == {"learning_rate"}:
            learner.learning_rate = given["learning_rate"]
        elif changing is not None:
            changing(**given)
        else:
            raise TrainingError(f"{type(learner).__name__} cannot change its {', '.join(given)} while it is trained")


class Phases:
    """The phases of a training, in order."""

    def __init__(self, phases: Sequence[Phase], data: Feed) -> None:
        """Order them.

        Args:
            phases: in any order.
            data: what is fit before one of them says otherwise.

        Raises:
            SettingsError: when two begin with the same epoch.
        """
        self._phases = sorted(phases, key=lambda phase: phase.epoch)
        self._data = data
        epochs = [phase.epoch for phase in self._phases]
        if len(set(epochs)) != len(epochs) or min(epochs, default=1) < 1:
            raise SettingsError(f"phases: expected each to begin with another epoch, from 1 on, got {epochs}")

    def followed_by(self, phase: Phase) -> "Phases":
        """These, and one more, in place of one that begins with the same epoch."""
        return Phases([*(one for one in self._phases if one.epoch != phase.epoch), phase], self._data)

    @property
    def feeds(self) -> list[Feed]:
        """Everything that is fit in any of them."""
        return [self._data, *(phase.data for phase in self._phases if phase.data is not None)]

    def remembering(self) -> dict[str, Remembering]:
        """Every preprocessor that keeps something, by place and kind, and of a phase by its epoch, too: "5/0:Mean"."""
        parts = [("", self._data), *((f"{one.epoch}/", one.data) for one in self._phases if one.data is not None)]
        return {phase + name: one for phase, data in parts for name, one in remembering(data.preprocessors).items()}

    def data(self, epoch: int) -> Feed:
        """What is fit in an epoch."""
        found = [phase.data for phase in self._phases if phase.epoch <= epoch and phase.data is not None]
        return found[-1] if found else self._data

    def beginning(self, epoch: int) -> Phase | None:
        """The phase that begins with an epoch."""
        return next((phase for phase in self._phases if phase.epoch == epoch), None)

    def begun(self, epoch: int, *, within: bool) -> list[Phase]:
        """The phases that a learner went through until an epoch's beginning, or until some iteration within it."""
        return [phase for phase in self._phases if phase.epoch < epoch + within]
