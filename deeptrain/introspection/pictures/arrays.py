"""What is drawn, checked and put under headings: arrays by name, or by heading and name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain.drawing import wording
from deeptrain.errors import DataError, in_one_line

Arrays = Mapping[str, ArrayLike] | Mapping[str, Mapping[str, ArrayLike]]
"""An array by name, or by heading and name."""

MOST_PANES = 240
"""Of one picture; a taller one than this could not be looked at."""


@dataclass(frozen=True, eq=False)
class Section:
    """What stands under one heading, "" for none: arrays by name."""

    heading: str
    arrays: Mapping[str, NDArray[Any]]


def sections(kind: str, arrays: Arrays) -> list[Section]:
    """The arrays under their headings.

    Args:
        kind: of picture, to begin messages with.
        arrays: as they were given.

    Raises:
        DataError: for no array at all, one that has no real numbers, or arrays beside mappings.
    """
    nested = [isinstance(one, Mapping) for one in arrays.values()]
    if any(nested) and not all(nested):
        raise DataError(f"{kind}: expected arrays by name, or mappings of them by heading; got both")
    given: Mapping[str, Any] = arrays if any(nested) else {"": arrays}
    found = [
        Section(str(heading), {str(name): numbers(f"{kind}: {name}", one) for name, one in some.items()})
        for heading, some in given.items()
        if some
    ]
    if not found:
        raise DataError(f"{kind}: nothing to draw: expected at least one array, got none")
    return found


def numbers(name: str, given: ArrayLike) -> NDArray[Any]:
    """An array of real numbers, as float unless it is one already.

    Raises:
        DataError: for text, complex numbers and objects.
    """
    try:
        found = np.asarray(given)
        if found.dtype.kind in "biuV":  # V: such as bfloat16, which is an extension of NumPy
            found = found.astype(np.float32 if found.dtype.kind == "V" else np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: expected an array of real numbers: {in_one_line(error)}") from error
    if found.dtype.kind != "f":
        raise DataError(f"{name}: expected an array of real numbers, got {found.dtype} of shape {found.shape}")
    return found.astype(np.float32) if found.dtype == np.float16 else found


def binary(kind: str, labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which samples are positive, and their scores, NaN where they are not finite.

    Raises:
        DataError: for vectors of different length, and none at all.
    """
    truth, found = numbers(f"{kind}: labels", labels), numbers(f"{kind}: scores", scores).astype(np.float64)
    if truth.shape != found.shape or truth.ndim != 1 or not len(truth):
        raise DataError(
            f"{kind}: expected labels and scores, vectors of one length of at least 1, got shapes "
            f"{list(truth.shape)} and {list(found.shape)}"
        )
    return truth > 0, np.where(np.isfinite(found), found, np.nan)


def left_out(scores: NDArray[np.float64]) -> str:
    """What is said of scores that are not finite, "" where all are."""
    bad = int(np.isnan(scores).sum())
    return f"{wording.plural(bad, 'score')} not finite, left out" if bad else ""


def by_channel(values: ArrayLike, name: str = "channel") -> dict[str, NDArray[Any]]:
    """An array for each place of the last axis, by "channel 0" and so on: a layer's outputs, made ready to be drawn.

    Args:
        values: (..., channels).
        name: what each is called.

    Raises:
        DataError: for a scalar, and what has no real numbers.
    """
    found = numbers("by_channel", values)
    if not found.ndim:
        raise DataError("by_channel: expected an array whose last axis are channels, got a scalar")
    return {f"{name} {place}": found[..., place] for place in range(found.shape[-1])}


def first_panes(found: list[Section]) -> tuple[list[Section], int]:
    """As many of the arrays as one picture takes, and how many are left out."""
    kept, room = [], MOST_PANES
    for section in found:
        chosen = dict(list(section.arrays.items())[:room])
        room -= len(chosen)
        if chosen:
            kept.append(Section(section.heading, chosen))
    return kept, sum(len(section.arrays) for section in found) - (MOST_PANES - room)


def not_finite(values: NDArray[Any]) -> tuple[int, int]:
    """How many are NaN, and how many infinite."""
    nan = int(np.count_nonzero(np.isnan(values)))
    return nan, values.size - nan - int(np.count_nonzero(np.isfinite(values)))


def told(nan: int, infinite: int, size: int) -> list[str]:
    """What is to be said of numbers that are not finite; nothing where there are none."""
    return [
        f"{number:,} {name} ({wording.share(number, size)})"
        for number, name in ((nan, "NaN"), (infinite, "infinite"))
        if number
    ]


def shape(values: NDArray[Any]) -> str:
    """The shape as one reads it: "64 × 32"; "1 value" of a scalar."""
    return " \N{MULTIPLICATION SIGN} ".join(f"{size:,}" for size in values.shape) or "1 value"
