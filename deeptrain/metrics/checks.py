"""Labels and outputs as clean arrays, or an error that names the rule, the row and the value."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain.errors import DataError

Labels = NDArray[np.bool_]
Scores = NDArray[np.float64]
Integers = NDArray[np.int64]
T = TypeVar("T", bound=np.generic)

SUM_TOLERANCE = 1e-2
"""How far the probabilities of a sample may be from 1 in sum: half-precision softmax is off by 1e-3 at most."""


def binary(labels: ArrayLike, scores: ArrayLike, name: str = "scores") -> tuple[Labels, Scores]:
    """Labels as bool and probabilities as float64, both (n,), n >= 1.

    Args:
        labels: (n,) of 0 and 1, as bool, integers or floats.
        scores: (n,) finite numbers in [0, 1], of any float or integer type.
        name: what messages call the scores.

    Raises:
        DataError: for anything else, with the first row (counted from 0) that breaks the rule.
    """
    truth, values = np.asarray(labels), _numbers(scores, name)
    _shape("labels", truth, truth.ndim == 1, "(samples,)")
    _shape(name, values, values.ndim == 1, "(samples,)")
    _same_length(len(truth), len(values), name)
    _finite(values, name)
    within = (values >= 0) & (values <= 1)
    _every_row(within, values, f"{name} must lie in [0, 1]", "; if these are logits, put a sigmoid behind the model")
    if truth.dtype != np.bool_:
        _every_row((truth == 0) | (truth == 1), truth, "labels must be 0 or 1")
        truth = truth.astype(np.bool_)
    return truth, values


def classes(labels: ArrayLike, outputs: ArrayLike) -> tuple[NDArray[np.int64], Scores]:
    """Class numbers (n,) as int64 and outputs (n, classes) as float64, n >= 1, at least two classes.

    Raises:
        DataError: for anything else, with the first row (counted from 0) that breaks the rule.
    """
    truth, values = np.asarray(labels), _numbers(outputs, "outputs")
    _shape("labels", truth, truth.ndim == 1, "(samples,)")
    _shape("outputs", values, values.ndim == 2 and values.shape[1] >= 2, "(samples, classes)")
    _same_length(len(truth), len(values), "outputs")
    if truth.dtype.kind not in "biu":
        raise DataError(f"labels must be class numbers of an integer type, got {truth.dtype}")
    _finite(values, "outputs")
    count = values.shape[1]
    _every_row((truth >= 0) & (truth < count), truth, f"labels must be class numbers from 0 to {count - 1}")
    return truth.astype(np.int64), values


def several(labels: ArrayLike, scores: ArrayLike) -> tuple[Labels, Scores]:
    """Several labels at once: labels as bool and probabilities as float64, both (n, labels), n >= 1.

    Raises:
        DataError: for anything else, with the first row (counted from 0) that breaks the rule.
    """
    truth, scored = np.asarray(labels), _numbers(scores, "outputs")
    _shape("labels", truth, truth.ndim == 2 and truth.shape[1] >= 1, "(samples, labels)")
    if truth.shape != scored.shape:
        raise DataError(f"labels and outputs must have one shape, got {truth.shape} and {scored.shape}")
    _same_length(len(truth), len(scored), "outputs")
    _finite(scored, "outputs")
    within(scored, "outputs", 0, 1)
    if truth.dtype != np.bool_:
        good = np.all((truth == 0) | (truth == 1), axis=1)
        _every_row(np.asarray(good), truth, "labels must be 0 or 1")
        truth = truth.astype(np.bool_)
    return truth, scored


def probabilities(outputs: Scores, name: str = "outputs") -> None:
    """Check that each row of outputs (n, classes) is a distribution.

    Raises:
        DataError: when an entry is outside [0, 1] or a row's sum is not 1, with the row.
    """
    cure = "; if these are logits, put a softmax behind the model" if name == "outputs" else ""
    lowest = outputs.min(axis=1)
    _every_row(lowest >= 0, lowest, f"{name} must lie in [0, 1]", cure)
    sums = outputs.sum(axis=1)
    _every_row(np.abs(sums - 1) <= SUM_TOLERANCE, sums, f"{name} of a sample must sum to 1", cure)


def within(array: Scores, name: str, least: float, most: float) -> None:
    """Check that every number of (n, ...) lies between two.

    Raises:
        DataError: when one does not, with its row.
    """
    rows = array.reshape(len(array), -1)
    good = (rows >= least) & (rows <= most)
    if not good.all():
        row = int(np.argmin(good.all(axis=1)))
        rule = f"lie in [{least:g}, {most:g}]" if np.isfinite(most) else f"be at least {least:g}"
        raise DataError(f"{name} must {rule}, got {rows[row][~good[row]][0]} in row {row} (counted from 0)")


def weights(given: ArrayLike | None, samples: int) -> Scores | None:
    """What each sample counts for as float64 (n,); None when all count alike.

    Raises:
        DataError: when they are not finite numbers, at least 0 and not all 0, one for each sample.
    """
    return None if given is None else _weights(given, samples)[0]


def unequal(given: Scores | None) -> Scores | None:
    """Weights as `weights` gives them, but None where all count alike: metrics and intervals are those without them."""
    return None if given is None or given.min() == given.max() else given


def counting(labels: NDArray[T], outputs: Scores, given: ArrayLike | None) -> tuple[NDArray[T], Scores, Scores | None]:
    """The samples that count for something, and their weights, None where all of them count alike.

    Args:
        labels: (n, ...).
        outputs: (n, ...).
        given: weights (n,).

    Raises:
        DataError: as `weights`.
    """
    if given is None:
        return labels, outputs, None
    counted, least, most = _weights(given, len(labels))
    if least > 0:
        return labels, outputs, None if least == most else counted
    some = counted > 0
    return labels[some], outputs[some], unequal(counted[some])


def finite(array: ArrayLike, name: str) -> NDArray[Any]:
    """An array (n, ...), n >= 1, of any type, whose floats are all finite.

    Raises:
        DataError: when one is not, with its row.
    """
    found = np.asarray(array)
    if found.ndim == 0 or not len(found):
        raise DataError(f"{name} must have at least one sample, got shape {found.shape}")
    if found.dtype.kind == "f":
        _finite(found, name)
    return found


def values(labels: ArrayLike, outputs: ArrayLike) -> tuple[Scores, Scores]:
    """Labels and outputs as float64 of one shape, (n,) or (n, k), n >= 1, all finite.

    Raises:
        DataError: for anything else.
    """
    truth, predicted = _numbers(labels, "labels"), _numbers(outputs, "outputs")
    if truth.shape != predicted.shape or truth.ndim == 0:
        raise DataError(f"labels and outputs must have one shape, got {truth.shape} and {predicted.shape}")
    _same_length(len(truth), len(predicted), "outputs")
    _finite(truth, "labels")
    _finite(predicted, "outputs")
    return truth, predicted


def both_classes(labels: Labels, doing: str = "calibrate") -> None:
    """Check that there are positives and negatives.

    Raises:
        DataError: when one is missing: "cannot calibrate: 0 positives among 120 samples".
    """
    positives = int(labels.sum())
    for count, name in ((positives, "positives"), (len(labels) - positives, "negatives")):
        if count == 0:
            raise DataError(f"cannot {doing}: 0 {name} among {len(labels)} samples; both classes are needed")


def set_numbers(sets: ArrayLike, samples: int) -> NDArray[np.int64]:
    """The number of each sample's set as int64 (n,).

    Raises:
        DataError: when they are no integers or not one for each sample.
    """
    numbers = np.asarray(sets)
    _shape("sets", numbers, numbers.ndim == 1, "(samples,)")
    _same_length(samples, len(numbers), "sets")
    if numbers.dtype.kind not in "iu":
        raise DataError(f"sets must be numbers of an integer type, got {numbers.dtype}")
    return numbers.astype(np.int64)


def equally_many(labels: NDArray[Any], outputs: NDArray[Any]) -> None:
    """Check that there are as many labels as outputs, at least one.

    Raises:
        DataError: when there are not.
    """
    _same_length(len(labels), len(outputs), "outputs")


def _weights(given: ArrayLike, samples: int) -> tuple[Scores, float, float]:
    """Weights, the least and the greatest of them; see `weights`."""
    counted = _numbers(given, "weights")
    _shape("weights", counted, counted.ndim == 1, "(samples,)")
    if len(counted) != samples:
        raise DataError(f"weights must be one for each of the {samples} samples, got {len(counted)}")
    least, most = float(counted.min(initial=np.inf)), float(counted.max(initial=0.0))
    if not (least >= 0 and most < np.inf):  # NaN is neither
        _finite(counted, "weights")
        _every_row(counted >= 0, counted, "weights must be at least 0")
    if most == 0:
        raise DataError(f"weights must not all be 0, got {samples} of 0")
    return counted, least, most


def _numbers(given: ArrayLike, name: str) -> Scores:
    array = np.asarray(given)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name} must be numbers, got {array.dtype}")
    return array.astype(np.float64, copy=False)


def _shape(name: str, array: NDArray[np.generic], fits: bool, rule: str) -> None:
    if not fits:
        raise DataError(f"{name} must have the shape {rule}, got {array.shape}")


def _same_length(labels: int, others: int, name: str) -> None:
    if labels != others:
        raise DataError(f"labels and {name} must be equally many, got {labels} and {others}")
    if labels == 0:
        raise DataError(f"labels and {name} must have at least one sample, got none")


def _finite(array: Scores, name: str) -> None:
    # The sum is finite only if every entry is, or, rarely, overflows: one fast pass before the slow one.
    with np.errstate(over="ignore", invalid="ignore"):
        total = array.sum()
    if not np.isfinite(total):
        flat = array.reshape(len(array), -1)
        good = np.asarray(np.isfinite(flat).all(axis=1))
        if not good.all():
            row = int(np.argmin(good))
            value = flat[row][~np.isfinite(flat[row])][0]
            raise DataError(f"{name} must be finite, got {value} in {_rows(good, row)}")


def _every_row(good: NDArray[np.bool_], found: NDArray[np.generic], rule: str, cure: str = "") -> None:
    if not good.all():
        row = int(np.argmin(good))
        raise DataError(f"{rule}, got {found[row]} in {_rows(good, row)}{cure}")


def _rows(good: NDArray[np.bool_], row: int) -> str:
    """Which row breaks a rule, and of how many rows it is the first."""
    others = len(good) - int(np.count_nonzero(good)) - 1
    told = f", and in {others:,} more of {len(good):,}" if others else ""
    return f"row {row} (counted from 0){told}"
