"""How differently members err: an ensemble gains what they do not have in common."""

from dataclasses import dataclass

import numpy as np

from deeptrain.calibration.record import Record
from deeptrain.metrics.checks import Labels, Scores

Square = tuple[tuple[float, ...], ...]
"""(members, members), symmetric."""


@dataclass(frozen=True)
class Diversity(Record):
    """How members err together, pair by pair, and what that is worth.

    Attributes:
        error_correlation: Pearson's correlation of their errors, prediction minus truth; nan where one is constant.
        disagreement: how often exactly one of two is right; None for values, which are not right or wrong.
        q_statistic: from -1, never wrong together, over 0, independent, to 1, always wrong together; nan where it is
            0 / 0; None for values.
        mean_error: the members' mean squared errors, by their weights.
        ambiguity: the mean squared distance of the members from the ensemble, by their weights.
        error: the squared error of the ensemble, which is `mean_error` - `ambiguity`.

    Sources: L. Kuncheva and C. Whitaker, "Measures of diversity in classifier ensembles and their relationship with the
    ensemble accuracy", 2003, for the pairs; A. Krogh and J. Vedelsby, "Neural network ensembles, cross validation, and
    active learning", 1995, for the last three.
    """

    error_correlation: Square
    disagreement: Square | None
    q_statistic: Square | None
    mean_error: float
    ambiguity: float
    error: float


def measure(errors: Scores, right: Labels | None, weights: Scores) -> Diversity:
    """How differently members err.

    Args:
        errors: (members, n, ...) prediction minus truth; of classes each probability minus 1 or 0. Squares are summed
            over the axes behind the samples, and their mean taken over the samples.
        right: (members, n) whether each decision is right; None where none is taken.
        weights: (members,) of the ensemble, at least 0, 1 in sum.
    """
    members, n = errors.shape[:2]
    flat = errors.reshape(members, -1)
    ensemble = sum((weight * one for weight, one in zip(weights, flat, strict=True)), np.zeros(flat.shape[1]))
    return Diversity(
        error_correlation=_square(_correlation(flat)),
        disagreement=None if right is None else _square(_disagreement(right)),
        q_statistic=None if right is None else _square(_q_statistic(right)),
        mean_error=float(weights @ np.square(flat).sum(axis=1) / n),
        ambiguity=float(weights @ np.square(flat - ensemble).sum(axis=1) / n),
        error=float(np.square(ensemble).sum() / n),
    )


def mean_of_pairs(square: Square) -> float:
    """The mean over all pairs of two members, without those that are nan; nan where there are none."""
    values = np.asarray(square, np.float64)[np.triu_indices(len(square), 1)]
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _correlation(errors: Scores) -> Scores:
    centred = errors - errors.mean(axis=1, keepdims=True)
    # What rounding leaves of a constant is none.
    floor = 1e-14 * np.maximum(np.abs(errors).max(axis=1), np.finfo(np.float64).tiny)
    spread = np.sqrt(np.square(centred).mean(axis=1))
    varies = spread > floor
    unit = centred / np.where(varies, spread, 1.0)[:, None]
    found = np.clip(unit @ unit.T / errors.shape[1], -1, 1)
    found[np.diag_indices_from(found)] = 1.0
    return np.where(varies[:, None] & varies, found, np.nan)


def _together(right: Labels) -> tuple[Scores, Scores, Scores]:
    """How many samples two members both get right, only the first does, and neither does: (members, members) each."""
    yes, no = right.astype(np.float64), (~right).astype(np.float64)
    return yes @ yes.T, yes @ no.T, no @ no.T


def _disagreement(right: Labels) -> Scores:
    _, first, _ = _together(right)
    return np.asarray((first + first.T) / right.shape[1])


def _q_statistic(right: Labels) -> Scores:
    both, first, neither = _together(right)
    alike, unlike = both * neither, first * first.T
    with np.errstate(invalid="ignore"):
        return np.asarray((alike - unlike) / (alike + unlike))


def _square(array: Scores) -> Square:
    return tuple(tuple(row) for row in array.tolist())
