"""Beta calibration: scores pushed together or apart differently at both ends.

Source: M. Kull, T. Silva Filho, P. Flach, "Beta calibration: a well-founded and easily implemented improvement on
logistic calibration for binary classifiers", AISTATS 2017.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from deeptrain.calibration.maps import logistic
from deeptrain.calibration.maps.score_map import clipped, sigmoid
from deeptrain.calibration.record import Record
from deeptrain.metrics.checks import Scores


@dataclass(frozen=True)
class Beta(Record):
    """sigmoid(a * log p - b * log(1 - p) + c).

    Attributes:
        a: at least 0.
        b: at least 0.
        c: what moves all alike.
    """

    a: float
    b: float
    c: float

    name: ClassVar[str] = "beta"

    def __post_init__(self) -> None:
        """Check what `apply` relies on."""
        if not min(self.a, self.b) >= 0:
            raise ValueError(f"a and b must be at least 0, got {self.a} and {self.b}")

    def apply(self, outputs: Scores) -> Scores:
        """The probabilities for (n,) scores."""
        inside = clipped(outputs)
        return sigmoid(self.a * np.log(inside) - self.b * np.log1p(-inside) + self.c)

    @classmethod
    def fit(cls, outputs: Scores, targets: Scores, weights: Scores | float = 1.0) -> Self:
        """The map of the least log loss; scores, targets and weights (n,)."""
        inside = clipped(outputs)
        (a, b), c = logistic.fit(np.column_stack([np.log(inside), -np.log1p(-inside)]), targets, weights)
        return cls(a, b, c)
