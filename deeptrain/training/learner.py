"""What the loop knows of a model: a small protocol, and nothing of the framework behind it."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np


class Learner(Protocol):
    """A model that learns, with all the state that a checkpoint must hold."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fit batches one after the other in one call; the bytes are those of as many single calls.

        Args:
            x: (iterations, batch, *shape).
            y: (iterations, batch, ...), labels as the shards hold them.

        Returns:
            losses: (iterations,) float32, each before its update; outputs: (iterations, batch, ...) of the same.
        """
        ...

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss of a batch and the outputs for it; changes nothing that training sees."""
        ...

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The raw outputs for a batch; changes nothing."""
        ...

    def variables(self) -> dict[str, np.ndarray]:
        """Every variable by name, as snapshots: weights, optimizer, seed generators, recurrent states."""
        ...

    def restore(self, variables: Mapping[str, np.ndarray]) -> None:
        """Set every variable.

        Raises:
            TrainingError: when names, shapes or dtypes differ; nothing is set then.
        """
        ...

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next iteration."""
        ...

    @learning_rate.setter
    def learning_rate(self, value: float) -> None: ...
