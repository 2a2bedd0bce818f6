"""`.npy` files whose data begins at byte 4096: what is written here, `numpy.load` and `mmap` of any tool read.

The format is NumPy's, version 1.0 (numpy.lib.format): magic, length of the header, the header (a dictionary of
dtype, order and shape as text), data. The header is padded with spaces to 4096 bytes, so that the rows begin at a
page, as direct reads need (O_DIRECT reads whole pages only). Data is little endian and in C order.

Since the header follows from dtype and shape, which the reader knows, it is compared, not parsed: nothing in a
stranger's file is interpreted.
"""

import math
import stat
import struct
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.lib.format import dtype_to_descr
from numpy.typing import NDArray

from deeptrain.errors import DataError, unreadable

OFFSET = 4096
MAGIC = b"\x93NUMPY\x01\x00"


class Sink(Protocol):
    """A binary file that is being written."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Take all of the bytes."""
        ...


def header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The first 4096 bytes of the file of an array."""
    fields = {"descr": dtype_to_descr(dtype.newbyteorder("<")), "fortran_order": False, "shape": shape}
    text = repr(fields).encode("ascii")
    length = OFFSET - len(MAGIC) - 2
    return MAGIC + struct.pack("<H", length) + text.ljust(length - 1) + b"\n"


def write(file: Sink, array: NDArray[Any]) -> None:
    """Write an array as a whole `.npy` file."""
    file.write(header(array.dtype, array.shape))
    data = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    file.write(data.reshape(-1).view(np.uint8).data)


def check(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Whether the file holds an array of this dtype and shape, by its size and header; no data is read.

    Raises:
        DataError: when it is missing, no plain file, longer or shorter than it must be, or has another header.
    """
    expected = OFFSET + int(np.prod(shape, dtype=object)) * dtype.itemsize
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path}: is no plain file; restore the shards or make them again")
        if status.st_size != expected:
            raise DataError(
                f"{path}: must have {expected:,} bytes for shape {shape} of {dtype.name}, has {status.st_size:,}; "
                f"restore the file or make the shards again"
            )
        with path.open("rb") as file:
            found = file.read(OFFSET)
    except OSError as error:
        told = f"{path}: cannot be read: {error.strerror}; make the shards again"
        raise unreadable(path, error, DataError(told)) from error
    if found != header(dtype, shape):
        raise DataError(
            f"{path}: altered: its header is not that of shape {shape} of {dtype.name}; restore it or make the shards "
            f"again"
        )


def decoded(data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], path: Path) -> NDArray[Any]:
    """The array in the bytes of a whole file, checked: a read-only view of them.

    Raises:
        DataError: when they are of another dtype or shape, or fewer or more than those take.
    """
    size = OFFSET + math.prod(shape) * dtype.itemsize
    if len(data) != size or data[:OFFSET] != header(dtype, shape):
        raise DataError(f"{path}: its header or its {len(data):,} bytes are not those of shape {shape} of {dtype.name}")
    return np.frombuffer(data, dtype.newbyteorder("<"), offset=OFFSET).reshape(shape)


def mapped(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The array in a file, checked and mapped into memory, read-only; its bytes are read when they are used.

    Raises:
        DataError: as `check`.
    """
    check(path, dtype, shape)
    memory = np.memmap(path, dtype.newbyteorder("<"), mode="r", offset=OFFSET, shape=shape)
    return np.asarray(memory)


def loaded(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The array in a file, checked and read into memory.

    Raises:
        DataError: as `check`.
    """
    check(path, dtype, shape)
    return np.fromfile(path, dtype.newbyteorder("<"), offset=OFFSET).reshape(shape)
