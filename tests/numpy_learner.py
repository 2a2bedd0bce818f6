"""A learner of thirty lines of NumPy, where TensorFlow would only be slow: it forgets nothing, or its tests fail."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from deeptrain.training.learner import Fitted


class NumpyLearner:
    """Logistic regression with momentum and noise on its inputs: weights, an optimizer and a generator to be kept.

    Attributes:
        groups: how many iterations each call to `fit` had.
    """

    def __init__(self, features: int = 2, rate: float = 0.1) -> None:
        zeros = np.zeros(features + 1)
        self._held = {"weights": zeros, "velocity": zeros, "rate": np.array(rate), "drawn": np.array(0)}
        self.groups: list[int] = []

    @property
    def learning_rate(self) -> float:
        return float(self._held["rate"])

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._held["rate"] = np.array(value)

    def fit(self, x: Any, y: Any, *, weights: Any = None, **_: Any) -> Fitted:
        self.groups.append(len(x))
        found = [self._fit(x[at], y[at], None if weights is None else weights[at]) for at in range(len(x))]
        return Fitted(np.array([loss for loss, _ in found], np.float32), np.stack([outputs for _, outputs in found]))

    def _fit(self, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> tuple[float, np.ndarray]:
        held = self._held
        noise = np.random.Generator(np.random.Philox(int(held["drawn"]))).normal(size=self._inputs(x).shape)
        x, outputs = self._inputs(x) + 0.1 * noise, self.predict(x)
        pull = (outputs - y) * (1 if weights is None else weights)
        gradient = np.append(x.T @ pull, pull.sum()) / len(x)
        velocity = 0.9 * held["velocity"] - held["rate"] * gradient
        loss = self.evaluate(x, y)[0]
        held |= {"weights": held["weights"] + velocity, "velocity": velocity, "drawn": held["drawn"] + 1}
        return loss, outputs

    def evaluate(self, x: Any, y: Any, **_: Any) -> tuple[float, np.ndarray]:
        outputs = self.predict(x)
        return float(-np.mean(np.log(np.where(y > 0.5, outputs, 1 - outputs) + 1e-9))), outputs

    def predict(self, x: Any, **_: Any) -> np.ndarray:
        weights = self._held["weights"]
        return np.asarray(1 / (1 + np.exp(-(self._inputs(x) @ weights[:-1] + weights[-1]))))

    @staticmethod
    def _inputs(x: np.ndarray) -> np.ndarray:
        return x.mean(axis=1) if x.ndim == 3 else x  # of a window of a series, the mean over its steps

    @contextlib.contextmanager
    def sequence(self) -> Iterator[None]:
        yield

    def variables(self) -> dict[str, np.ndarray]:
        return {name: np.array(value) for name, value in self._held.items()}

    def restore(self, variables: Mapping[str, np.ndarray]) -> None:
        self._held = {name: np.array(value) for name, value in variables.items()}
