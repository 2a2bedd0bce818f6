"""Scores as they are: what every other map has to be better than."""

from dataclasses import dataclass
from typing import ClassVar, Self

from deeptrain.calibration.record import Record
from deeptrain.metrics.checks import Scores


@dataclass(frozen=True)
class Unchanged(Record):
    """The scores themselves."""

    name: ClassVar[str] = "none"

    def apply(self, outputs: Scores) -> Scores:
        """The same scores."""
        return outputs

    @classmethod
    def fit(cls, outputs: Scores, targets: Scores, weights: Scores | float = 1.0) -> Self:  # noqa: ARG003 - as others
        """Nothing is to be fitted."""
        return cls()
