"""The best threshold on a grid of equal steps: what DeepTrain did, for comparison and for metrics of any kind.

A grid misses what lies between its points; `optimum` does not, and is faster.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration import optimum
from deeptrain.errors import SettingsError
from deeptrain.metrics import checks, counts, names
from deeptrain.metrics.checks import Scores
from deeptrain.metrics.metric import Metric
from deeptrain.metrics.names import Named


def thresholds(step: float = 0.01, bounds: tuple[float, float] = (0.0, 1.0)) -> Scores:
    """The points of a grid from the lower bound to the upper one, both included, but for 0 and 1.

    Each is its number times the step above the lower bound, not the sum of so many steps.

    Raises:
        SettingsError: when there is no point.
    """
    low, high = bounds
    optimum.check_bounds(bounds, 0.5)
    if not 0 < step < 1:
        raise SettingsError(f"step must be between 0 and 1, got {step}")
    # A step of .01 is no binary fraction: what is a whole number of steps but for rounding is one.
    count = np.floor((high - low) / step + 1e-9)
    points = np.round(low + step * np.arange(count + 1), 12)
    points = points[(points > 0) & (points < 1)]
    if not len(points):
        raise SettingsError(f"no multiple of step {step} lies within the bounds {list(bounds)} and between 0 and 1")
    return points


def best(
    labels: ArrayLike,
    scores: ArrayLike,
    metric: Named | Callable[..., float] = "f1_score",
    *,
    step: float = 0.01,
    bounds: tuple[float, float] = (0.0, 1.0),
    preference: float = 0.5,
    maximize: bool = True,
) -> tuple[float, float]:
    """The threshold on a grid with the best value of a metric, and that value; of equals the nearest to the preference.

    Args:
        labels: (n,) of 0 and 1; one class alone is no error.
        scores: (n,) finite, in [0, 1].
        metric: of counts, or its name; or a function of (labels, decisions), both (n,) bool.
        step: between neighbouring thresholds.
        bounds: (least, most) of the thresholds.
        preference: see above.
        maximize: whether more of a function is better; a metric knows that itself.

    Raises:
        DataError: when labels or scores are not that.
        SettingsError: for an unknown metric, or a grid without a point.
    """
    truth, values = checks.binary(labels, scores)
    at = thresholds(step, bounds)
    if callable(metric) and not isinstance(metric, Metric):
        found = np.array([metric(truth, values > t) for t in at], np.float64)
    else:
        measure = names.count_metric(metric)
        maximize = measure.maximize
        found = measure.at_counts(*counts.counts_at_thresholds(truth, values, at))
    worth = np.where(np.isnan(found), -np.inf, found if maximize else -found)
    equals = np.flatnonzero(worth == worth.max())
    chosen = equals[np.argmin(np.abs(at[equals] - preference))]
    return float(at[chosen]), float(found[chosen])
