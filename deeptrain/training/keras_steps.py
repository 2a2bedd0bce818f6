"""What runs iterations of a Keras model on a backend; one file for each."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from deeptrain.errors import TrainingError
from deeptrain.loading.arrays import Arrays
from deeptrain.training.keras_pure import Pure, State


class Steps(Protocol):
    """Runs iterations of a model, and reads and sets its variables by their names."""

    def fit(self, parts: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], Arrays]:
        """Fit batches one after the other; the bytes are those of as many single calls.

        Args:
            parts: of the batches, each (iterations, batch, ...); see `keras_parts`.

        Returns:
            What each told, by name (iterations,) float32, "loss" among them, and their outputs.
        """
        ...

    def judge(self, parts: Mapping[str, Any]) -> tuple[State, dict[str, float], Arrays]:
        """The states of recurrent layers after a batch, its losses where there are labels, and its outputs.

        Changes nothing.
        """
        ...

    def set(self, state: Mapping[str, Any]) -> None:
        """Set variables to tensors or arrays, which are copied where they could be changed later."""
        ...

    def snapshot(self, name: str) -> np.ndarray:
        """The value of a variable, which nothing changes any more."""
        ...


def of(backend: str, pure: Pure) -> Steps:
    """What runs iterations on the backend that Keras was loaded with.

    Raises:
        TrainingError: for any other than jax and torch.
    """
    if backend == "jax":
        from deeptrain.training.jax_steps import JaxSteps

        return JaxSteps(pure)
    if backend == "torch":
        from deeptrain.training.torch_steps import TorchSteps

        return TorchSteps(pure)
    raise TrainingError(f"no iterations are known of Keras on {backend}, only on jax and torch")
