"""A batch: what is fed at once, knowing its samples, its sets and its name."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError


@dataclass(frozen=True, eq=False)
class Batch:
    """What is fed at once.

    Attributes:
        x: (samples, *shape) inputs; a list of arrays (steps, *shape) where samples are sequences; a dictionary of these
            by input where there are several. Not to be changed in place.
        y: (samples,) labels; a dictionary by output where there are several; `x` itself where the input is the label.
        indices: (samples,) int64, each sample's index in its split.
        sets: (samples,) int64, each sample's set number.
        number: the batch's index in its epoch, from 0.
        weights: (samples,) float32, or None where samples have none.
        named: gives the batch's name, when it is made by `Batches`.
    """

    x: Any
    y: Any
    indices: np.ndarray
    sets: np.ndarray
    number: int
    weights: np.ndarray | None = None
    named: Callable[[], str] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Set numbers when they are few, else the batch's number and how many sets it mixes: see `name_of`."""
        return name_of(self.number, self.sets) if self.named is None else self.named()

    def rows(self, places: Sequence[int] | np.ndarray) -> "Batch":
        """Some of its samples, in any order, or some of them several times.

        Args:
            places: (samples,) of at least one, from 0 to the number of samples - 1.
        """
        chosen = np.asarray(places, np.int64)
        x = _rows(self.x, chosen)
        return dataclasses.replace(
            self,
            x=x,
            y=x if self.y is self.x else _rows(self.y, chosen),
            indices=self.indices[chosen],
            sets=self.sets[chosen],
            weights=None if self.weights is None else self.weights[chosen],
        )


def changed(batch: Batch, change: Callable[[NDArray[Any]], NDArray[Any]], only: str | None = None) -> Batch:
    """The batch with changed inputs; where labels are the inputs themselves, they are changed with them.

    Args:
        batch: a batch.
        change: takes and gives (samples, ...); called once for each input.
        only: the input to change, of several; by default all.

    Raises:
        DataError: when there is no such input.
    """
    if not isinstance(batch.x, Mapping):
        if only is not None:
            raise DataError(f"preprocessor: there is one input, which has no name, got input = {only!r}")
        x: Any = change(batch.x)
    elif only is not None and only not in batch.x:
        raise DataError(f"preprocessor: there is no input {only!r}; there are {', '.join(batch.x)}")
    else:
        x = {name: change(part) if only in (None, name) else part for name, part in batch.x.items()}
    return dataclasses.replace(batch, x=x, y=x if batch.y is batch.x else batch.y)


def _rows(part: Any, chosen: np.ndarray) -> Any:
    if isinstance(part, Mapping):
        return {name: _rows(one, chosen) for name, one in part.items()}
    return [part[place] for place in chosen.tolist()] if isinstance(part, list) else part[chosen]


def name_of(number: int, sets: np.ndarray) -> str:
    """What a batch is called: "12", "12+13", or "b0412 (37 sets)" when it mixes more than two sets."""
    numbers = np.unique(sets)
    if len(numbers) <= 2:
        return "+".join(str(number) for number in numbers)
    return f"b{number:04d} ({len(numbers)} sets)"


def letters(part: int) -> str:
    """Which part of a set, from 0: "a" to "z", then "aa", "ab" and on."""
    found = ""
    part += 1
    while part:
        part, letter = divmod(part - 1, 26)
        found = chr(ord("a") + letter) + found
    return found
