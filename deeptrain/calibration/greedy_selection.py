"""Members of an ensemble taken one after the other, any of them again: the one that helps most is added each time.

Source: R. Caruana, A. Niculescu-Mizil, G. Crew and A. Ksikes, "Ensemble selection from libraries of models", ICML 2004.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from deeptrain.metrics.checks import Scores


class Selection(NamedTuple):
    """What was taken.

    Attributes:
        weights: (members,) how often each was taken, over how many were taken; their sum is 1.
        path: what the ensemble was worth after each addition, all rounds of them.
    """

    weights: Scores
    path: tuple[float, ...]


def choose(worth: Callable[[Scores], float], members: int, rounds: int) -> Selection:
    """The best of the ensembles that `rounds` additions pass through; never worse than the best member alone.

    Among additions that are equally good, one that makes the ensemble no larger, then the first member; among the
    ensembles passed through, the one of fewer members, then the earlier.

    Args:
        worth: of an ensemble by its weights (members,), whose sum is 1; more is better.
        members: how many there are.
        rounds: how many additions are made, at least 1.
    """
    counts = np.zeros(members, np.int64)
    path: list[float] = []
    best, found = (-np.inf, -members), counts
    for taken in range(1, rounds + 1):
        tried = [counts + (np.arange(members) == member) for member in range(members)]
        ranks = [(worth(one / taken), -int(np.count_nonzero(one))) for one in tried]
        first = max(range(members), key=lambda member: ranks[member])  # of equal ones `max` gives the first
        counts = tried[first]
        path.append(ranks[first][0])
        if taken == 1 or ranks[first] > best:
            best, found = ranks[first], counts
    return Selection(found / found.sum(), tuple(path))
