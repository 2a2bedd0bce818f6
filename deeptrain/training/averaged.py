"""Which epochs' weights are averaged: the last so many up to one, or the best by the key metric.

Planning asks this to know which states must stay, so nothing here reads weights.
"""

import math
from collections.abc import Sequence

from deeptrain.drawing import wording


def last(until: int, count: int) -> tuple[int, ...]:
    """The last `count` epochs up to `until`, ascending; all of them where they are fewer."""
    return tuple(range(max(until - count, 0) + 1, until + 1))


def best(values: Sequence[float], recorded: int | None, count: int) -> tuple[int, ...]:
    """The `count` best epochs, ascending but for the best of all, which comes last; fewer where fewer have a value.

    Args:
        values: of the key metric, by epoch from the first.
        recorded: the epoch recorded as the best; whether more or less is better follows from it. None where no epoch
            has a value.
        count: how many; of equal ones the earlier.
    """
    if recorded is None:
        return ()
    known = {number: value for number, value in enumerate(values, 1) if not math.isnan(value)}
    sign = 1.0 if any(value > known[recorded] for value in known.values()) else -1.0
    ranked = sorted(known, key=lambda number: (sign * known[number], number))[:count]
    return (*sorted(ranked[1:]), ranked[0])


def in_words(epochs: Sequence[int]) -> str:
    """Whose weights these are: "epoch 3", "the mean of epochs 1, 2 and 3"."""
    several = "the mean of epochs" if len(epochs) > 1 else "epoch"
    return f"{several} {wording.listed(sorted(epochs))}"
