"""Long curves made short enough to draw, without losing a peak."""

import itertools
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
    finite = np.isfinite(values)
    with np.errstate(over="ignore", invalid="ignore"):
        if finite.all():
            sums = _last(values, window)
            sums[:window] /= np.arange(1, min(window, len(values)) + 1)
            sums[window:] /= window
            return sums
        sums = _last(np.where(finite, values, 0.0), window)
        counts = _last(finite, window)
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _last(values: NDArray[Any], window: int) -> Floats:
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
    if len(x) <= most:
        return x, np.where(np.isfinite(y), y, np.nan).astype(np.float64)
    chosen: list[int] = []
    ends = np.linspace(0, len(x), most // 2 + 1).astype(int).tolist()
    for start, end in itertools.pairwise(ends):  # stretch by stretch: each stays in the processor's cache
        part = y[start:end]
        finite = np.isfinite(part)
        if not finite.any():
            chosen.append(start)
            continue
        low, high = (part, part) if finite.all() else (np.where(finite, part, np.inf), np.where(finite, part, -np.inf))
        chosen.extend(sorted({start + int(np.argmin(low)), start + int(np.argmax(high))}))
    kept = y[chosen].astype(np.float64)
    return x[chosen], np.where(np.isfinite(kept), kept, np.nan)
