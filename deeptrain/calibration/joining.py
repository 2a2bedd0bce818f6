"""Batches of any size, one after the other."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration.operating_points import Integers
from deeptrain.errors import DataError


class Joined(NamedTuple):
    """Batches one after the other: labels and scores of the samples, the set of each, and all set numbers."""

    labels: Any
    scores: Any
    sets: Integers
    numbers: Integers


def joined(labels: Sequence[ArrayLike], scores: Sequence[ArrayLike], numbers: ArrayLike | None = None) -> Joined:
    """Batches of any size, none too, as the samples that `best` takes.

    Args:
        labels: of each batch (size,).
        scores: of each batch, as many.
        numbers: the set number of each batch; by default 0, 1, 2, ...

    Raises:
        DataError: when labels and scores are not equally many batches, or a batch's are not equally many.
    """
    if len(labels) != len(scores):
        raise DataError(f"labels and scores must be equally many batches, got {len(labels)} and {len(scores)}")
    if not len(labels):
        raise DataError("labels and scores must have at least one batch, got none")
    told = np.arange(len(labels)) if numbers is None else np.asarray(numbers)
    if len(told) != len(labels):
        raise DataError(f"numbers must be one for each of the {len(labels)} batches, got {len(told)}")
    if len(np.unique(told)) != len(told):
        raise DataError(f"numbers must be one of its own for each of the {len(labels)} batches, got {told.tolist()}")
    parts = [(np.ravel(truth), np.ravel(said)) for truth, said in zip(labels, scores, strict=True)]
    for number, (truth, said) in zip(told.tolist(), parts, strict=True):
        if len(truth) != len(said):
            raise DataError(f"set {number}: labels and scores must be equally many, got {len(truth)} and {len(said)}")
    sizes = [len(truth) for truth, _ in parts]
    filled = [part for part in parts if len(part[0])]
    if not filled:
        raise DataError(f"labels and scores must have at least one sample, got {len(labels)} empty batches")
    truths, said_of = (np.concatenate([part[side] for part in filled]) for side in (0, 1))
    return Joined(truths, said_of, np.repeat(told, sizes), np.sort(told))
