"""Whether two runs have the same samples in a split: only then can their predictions be averaged row by row."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError


def check(
    name: str, labels: NDArray[Any], sets: NDArray[Any], own_labels: NDArray[Any], own_sets: NDArray[Any], split: str
) -> None:
    """Check that a member's samples of a split are those of the run.

    Args:
        name: of the member.
        labels: (n, ...) what its samples are.
        sets: (n,) their sets' numbers.
        own_labels: likewise of the run.
        own_sets: likewise of the run.
        split: its name.

    Raises:
        DataError: naming what differs, with the first sample that does.
    """
    rule = f"member {name!r} must have the same samples in its {split} split"
    if len(labels) != len(own_labels):
        raise DataError(f"{rule}: it has {len(labels):,} labels, this run {len(own_labels):,}")
    for what, its, own in (("set numbers", sets, own_sets), ("labels", labels, own_labels)):
        if its.shape != own.shape:
            raise DataError(f"{rule}: its {what} have the shape {its.shape}, those of this run {own.shape}")
        differing = np.flatnonzero((its != own).reshape(len(own), -1).any(axis=1))
        if len(differing):
            row = int(differing[0])
            raise DataError(
                f"{rule}: its {what} differ in {len(differing):,} of {len(own):,} samples, first in row {row} (counted "
                f"from 0), {its[row]} there and {own[row]} here; give both the same data and data.splits"
            )
