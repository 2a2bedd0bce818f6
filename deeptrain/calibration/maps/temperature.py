"""One temperature for all: too sure or not sure enough, and nothing else.

Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On calibration of modern neural networks", ICML 2017.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from deeptrain.calibration.maps.score_map import clipped, log_odds, sigmoid, softmax
from deeptrain.calibration.record import Record
from deeptrain.metrics.checks import Scores

COLDEST, HOTTEST = 2.0**-20, 2.0**20
"""Where a temperature ends: all scores count as 0 or 1 below, and as alike, but for 2e-5, above."""


@dataclass(frozen=True)
class Temperature(Record):
    """softmax(log p / temperature), of two classes sigmoid(log-odds / temperature): the greatest stays the greatest.

    Attributes:
        temperature: over 1 where scores are too sure; from `COLDEST` to `HOTTEST`.
    """

    temperature: float

    name: ClassVar[str] = "temperature"

    def __post_init__(self) -> None:
        """Check what `apply` relies on."""
        if not COLDEST <= self.temperature <= HOTTEST:
            raise ValueError(f"temperature must be between 2^-20 and 2^20, got {self.temperature}")

    def apply(self, outputs: Scores) -> Scores:
        """The probabilities for (n,) or (n, classes) scores."""
        if outputs.ndim == 1:
            return sigmoid(log_odds(outputs) / self.temperature)
        return softmax(np.log(clipped(outputs)) / self.temperature)

    @classmethod
    def fit(cls, outputs: Scores, targets: Scores, weights: Scores | float = 1.0) -> Self:
        """The temperature of the least log loss, as exact as float64 is: its slope in 1 / temperature has one root.

        Args:
            outputs: (n,) or (n, classes) scores.
            targets: of the same shape, in [0, 1].
            weights: (n,) what each counts for.
        """
        from scipy.optimize import brentq

        if outputs.ndim == 1:
            logits = np.column_stack([np.zeros(len(outputs)), log_odds(outputs)])
            targets = np.column_stack([1 - targets, targets])
        else:
            logits = np.log(clipped(outputs))
        wanted = float(np.mean(weights * np.sum(targets * logits, axis=1)))

        def slope(inverse: float) -> float:
            return float(np.mean(weights * np.sum(softmax(inverse * logits) * logits, axis=1))) - wanted

        least, most = 1 / HOTTEST, 1 / COLDEST
        if slope(least) >= 0:
            return cls(HOTTEST)
        if slope(most) <= 0:  # separable, by targets of 0 and 1
            return cls(COLDEST)
        inverse = float(brentq(slope, least, most, xtol=1e-300, rtol=4 * np.finfo(float).eps, maxiter=500))
        return cls(min(max(1 / inverse, COLDEST), HOTTEST))
