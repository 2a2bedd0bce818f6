"""A batch: what is fed at once, knowing its samples, its sets and its name."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Batch:
    """What is fed at once.

    Attributes:
        x: (samples, *shape) inputs.
        y: (samples,) or (samples, outputs) labels.
        indices: (samples,) int64, each sample's index in its split.
        sets: (samples,) int64, each sample's set number.
        number: the batch's index in its epoch, from 0.
    """

    x: np.ndarray
    y: np.ndarray
    indices: np.ndarray
    sets: np.ndarray
    number: int

    @property
    def name(self) -> str:
        """Set numbers when they are few, "12" or "12+13", else the batch's number and how many sets it mixes."""
        return name_of(self.number, self.sets)


def name_of(number: int, sets: np.ndarray) -> str:
    """What a batch is called: "12", "12+13", or "b0412 (37 sets)" when it mixes more than two sets."""
    numbers = np.unique(sets)
    if len(numbers) <= 2:
        return "+".join(str(number) for number in numbers)
    return f"b{number:04d} ({len(numbers)} sets)"
