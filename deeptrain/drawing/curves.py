"""Long curves made short enough to draw, without losing a peak."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def smoothed(values: NDArray[np.floating[Any]], window: int) -> Floats:
    """Mean of the last `window` values at each place; values that are not finite do not count.

    Args:
        values: (n,).
        window: at least 1; the first places use what there is.

    Returns:
        (n,) float64; NaN where no value of the window is finite.
    """
    values = np.asarray(values, np.float64)
    finite = np.isfinite(values)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = _last(np.where(finite, values, 0.0), window)
        counts = _last(finite.astype(np.float64), window)
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _last(values: Floats, window: int) -> Floats:
    """Sum of the last `window` values at each place, in linear time.

    Each window is the end of one block and the beginning of the next, summed within the blocks: unlike a difference
    of running totals, a value of 1e30 spoils only the windows that hold it.
    """
    size = len(values)
    blocks = np.zeros((-(-size // window) + 1, window))
    blocks.reshape(-1)[window : window + size] = values
    beginnings = np.cumsum(blocks, axis=1)[1:]
    ends = np.cumsum(blocks[:, ::-1], axis=1)[:-1, ::-1]
    beginnings[:, :-1] += ends[:, 1:]
    return beginnings.reshape(-1)[:size]


def thinned(x: NDArray[Any], y: NDArray[Any], most: int) -> tuple[NDArray[Any], Floats]:
    """At most about `most` points of a curve that draw the same: of each stretch its lowest and its highest.

    A stretch without a finite value gives one NaN, so that a gap stays a gap.

    Args:
        x: (n,) ascending.
        y: (n,); what is not finite is a gap.
        most: at least 4.

    Returns:
        x and y, each of one length; the very values when there are no more than `most`.
    """
    y = np.where(np.isfinite(y), y, np.nan).astype(np.float64)
    if len(x) <= most:
        return x, y
    stretches = np.array_split(np.arange(len(x)), most // 2)
    chosen: list[int] = []
    for places in stretches:
        part = y[places]
        if np.isnan(part).all():
            chosen.append(int(places[0]))
            continue
        chosen.extend(sorted({int(places[np.nanargmin(part)]), int(places[np.nanargmax(part)])}))
    return x[chosen], y[chosen]
