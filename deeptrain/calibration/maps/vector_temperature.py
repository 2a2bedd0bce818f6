"""A temperature and a shift for each class.

Source: "vector scaling" in C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On calibration of modern neural networks", ICML
2017. Of two classes it would be beta calibration, by another name.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from deeptrain.calibration.maps.score_map import clipped, softmax
from deeptrain.calibration.record import Record
from deeptrain.metrics.checks import Scores


@dataclass(frozen=True)
class VectorTemperature(Record):
    """softmax(slopes * log p + shifts).

    Attributes:
        slopes: (classes,), one over the temperature of each, at least 0.
        shifts: (classes,), 0 in sum.
    """

    slopes: tuple[float, ...]
    shifts: tuple[float, ...]

    name: ClassVar[str] = "vector"

    def __post_init__(self) -> None:
        """Check what `apply` relies on."""
        if len(self.slopes) != len(self.shifts) or min(self.slopes, default=-1) < 0:
            raise ValueError(f"slopes must be at least 0, as many as shifts ({len(self.shifts)}), got {self.slopes}")

    def apply(self, outputs: Scores) -> Scores:
        """The probabilities for (n, classes) scores."""
        return softmax(np.log(clipped(outputs)) * np.array(self.slopes) + np.array(self.shifts))

    @classmethod
    def fit(cls, outputs: Scores, targets: Scores, weights: Scores | float = 1.0) -> Self:
        """The slopes and shifts of the least log loss, which is convex in them; by L-BFGS-B.

        Args:
            outputs: (n, classes) scores.
            targets: (n, classes), rows sum to 1.
            weights: (n,) what each counts for.
        """
        from scipy.optimize import minimize

        logits = np.log(clipped(outputs))
        samples, classes = logits.shape

        def loss(point: Scores) -> tuple[float, Scores]:
            values = logits * point[:classes] + point[classes:]
            highest = values.max(axis=1, keepdims=True)
            total = np.log(np.sum(np.exp(values - highest), axis=1)) + highest[:, 0]
            wrong = (softmax(values) - targets) * np.reshape(weights, (-1, 1)) / samples
            gradient = np.concatenate([np.sum(wrong * logits, axis=0), np.sum(wrong, axis=0)])
            return float(np.mean(weights * (total - np.sum(targets * values, axis=1)))), gradient

        start = np.concatenate([np.ones(classes), np.zeros(classes)])
        bounds = [(0.0, None)] * classes + [(None, None)] * classes
        found = minimize(
            loss,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 2000, "maxfun": 4000, "ftol": 1e-15, "gtol": 1e-9},
        ).x
        shifts = found[classes:] - found[classes:].mean()
        return cls(tuple(found[:classes].tolist()), tuple(shifts.tolist()))
