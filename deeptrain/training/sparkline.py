"""A curve in one line of text."""

import math
from collections.abc import Sequence

from deeptrain.training.live_page import thinned

LEVELS = "▁▂▃▄▅▆▇█"
GAP = "·"
"""Where there is no number."""


def of(values: Sequence[float], width: int = 40) -> str:
    """A sign for each value, or for the extremes of stretches of them, from the least "▁" to the greatest "█"."""
    kept = [values[at] for at in thinned(values, width)]
    finite = [value for value in kept if math.isfinite(value)]
    if not finite:
        return GAP * len(kept)
    low, high = min(finite), max(finite)
    span = high / 2 - low / 2  # halves: the difference of two finite numbers may be infinite
    return "".join(
        _sign((value / 2 - low / 2) / span if span > 0 else 0.0) if math.isfinite(value) else GAP for value in kept
    )


def _sign(height: float) -> str:
    return LEVELS[min(int(height * len(LEVELS)), len(LEVELS) - 1)]
