"""Weights of members, at least 0 and 1 in sum, that make the log loss or the squared error of their mean least.

Both are convex, so that a bound tells how far a solution is from the best there is: f(w) - min f is at most
f'(w) · w - min_j f'(w)_j, the duality gap of M. Frank and P. Wolfe, "An algorithm for quadratic programming", 1956.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize

from deeptrain.metrics.checks import Scores
from deeptrain.metrics.computation import SMALLEST

GAP = 1e-9
"""What the log loss of a solution is above the least at most, in nats."""

ITERATIONS = 300
"""Newton's steps are quadratic at the end: ten or twenty are usual."""


class Optimum(NamedTuple):
    """Weights and how good they are.

    Attributes:
        weights: (members,) at least 0, 1 in sum.
        gap: the objective is above its minimum by no more than this.
    """

    weights: Scores
    gap: float


def of_squared_error(errors: Scores) -> Optimum:
    """The weights whose mean has the least squared error.

    That is the point nearest to 0 among the mixtures of the members' errors (P. Wolfe, "Finding the nearest point in a
    polytope", 1976), and for any v >= 0 with sum s and w = v / s, |errors · v|² + (s - 1)² is least where w is that
    point: one problem of non-negative least squares (C. Lawson and R. Hanson, 1974), exact but for rounding.

    Args:
        errors: (members, n) prediction minus truth.
    """
    members, n = errors.shape
    scale = np.sqrt(np.square(errors).mean(axis=1).min()) or 1.0
    square = np.linalg.qr((errors / (scale * np.sqrt(n))).T, mode="r")
    system = np.vstack([square, np.ones(members)])
    found, _ = optimize.nnls(system, np.append(np.zeros(len(square)), 1.0))
    weights: Scores = found / found.sum()
    gradient = 2 * (errors * (weights @ errors)).mean(axis=1)
    return Optimum(weights, max(float(gradient @ weights - gradient.min()), 0.0))


def of_log_loss(given: Scores, counted: Scores | None = None) -> Optimum:
    """The weights whose mean has the least log loss: a mixture of fixed parts, with only its proportions sought.

    Newton's steps under w >= 0 (Y. Kim, P. Carbonetto, M. Stephens and M. Anitescu, "A fast algorithm for maximum
    likelihood estimation of mixture proportions using sequential quadratic programming", 2020), each followed by a
    step of expectation maximisation, which is never worse and keeps the sum at 1.

    Args:
        given: (members, n) the probability that each member gives to what was true, in [0, 1].
        counted: (n,) what each sample counts for; by default all count alike.
    """
    each = np.full(given.shape[1], 1 / given.shape[1]) if counted is None else counted / counted.sum()
    parts = np.maximum(given, SMALLEST)
    parts = parts / parts.max(axis=0)  # moves the log loss by a constant
    weights = np.full(len(parts), 1 / len(parts))
    best = Optimum(weights, np.inf)
    for _ in range(ITERATIONS):
        ratios, gain = _ratios(parts, weights, each)
        gap = float(gain.max()) - 1
        if gap < best.gap:
            best = Optimum(weights, max(gap, 0.0))
        if gap <= GAP:
            break
        weights = _improved(parts, weights, ratios, gain, each)
        weights = weights * _ratios(parts, weights, each)[1]
        weights = weights / weights.sum()
    return _without_traces(parts, best, each)


def _ratios(parts: Scores, weights: Scores, each: Scores) -> tuple[Scores, Scores]:
    """Each part over the mixture, (members, n), and the mean of that, which is minus the gradient."""
    ratios = parts / (weights @ parts)
    return ratios, ratios @ each


def _improved(parts: Scores, weights: Scores, ratios: Scores, gain: Scores, each: Scores) -> Scores:
    """A step down of the log loss plus the sum of the weights, whose minimum over w >= 0 has the sum 1."""

    def objective(tried: Scores) -> float:
        mixed = tried @ parts
        return float(tried.sum() - np.log(mixed) @ each) if mixed.min() > 0 else np.inf

    here = objective(weights)
    towards_best = (np.arange(len(weights)) == gain.argmax()).astype(np.float64)
    for target in (_newton(ratios, gain, each), towards_best):
        direction = target - weights
        slope = float((1 - gain) @ direction)
        step = 1.0
        while slope < 0 and step > 1e-10:
            tried = weights + step * direction
            if objective(tried) <= here + 1e-4 * step * slope:
                return tried
            step /= 2
    return weights


def _newton(ratios: Scores, gain: Scores, each: Scores) -> Scores:
    """Where the objective's second-order approximation is least over y >= 0: ½ y'Hy + (1 - 2 gain)'y."""
    hessian = (ratios * each) @ ratios.T
    hessian[np.diag_indices_from(hessian)] += 1e-12 * np.trace(hessian)  # members that are alike
    lower = linalg.cholesky(hessian, lower=True)
    found, _ = optimize.nnls(lower.T, linalg.solve_triangular(lower, 2 * gain - 1, lower=True))
    return np.asarray(found, np.float64)


def _without_traces(parts: Scores, found: Optimum, each: Scores) -> Optimum:
    """The same without weights that make no difference, where the gap stays within what is promised."""
    weights = np.where(found.weights < 1e-7, 0.0, found.weights)
    weights = weights / weights.sum()
    gap = max(float(_ratios(parts, weights, each)[1].max()) - 1, 0.0)
    return Optimum(weights, gap) if gap <= max(GAP, found.gap) else found
