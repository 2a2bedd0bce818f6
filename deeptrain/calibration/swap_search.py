"""Good sets for any metric of counts, by swapping one set at a time until no swap is better; proves nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.calibration.operating_points import Integers
from deeptrain.calibration.room import Room
from deeptrain.metrics.counts import Values

Objective = Callable[[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]], Values]
"""From arrays of tp, fp, fn, tn their value, more being better, -inf where undefined."""

SLACK = 1e-12
"""So much better a swap must be where counts are sums of weights, or rounding would go round in circles."""

BLOCK = 1 << 20
RANDOM_STARTS = 6


def best(counts: NDArray[Any], objective: Objective, room: Room) -> Integers:
    """Indices of the sets, ascending, that no swap of one for another makes better; the best over several starts.

    Args:
        counts: (4, n) tp, fp, fn, tn of each set, int64, or float64, sums of weights.
        objective: of the sums over the chosen sets.
        room: what may be chosen.
    """
    found = [improve(counts, objective, start, room) for start in _starts(counts, objective, room)]
    values = [float(objective(*counts[:, chosen].sum(axis=1))) for chosen in found]
    return found[int(np.argmax(values))]


def improve(counts: NDArray[Any], objective: Objective, chosen: Integers, room: Room) -> Integers:
    """The choice after the best swap, again and again until none is strictly better; ascending."""
    chosen, slack = np.sort(chosen), SLACK if counts.dtype.kind == "f" else 0.0
    while True:
        total = counts[:, chosen].sum(axis=1)
        others = np.setdiff1d(np.arange(counts.shape[1]), chosen)
        fits = room.may_replace(chosen, others)
        value, out, into = float(objective(*total)), -1, -1
        rows = max(1, BLOCK // max(1, len(others)))
        for start in range(0, len(chosen) if len(others) else 0, rows):
            leaving = counts[:, chosen[start : start + rows]]
            swapped = objective(*(total[:, None, None] - leaving[:, :, None] + counts[:, None, others]))
            if fits is not None:
                swapped = np.where(fits[start : start + rows], swapped, -np.inf)
            row, column = np.unravel_index(int(swapped.argmax()), swapped.shape)
            if swapped[row, column] > value + slack:
                value, out, into = float(swapped[row, column]), start + int(row), int(others[column])
        if out < 0:
            return chosen
        chosen[out] = into
        chosen.sort()


def _starts(counts: NDArray[Any], objective: Objective, room: Room) -> list[Integers]:
    # A start may be undefined, for want of a class: then some single swap brings that class in, if any can.
    tp, fp, fn, tn = counts
    orders = [np.argsort(-objective(tp, fp, fn, tn), kind="stable"), np.argsort(fp + fn - tp - tn, kind="stable")]
    generator = np.random.Generator(np.random.Philox([counts.shape[1], room.size]))
    orders += [generator.permutation(counts.shape[1]) for _ in range(RANDOM_STARTS)]
    return [room.first(order) for order in orders]
