"""Global generators seeded before every iteration, for code that draws from them."""

import random
import sys
from typing import TYPE_CHECKING

import numpy as np

from deeptrain import seeds

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer


class SeedSetter:
    """Seeds the global generators of Python, NumPy, TensorFlow and PyTorch before each iteration and each validation.

    deeptrain draws from none of them: all its randomness is derived from a seed by name. This is for a preprocessor,
    a metric or a callback of yours that does, which would otherwise draw other numbers in a training that was stopped.
    The seeds follow from `seed` and the number of the iteration. Iterations are not fused. The generators are not put
    back afterwards.
    """

    def __init__(self, seed: int = 0) -> None:
        """Choose the seed."""
        self._seed = seed

    def iteration_begin(self, trainer: "Trainer") -> None:
        """Seed them for an iteration."""
        self._set("iteration", trainer.position.iteration)

    def validation_begin(self, trainer: "Trainer") -> None:
        """Seed them for a validation."""
        self._set("validation", trainer.position.iteration)

    def validation_end(self, trainer: "Trainer", *_: object) -> None:
        """Seed them for what comes between a validation and the next iteration."""
        self._set("validated", trainer.position.iteration)

    def _set(self, purpose: str, iteration: int) -> None:
        seed = seeds.derive("seed_setter", self._seed, purpose, iteration)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002 - the global generator is what this is about
        tensorflow, torch = sys.modules.get("tensorflow"), sys.modules.get("torch")
        if tensorflow is not None:
            tensorflow.random.set_seed(seed)
        if torch is not None:
            torch.random.manual_seed(seed)
