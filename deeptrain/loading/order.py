"""The order of samples in an epoch: nobody keeps it, it is a pure function of seed and epoch."""

from typing import Literal

import numpy as np

from deeptrain import seeds

Order = Literal["samples", "none"]
"""`samples`: every sample across the whole data set, each exactly once an epoch. `none`: as they are stored."""


def order(kind: Order, samples: int, seed: int, epoch: int) -> np.ndarray:
    """Indices of all samples in the order of one epoch: (samples,) int64.

    Memory: 16 bytes a sample while it is made, 8 while it is used.
    """
    if kind == "none":
        return np.arange(samples, dtype=np.int64)
    return seeds.permutation(samples, "epoch", seed, epoch)
