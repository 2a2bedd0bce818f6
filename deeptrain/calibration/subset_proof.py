"""A certified subset counted again, without any search."""

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration.chosen_sets import Subset
from deeptrain.calibration.ratio_search import BLOCK, SLACK, ratio_of, weighted
from deeptrain.calibration.room import Room
from deeptrain.calibration.set_counts import SetCounts
from deeptrain.metrics import checks, names


def holds(
    found: Subset,
    labels: ArrayLike,
    scores: ArrayLike,
    sets: ArrayLike,
    metric: names.Named,
    weights: ArrayLike | None = None,
) -> bool:
    """Whether a certified subset of binary labels is the best by what can be counted again, without any search.

    At every threshold that makes a difference the sets that could be chosen are counted, and the greatest of
    numerator * q - denominator * p are summed, p / q being what the chosen sets have at their threshold: a better
    choice would have a sum above 0, with weights also of a p that is greater by a 10^12th. O(thresholds x sets).

    Args:
        found: by `best`.
        labels: what it was found on.
        scores: likewise.
        sets: likewise.
        metric: likewise.
        weights: likewise.
    """
    ratio = ratio_of(names.count_metric(metric))
    if not found.certified or ratio is None or found.threshold is None:
        return False
    truth, values = checks.binary(labels, scores)
    members, counts = checks.set_numbers(sets, len(truth)), checks.weights(weights, len(truth))
    if counts is not None:
        some = counts > 0
        truth, values, members, counts = truth[some], values[some], members[some], checks.unequal(counts[some])
    allowed = [one for one in found.per_set if one.candidate]
    told = [one.number for one in allowed]
    counted = SetCounts.of(truth, values, members, np.array([one.number for one in found.per_set]), counts)
    counted = counted.only(np.searchsorted(counted.numbers, told))
    groups = None
    if found.most_per_group is not None:
        groups = np.unique([one.group for one in allowed], return_inverse=True)[1].astype(np.int64)
    room = Room(len(found.sets), groups, found.most_per_group or 1)
    chosen = np.isin(told, found.sets)
    at = counted.at(np.array([found.threshold]))
    p, q = (weighted(factors, at)[0, chosen].sum().item() for factors in ratio)
    if q == 0 or len(found.sets) != int(chosen.sum()):
        return False
    cuts = np.append(np.unique(values), -1.0) if found.joint else np.array([found.threshold])
    rows = max(1, BLOCK // len(told))
    p += SLACK * p if counted.weighted else 0
    for start in range(0, len(cuts), rows):
        at = counted.at(cuts[start : start + rows])
        terms = weighted(ratio.numerator, at) * q - weighted(ratio.denominator, at) * p
        if (room.greatest(terms) > 0).any():
            return False
    return True
