"""Numbers as they are wanted: cast to a dtype only if it holds them, with the place of the first that it does not."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from deeptrain.errors import DataError
from deeptrain.formats import cells
from deeptrain.formats.format import TEXT, Field

if TYPE_CHECKING:  # a plan imports the formats and must not load NumPy for it
    import numpy as np
    from numpy.typing import NDArray

DTYPES = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"}
)
MOST_SAMPLE_BYTES = 1 << 30
"""A sample larger than this is taken for a damaged or hostile header, not for data."""


def field_of(name: str, dtype: "np.dtype[Any]", shape: Sequence[int | None], what: str) -> Field:
    """The field that samples of this dtype and shape are, if they are of a kind that is read.

    Args:
        name: of the field.
        dtype: as stored; whole numbers, floats, booleans, and words of fixed width.
        shape: of one sample.
        what: file and key, for messages.

    Raises:
        DataError: for Python objects, structured, complex and other dtypes, and for absurdly large samples.
    """
    if dtype.hasobject:
        raise DataError(
            f"{what}: holds Python objects, which only unpickling reads, and that runs whatever code the file names; "
            f"save an array of numbers, or name a loader that you trust"
        )
    if dtype.kind in "US":
        if any(shape):
            raise DataError(f"{what}: holds words in samples of shape {tuple(shape)}; a sample has one word at most")
        return Field(name, TEXT)
    if dtype.name not in DTYPES:
        kind = "several fields (a structured dtype)" if dtype.names else f"dtype {dtype.name}"
        raise DataError(f"{what}: has {kind}; known are whole numbers, float16 to float64, booleans and words")
    size = math.prod(axis for axis in shape if axis is not None) * dtype.itemsize
    if size > MOST_SAMPLE_BYTES:
        raise DataError(
            f"{what}: one sample of shape {tuple(shape)} would take {size:,} bytes, the most are "
            f"{MOST_SAMPLE_BYTES:,}; is the header damaged?"
        )
    return Field(name, dtype.name, tuple(shape))


def cast(values: "NDArray[Any]", dtype: str, where: Callable[[int], str], missing: bool = False) -> "NDArray[Any]":
    """The values in C order, native bytes and the asked dtype; the same memory if they are so already.

    Floats are rounded to smaller floats; whole-number dtypes take only what they hold exactly.

    Args:
        values: (rows, ...) numbers.
        dtype: NumPy's name of it.
        where: file and place of a row, for messages.
        missing: whether a float dtype may hold NaN.

    Raises:
        DataError: for the first value that is NaN, infinite, beyond the dtype, or not whole where it must be.
    """
    import numpy as np

    wanted = np.dtype(dtype)
    result = values
    if values.dtype != wanted or not values.flags.c_contiguous:
        with np.errstate(over="ignore", invalid="ignore"):  # found below
            result = np.ascontiguousarray(values, dtype=wanted)
    if fits(values, result, missing):
        return result
    if wanted.kind == "f":
        good = _there(result, missing)
    else:
        good = np.isfinite(values) & (result == values) & _alike(values, result)
    row = int(np.argmin(good.reshape(len(values), -1).all(axis=1)))
    index = int(np.argmin(good[row].reshape(-1)))
    value = values[row].reshape(-1)[index].item()
    raise DataError(f"{where(row)}: {_fault(value, wanted, missing)}")


def fits(values: "NDArray[Any]", result: "NDArray[Any]", missing: bool = False) -> bool:
    """Whether all values are finite (or NaN, if a float may be missing) and, as whole numbers, still what they were."""
    import numpy as np

    if result.dtype.kind == "f":
        if values.dtype.kind != "f":
            return result.dtype.itemsize > 2 or bool(np.isfinite(result).all())  # no whole number is missing
        # One sum is several times cheaper than a test of each value; it may overflow, then each is tested.
        with np.errstate(over="ignore", invalid="ignore"):
            total = result.sum(dtype=np.float32 if result.dtype.itemsize < 4 else None)
        return bool(np.isfinite(total)) or bool(_there(result, missing).all())
    if np.can_cast(values.dtype, result.dtype):
        return True
    return bool((result == values).all()) and bool(_alike(values, result).all())


def _there(result: "NDArray[Any]", missing: bool) -> "NDArray[np.bool_]":
    """Which floats may stay."""
    import numpy as np

    there: NDArray[np.bool_] = ~np.isinf(result) if missing else np.isfinite(result)
    return there


def _alike(values: "NDArray[Any]", result: "NDArray[Any]") -> "NDArray[np.bool_]":
    """Same sign: int64 -1 and uint64 2**64 - 1, or float 2**63 and int64 -2**63, compare equal after conversion."""
    compared: NDArray[np.bool_] = (values < 0) == (result < 0)
    return compared


def _fault(value: Any, dtype: "np.dtype[Any]", missing: bool) -> str:
    import numpy as np

    if missing and isinstance(value, float) and math.isnan(value):
        return f"the value is nan, which dtype {dtype.name} does not hold; take a float dtype"
    if isinstance(value, float) and not math.isfinite(value):
        return f"the value is {value}; repair it or drop the sample"
    if dtype.kind == "f":
        return f"{value!r} is beyond what dtype {dtype.name} holds"
    if dtype.kind == "b":
        return f"{value!r} is neither 0 nor 1, which dtype bool needs"
    if isinstance(value, float) and not value.is_integer():
        return f"{value!r} is no whole number, which dtype {dtype.name} needs"
    limits = np.iinfo(dtype)
    return f"{value!r} is beyond dtype {dtype.name} ({limits.min} to {limits.max})"


def words(values: "NDArray[Any]", where: Callable[[int], str]) -> list[str]:
    """Stripped words of an array of text (rows,).

    Raises:
        DataError: for the first that is empty, "nan", or no UTF-8.
    """
    found: list[str] = []
    for row, value in enumerate(values.tolist()):
        try:
            word = (value.decode() if isinstance(value, bytes) else str(value)).strip()
        except UnicodeDecodeError as error:
            raise DataError(f"{where(row)}: {cells.shown(value)} is not UTF-8 text") from error
        if cells.is_missing(word):
            raise DataError(f"{where(row)}: the word is missing ({cells.shown(word)}); fill it or drop the sample")
        found.append(word)
    return found
