"""The best threshold for a metric of any kind, by trying as many operating points as time allows."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration import operating_points
from deeptrain.calibration.operating_points import Integers
from deeptrain.calibration.optimum import Bounds, Optimum, check_bounds, weighted
from deeptrain.errors import DataError, SettingsError
from deeptrain.metrics.checks import Labels

Measure = Callable[[Labels, Labels], float]
"""Of labels and decisions, both (n,) bool."""

MOST = 200


def best(
    labels: ArrayLike,
    scores: ArrayLike,
    measure: Measure,
    *,
    maximize: bool = True,
    most: int = MOST,
    bounds: Bounds | None = None,
    preference: float = 0.5,
) -> Optimum:
    """The threshold where a function of labels and decisions is best; exact when there are few distinct scores.

    Of more operating points than `most`, that many are tried first, evenly spread over the samples, then all between
    the neighbours of the best of them, thinned again: what is best between others is missed. Each point is one call.

    Args:
        labels: (n,) of 0 and 1.
        scores: (n,) finite, in [0, 1].
        measure: the function, such as one of `sklearn.metrics`; nan is worst.
        maximize: whether more of it is better.
        most: points tried at a time, at least 2.
        bounds: (least, most) of the thresholds.
        preference: among equals the threshold nearest to it is taken.

    Raises:
        DataError: when labels or scores are not that, or the function is nan everywhere.
        SettingsError: when bounds, preference or `most` are none.
    """
    check_bounds(bounds, preference)
    if most < 2:
        raise SettingsError(f"most must be at least 2, got {most}")
    truth, values, _ = weighted(labels, scores, None)
    points = operating_points.of(truth, values)
    if bounds is not None:
        points = points.within(*bounds)
    called = points.tp + points.fp
    tried: dict[int, float] = {}

    def worth(point: int) -> float:
        if point not in tried:
            tried[point] = float(measure(truth, values > points.lower[point]))
        value = tried[point] if maximize else -tried[point]
        return -np.inf if np.isnan(value) else value

    first, last = 0, len(called) - 1
    for _ in range(2):
        places = _spread(called, first, last, most)
        worths = np.array([worth(int(point)) for point in places])
        middle = int(np.argmax(worths))
        first, last = int(places[max(middle - 1, 0)]), int(places[min(middle + 1, len(places) - 1)])
    at = np.array(sorted(tried))
    if np.isnan([tried[int(point)] for point in at]).all():
        raise DataError(f"the metric is nan at all {len(at)} thresholds that were tried")
    worths = np.array([worth(int(point)) for point in at])
    equals = at[worths == worths.max()]
    chosen = points.nearest(equals, preference)
    return Optimum(points.threshold(chosen), tried[chosen], points.span(chosen))


def _spread(called: Integers, first: int, last: int, most: int) -> Integers:
    if last - first < most:
        return np.arange(first, last + 1)
    return np.unique(first + np.searchsorted(called[first : last + 1], np.linspace(called[first], called[last], most)))
