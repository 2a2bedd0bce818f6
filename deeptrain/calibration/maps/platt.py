"""A line through the log-odds.

Source: J. Platt, "Probabilistic outputs for support vector machines", 1999; on log-odds instead of margins, and with a
slope that does not reverse the order.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from deeptrain.calibration.maps import logistic
from deeptrain.calibration.maps.score_map import log_odds, sigmoid
from deeptrain.calibration.record import Record
from deeptrain.metrics.checks import Scores


@dataclass(frozen=True)
class Platt(Record):
    """sigmoid(slope * log-odds + intercept).

    Attributes:
        slope: at least 0.
        intercept: what moves all alike.
    """

    slope: float
    intercept: float

    name: ClassVar[str] = "platt"

    def __post_init__(self) -> None:
        """Check what `apply` relies on."""
        if not self.slope >= 0:
            raise ValueError(f"slope must be at least 0, got {self.slope}")

    def apply(self, outputs: Scores) -> Scores:
        """The probabilities for (n,) scores."""
        return sigmoid(self.slope * log_odds(outputs) + self.intercept)

    @classmethod
    def fit(cls, outputs: Scores, targets: Scores, weights: Scores | float = 1.0) -> Self:
        """The line of the least log loss; scores, targets and weights (n,)."""
        (slope,), intercept = logistic.fit(log_odds(outputs)[:, None], targets, weights)
        return cls(slope, intercept)
