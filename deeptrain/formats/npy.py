""".npy: one array, its rows the samples, read by NumPy's own header parser and never unpickled."""

import functools
import io
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from deeptrain.errors import DataError, said
from deeptrain.formats import numbers
from deeptrain.formats.format import Chunk, Field
from deeptrain.formats.region import REMEMBERED, Region

if TYPE_CHECKING:  # a plan imports this file and must not load NumPy for it
    import numpy as np
    from numpy.typing import NDArray

MAGIC = b"\x93NUMPY"
UNREADABLE = (ValueError, TypeError, SyntaxError, EOFError, RecursionError, MemoryError, tokenize.TokenError)
"""What NumPy's parser of headers raises for bytes that are none."""
ONLY = "x"
"""Name of the field of a file that holds one array."""


def header(file: IO[bytes], path: Path, what: str) -> Region:
    """Where and how the array is, from the beginning of a `.npy` stream, which is left where the array begins.

    Args:
        file: at the beginning of the magic bytes.
        path: the file on disk.
        what: file and key, for messages.

    Raises:
        DataError: when this is no `.npy`, or holds what is not read.
    """
    from numpy.lib import format as npy

    try:
        version = npy.read_magic(file)
        if version not in {(1, 0), (2, 0)}:
            raise DataError(f"{what}: is .npy of version {version[0]}.{version[1]}; save plain arrays of numbers")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except UNREADABLE as error:
        raise DataError(
            f"{what}: is no readable .npy: {said(error)}; was it cut off or is it something else?"
        ) from error
    if not shape:
        raise DataError(f"{what}: holds a single value, no samples; save an array of shape (samples, ...)")
    if min(shape) < 0:
        raise DataError(f"{what}: the header claims the shape {shape}; is it damaged?")
    numbers.field_of(ONLY, dtype, shape[1:], what)  # before any arithmetic on what cannot be read
    if 0 in shape:
        raise DataError(f"{what}: no samples: its shape is {shape}")
    return Region(path, file.tell(), dtype, shape, what, fortran)


def check_size(region: Region, size: int, what: str) -> None:
    """Refuse an array that has fewer or more bytes than its header says, before anything is allocated.

    Raises:
        DataError: with both numbers.
    """
    if region.size > size:
        raise DataError(
            f"{what}: is cut off: its header says {region.size:,} bytes of data for the shape {region.shape}, "
            f"there are {size:,}"
        )
    if region.size < size:
        raise DataError(
            f"{what}: has {size - region.size:,} bytes after the {region.size:,} of its array of shape {region.shape}; "
            f"write it again with numpy.save"
        )


def as_chunk(first: int, part: "NDArray[Any]", field: Field, what: str) -> Chunk:
    """A part of an array of one field, cast and checked."""

    def where(row: int) -> str:
        return f"{what}: row {first + row:,}"

    if field.is_text:
        return Chunk(first, len(part), {}, {field.name: numbers.words(part, where)}, {})
    return Chunk(first, len(part), {field.name: numbers.cast(part, field.dtype, where, field.missing)}, {}, {})


@dataclass(frozen=True)
class Npy:
    """Files of one array each; a `Format`."""

    name: str = "npy"
    extensions: tuple[str, ...] = (".npy",)
    tabular: bool = False
    single: bool = False

    def fields(self, path: Path) -> tuple[Field, ...]:
        """The one field "x"."""
        region = self._region(path)
        return (numbers.field_of(ONLY, region.dtype, region.shape[1:], str(path)),)

    def samples(self, path: Path, field: str) -> int | None:  # noqa: ARG002
        """Length of the first axis."""
        return self._region(path).shape[0]

    def chunks(self, path: Path, fields: Sequence[Field], rows: int) -> Iterator[Chunk]:
        """See `Format.chunks`."""
        first = 0
        for part in self._region(path).chunks(rows):
            yield as_chunk(first, part, fields[0], str(path))
            first += len(part)

    def random_access(self, path: Path) -> bool:  # noqa: ARG002
        """Always."""
        return True

    def take(self, path: Path, field: Field, rows: "NDArray[np.int64]", out: "NDArray[Any]") -> None:
        """See `Format.take`."""
        self._region(path).take(rows, out, field.missing)

    def place(self, path: Path, row: int) -> str:  # noqa: ARG002
        """The row."""
        return f"row {row:,}"

    def trait(self, path: Path) -> str:  # noqa: ARG002
        """Nothing."""
        return ""

    def _region(self, path: Path) -> Region:
        try:
            now = path.stat()
            return _region(path, now.st_ino, now.st_size, now.st_mtime_ns)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error


@functools.lru_cache(REMEMBERED)
def _region(path: Path, inode: int, size: int, changed: int) -> Region:  # noqa: ARG001
    """The array of a file; the other arguments say which file this was, so that its header is read once."""
    with path.open("rb") as file:
        region = header(file, path, str(path))
        check_size(region, file.seek(0, io.SEEK_END) - region.offset, str(path))
    return region


NPY = Npy()
