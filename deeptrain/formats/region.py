"""An array that lies as plain bytes in a part of a file: of `.npy`, of `.npz` without compression, of HDF5."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from deeptrain.errors import DataError
from deeptrain.formats import numbers

if TYPE_CHECKING:  # a plan imports the formats and must not load NumPy for it
    import numpy as np
    from numpy.typing import NDArray

REMEMBERED = 1 << 14
"""Places of arrays that are remembered for each format, some hundred bytes each."""


def into(array: "NDArray[Any]", file: IO[bytes], otherwise: str) -> None:
    """Fill an array in C order with the next bytes of a file.

    Raises:
        DataError: saying `otherwise` when the file ends before.
    """
    import numpy as np

    view = memoryview(array.reshape(-1).view(np.uint8).data)
    while view.nbytes:
        read = file.readinto(view)  # type: ignore[attr-defined]
        if not read:
            raise DataError(otherwise)
        view = view[read:]


@dataclass(frozen=True)
class Region:
    """Where an array is, and how.

    Attributes:
        path: the file.
        offset: byte where the array begins.
        dtype: as stored, any byte order.
        shape: (samples, ...).
        what: file and key, for messages.
        fortran: whether the first axis varies fastest.
    """

    path: Path
    offset: int
    dtype: "np.dtype[Any]"
    shape: tuple[int, ...]
    what: str
    fortran: bool = False

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def chunks(self, rows: int) -> "Iterator[NDArray[Any]]":
        """The array in order, at most `rows` of its rows at once, each in memory of its own.

        Raises:
            DataError: when the file ends before the array does.
        """
        import numpy as np

        if self.fortran and len(self.shape) > 1:  # rows are not consecutive
            mapped = self._mapped()
            for first in range(0, self.shape[0], rows):
                yield np.array(mapped[first : first + rows], order="C")
            return
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for first in range(0, self.shape[0], rows):
                part = np.empty((min(rows, self.shape[0] - first), *self.shape[1:]), self.dtype)
                into(part, file, f"{self.path}: ends within its array; was it cut off since it was opened?")
                yield part

    def take(self, rows: "NDArray[np.int64]", out: "NDArray[Any]", missing: bool = False) -> None:
        """Put some rows into `out`, cast and checked; `missing`: whether values may be NaN.

        Raises:
            DataError: naming the row of a value that `out` cannot hold.
        """
        import numpy as np

        if self.fortran and len(self.shape) > 1:
            values = np.take(self._mapped(), rows, axis=0)
        else:
            direct = self.dtype == out.dtype and out.flags.c_contiguous
            values = out if direct else np.empty((len(rows), *self.shape[1:]), self.dtype)
            self._read(rows, values)
        checked = numbers.cast(values, out.dtype.name, lambda i: f"{self.what}: row {int(rows[i]):,}", missing)
        if checked is not out:
            out[...] = checked

    def _read(self, rows: "NDArray[np.int64]", values: "NDArray[Any]") -> None:
        """Read runs of consecutive rows: a page of a memory map that is touched once costs several times as much."""
        import numpy as np

        if not len(rows):
            return
        size = math.prod(self.shape[1:]) * self.dtype.itemsize
        view = memoryview(values.reshape(-1).view(np.uint8).data)
        begins = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) != 1)
        ends = np.append(begins[1:], len(rows)) * size
        file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for row, at, end in zip(rows[begins].tolist(), (begins * size).tolist(), ends.tolist(), strict=True):
                offset = self.offset + row * size - at
                while at < end:  # one read may give less than a long run
                    count = os.preadv(file, (view[at:end],), offset + at)
                    if not count:
                        raise DataError(f"{self.path}: ends within its array; was it cut off since it was opened?")
                    at += count
        finally:
            os.close(file)

    def _mapped(self) -> "NDArray[Any]":
        import numpy as np

        if self.path.stat().st_size < self.offset + self.size:
            raise DataError(f"{self.path}: ends within its array; was it cut off since it was opened?")
        order = "F" if self.fortran else "C"
        mapped: NDArray[Any] = np.memmap(self.path, self.dtype, "r", self.offset, self.shape, order)  # type: ignore[call-overload]
        return mapped.view(np.ndarray)
