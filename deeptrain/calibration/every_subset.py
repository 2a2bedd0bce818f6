"""The best of all ensembles whose members count alike, by looking at every one: there are 2 ** members - 1."""

import itertools
from collections.abc import Callable

import numpy as np

from deeptrain.metrics.checks import Scores


def choose(worth: Callable[[Scores], float], members: int) -> Scores:
    """The weights (members,) of the best subset: equal ones, or 0; their sum is 1.

    Among equals the one of fewer members, then the one whose members come first.

    Args:
        worth: of an ensemble by its weights; more is better.
        members: how many there are, at least 1.
    """
    best, found = -np.inf, np.zeros(members)
    for size in range(1, members + 1):
        for chosen in itertools.combinations(range(members), size):
            weights = np.isin(np.arange(members), chosen) / size
            value = worth(weights)
            if value > best or not found.any():
                best, found = value, weights
    return found
