"""Logistic regression with slopes that are not negative: convex, so that the optimum is one and is found exactly."""

import itertools

import numpy as np

from deeptrain.calibration.maps.score_map import sigmoid
from deeptrain.metrics.checks import Scores

ITERATIONS = 200
EXACT = 1e-13
"""A gradient of the mean loss below it is 0 but for rounding."""


def fit(features: Scores, targets: Scores, weights: Scores | float = 1.0) -> tuple[tuple[float, ...], float]:
    """Slopes >= 0 and intercept of the least mean log loss of sigmoid(features @ slopes + intercept).

    Where the unconstrained optimum has a negative slope, the constrained one lies where some slopes are 0; all such
    sets of slopes are tried. A feature that is constant has the slope 0.

    Args:
        features: (n, d), d small.
        targets: (n,) in [0, 1]; strictly inside, or the optimum may be infinitely far.
        weights: (n,) what each counts for, 1 on average.
    """
    width = features.shape[1]
    varies = [column for column in range(width) if np.ptp(features[:, column]) > 0]
    best, least = None, np.inf
    for size in range(len(varies), -1, -1):
        for kept in itertools.combinations(varies, size):
            found, loss = _newton(features[:, kept], targets, weights)
            if (found[:-1] >= 0).all() and loss < least:
                slopes = np.zeros(width)
                slopes[list(kept)] = found[:-1]
                best, least = (tuple(slopes.tolist()), float(found[-1])), loss
        if best is not None and size == len(varies):
            break
    if best is None:
        raise AssertionError("an intercept alone is always allowed")
    return best


def _newton(features: Scores, targets: Scores, weights: Scores | float) -> tuple[Scores, float]:
    """Coefficients, the intercept last, and the loss: Newton's method, its steps halved until they help."""
    # Sums of products, not products of matrices: what BLAS makes of them depends on how many threads it has.
    columns = [*features.T.copy(), np.ones(len(features))]
    found = np.zeros(len(columns))
    loss = _loss(columns, targets, weights, found)
    for _ in range(ITERATIONS):
        said = sigmoid(_values(columns, found))
        gradient = np.array([np.mean(weights * one * (said - targets)) for one in columns])
        if np.abs(gradient).max() <= EXACT:
            break
        bent = weights * said * (1 - said)
        curvature = np.array([[np.mean(one * bent * other) for other in columns] for one in columns])
        step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
        for _ in range(60):
            there = _loss(columns, targets, weights, found - step)
            if there <= loss:
                break
            step = step / 2
        else:
            break
        if there == loss and np.abs(step).max() <= 1e-15 * max(1.0, np.abs(found).max()):
            break
        found, loss = found - step, there
    return found, loss


def _values(columns: list[Scores], coefficients: Scores) -> Scores:
    found = np.zeros(len(columns[0]))
    for column, coefficient in zip(columns, coefficients, strict=True):
        found += column * coefficient
    return found


def _loss(columns: list[Scores], targets: Scores, weights: Scores | float, coefficients: Scores) -> float:
    values = _values(columns, coefficients)
    return float(np.mean(weights * (np.logaddexp(0, values) - targets * values)))
