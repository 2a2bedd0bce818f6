"""Which part of a cross-fitting each sample falls into."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain import seeds
from deeptrain.errors import SettingsError
from deeptrain.metrics.checks import Integers, Labels


def dealt(labels: Integers | Labels, folds: int, seed: int) -> NDArray[Any]:
    """The fold of each sample, (n,) of the least unsigned type: members of each class dealt out as evenly as can be.

    Each class is dealt on where the one before ended, so that the folds differ by one sample at most. A function of
    the labels in their order, so whoever sorts the samples first does not depend on their order.

    Args:
        labels: (n,) class numbers, or bool.
        folds: how many, at least 2.
        seed: of the dealing.

    Raises:
        SettingsError: when there are fewer than 2 folds.
    """
    if folds < 2:
        raise SettingsError(f"folds must be at least 2, got {folds}")
    found = np.empty(len(labels), np.min_scalar_type(folds))
    before = 0
    for one in np.unique(labels):
        members = np.flatnonzero(labels == one)
        dealt = seeds.permutation(len(members), "folds", seed, folds, int(one))
        dealt += before
        dealt %= folds
        found[members] = dealt
        before += len(members)
    return found
