"""Where training stands in its data: a value that says everything, because the order of samples is a pure function."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from deeptrain.errors import ArtifactError


@dataclass(frozen=True)
class Position:
    """The next thing to be fit.

    Attributes:
        epoch: the epoch being trained, from 1.
        batch: batches fit in this epoch, so the index of the next one, from 0.
        iteration: iterations fit since the training began; the next one's index, from 0.
        window: windows, or pieces that preprocessors made, fit of the current batch; always 0 where each batch is one
            iteration.
    """

    epoch: int = 1
    batch: int = 0
    iteration: int = 0
    window: int = 0

    def after(self, batches: int) -> "Position":
        """Where training stands when `batches` more whole batches of this epoch have been fit."""
        return Position(self.epoch, self.batch + batches, self.iteration + batches, 0)

    @property
    def begins_epoch(self) -> bool:
        """Whether nothing of this epoch was fit yet."""
        return self.batch == self.window == 0

    def next_epoch(self) -> "Position":
        """The first batch of the epoch after this one."""
        return Position(self.epoch + 1, 0, self.iteration, 0)

    def plain(self) -> dict[str, int]:
        """The position as JSON holds it."""
        return {"epoch": self.epoch, "batch": self.batch, "iteration": self.iteration, "window": self.window}

    @classmethod
    def from_plain(cls, value: Mapping[str, Any]) -> "Position":
        """The position that JSON held.

        Raises:
            ArtifactError: when it is no position.
        """
        if not isinstance(value, Mapping) or value.keys() != _NAMES or {*map(type, value.values())} != {int}:
            raise ArtifactError(f"a position holds the integers {', '.join(sorted(_NAMES))}, got {value!r}")
        if min(value.values()) < 0 or value["epoch"] < 1:
            raise ArtifactError(f"a position counts from 0, its epoch from 1, got {value!r}")
        return cls(**value)


_NAMES = frozenset(field.name for field in fields(Position))
