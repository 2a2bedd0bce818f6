"""The sets whose mean is greatest, exactly: a ratio of sums of any numbers, without a threshold.

By the method of `ratio_search`, in whole numbers without bounds: floats are fractions.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from deeptrain.calibration.operating_points import Integers
from deeptrain.calibration.room import Room


def best(sums: Sequence[float], weights: Sequence[float], room: Room) -> Integers:
    """Indices of the sets, ascending, with the greatest sum of `sums` / sum of `weights`.

    Args:
        sums: of each set, any finite numbers, taken exactly.
        weights: of each set, above 0.
        room: what may be chosen. Among equals those with the greatest weights are, then the first.
    """
    whole_sums, whole_weights = whole(sums), whole(weights)
    chosen = room.first(np.arange(len(sums)))
    while True:
        p, q = (sum(values[one] for one in chosen) for values in (whole_sums, whole_weights))
        terms = [top * q - weight * p for top, weight in zip(whole_sums, whole_weights, strict=True)]
        order = sorted(range(len(terms)), key=lambda one: (-terms[one], -whole_weights[one]))
        better = room.first(np.array(order))
        if sum(terms[one] for one in better) <= 0:
            return better
        chosen = better


def whole(values: Sequence[float]) -> list[int]:
    """The values as whole numbers, all by one factor."""
    fractions = [Fraction(value) for value in values]
    factor = max(fraction.denominator for fraction in fractions)  # each is a power of two, so the greatest fits all
    return [int(fraction * factor) for fraction in fractions]
