"""Any rising curve.

Source: B. Zadrozny, C. Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD
2002.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from deeptrain.calibration.record import Record
from deeptrain.metrics.checks import Scores


@dataclass(frozen=True)
class Isotonic(Record):
    """The best fit that never falls: level over blocks of scores, straight between them, level beyond the ends.

    Attributes:
        scores: (knots,) strictly ascending.
        probabilities: (knots,) never falling.
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    name: ClassVar[str] = "isotonic"

    def __post_init__(self) -> None:
        """Check what `apply` relies on."""
        x, y = np.array(self.scores), np.array(self.probabilities)
        if not (0 < len(x) == len(y) and (np.diff(x) > 0).all() and (np.diff(y) >= 0).all()):
            raise ValueError(f"scores must ascend and probabilities not fall, equally many, got {len(x)} and {len(y)}")

    def apply(self, outputs: Scores) -> Scores:
        """The probabilities for (n,) scores."""
        return np.interp(outputs, self.scores, self.probabilities)

    @classmethod
    def fit(cls, outputs: Scores, targets: Scores, weights: Scores | float = 1.0) -> Self:
        """The curve of the least squared error, equal scores taken together; scores, targets and weights (n,)."""
        from scipy.optimize import isotonic_regression

        x, where = np.unique(outputs, return_inverse=True)
        members = np.bincount(where, weights=np.broadcast_to(weights, targets.shape))
        found = isotonic_regression(np.bincount(where, weights=weights * targets) / members, weights=members)
        first, last = found.blocks[:-1], found.blocks[1:] - 1
        knots = np.unique(np.concatenate([first, last]))
        level = np.clip(found.x[knots], 0, 1)  # means of numbers in [0, 1] may round out of it
        return cls(tuple(x[knots].tolist()), tuple(np.maximum.accumulate(level).tolist()))
