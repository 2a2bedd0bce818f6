"""Count, extremes, mean and standard deviation of chosen rows, in bounded memory."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.shards.info import Statistics

ROWS_AT_ONCE = 4096


def statistics(values: NDArray[Any], indices: NDArray[np.int64]) -> Statistics:
    """Statistics of the values of the rows at `indices`, in float64 and in two passes (first the mean).

    The blocks' sums are added exactly (`math.fsum`), so the order of blocks changes nothing.

    Args:
        values: (samples, *shape) finite numbers.
        indices: at least one row.
    """
    blocks = [indices[start : start + ROWS_AT_ONCE] for start in range(0, len(indices), ROWS_AT_ONCE)]
    count = len(indices) * math.prod(values.shape[1:])
    mean = math.fsum(float(values[block].sum(dtype=np.float64)) for block in blocks) / count
    squares = math.fsum(float(np.square(values[block].astype(np.float64) - mean).sum()) for block in blocks)
    return Statistics(
        count=count,
        min=min(float(values[block].min()) for block in blocks),
        max=max(float(values[block].max()) for block in blocks),
        mean=mean,
        std=math.sqrt(squares / count),
    )
