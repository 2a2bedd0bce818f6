"""What the loop knows of a model: a small protocol, and nothing of the framework behind it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np

from deeptrain.loading.arrays import Arrays


class Learner(Protocol):
    """A model that learns, with all the state that a checkpoint must hold.

    Several inputs or outputs are mappings of arrays by name.
    """

    def fit(
        self,
        x: Arrays,
        y: Arrays,
        *,
        weights: np.ndarray | None = None,
        mask: Arrays | None = None,
        begins: np.ndarray | None = None,
    ) -> tuple[Arrays, Arrays]:
        """Fit batches one after the other in one call; the bytes are those of as many single calls.

        Args:
            x: (iterations, batch, *shape).
            y: (iterations, batch, ...), labels as the shards hold them.
            weights: (iterations, batch) or (iterations, batch, steps) float32, what each loss is multiplied with
                before the mean over the batch is taken.
            mask: (iterations, batch, steps) bool, False for steps that are padding and that the model must not see.
            begins: (iterations,) bool, whether the states of recurrent layers are reset before each; never if None.

        Returns:
            losses: (iterations,) float32, each before its update; of several outputs a mapping of "loss", which is
                trained on, and "NAME.loss" of each output; outputs: (iterations, batch, ...) of the same.
        """
        ...

    def evaluate(
        self, x: Arrays, y: Arrays, *, weights: np.ndarray | None = None, mask: Arrays | None = None
    ) -> tuple[float | Mapping[str, float], Arrays]:
        """The loss of a batch, or its losses as `fit` names them, and the outputs for it.

        Changes nothing that training sees.
        """
        ...

    def predict(self, x: Arrays, *, mask: Arrays | None = None) -> Arrays:
        """The raw outputs for a batch; changes nothing."""
        ...

    def sequence(self) -> AbstractContextManager[None]:
        """Within it, `evaluate` and `predict` follow a series through its windows.

        The states of recurrent layers begin at zero, move from call to call, and are afterwards what they were.
        """
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
