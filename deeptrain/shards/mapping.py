"""Several files mapped next to each other, so that one array covers them all and one gather takes from all.

Python's `mmap` cannot say where a mapping goes, the C library's can. Only on Linux; elsewhere files are mapped singly.
"""

import ctypes
import mmap
import os
import sys
import weakref
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

NONE = 0
FIXED = 0x10
NO_RESERVE = 0x4000
FAILED = ctypes.c_void_p(-1).value


class Mapping:
    """Address space for files, each mapped to its place when it is first needed.

    Attributes:
        data: all bytes, read-only; only places that were mapped may be read. Views of it keep the mapping.
    """

    def __init__(self, size: int) -> None:
        """Reserve the space; it takes no memory.

        Raises:
            OSError: when there is none, or this is not Linux.
        """
        self._address = _mapped(None, size, NONE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE, -1, 0)
        data = np.frombuffer(memoryview((ctypes.c_ubyte * size).from_address(self._address)), np.uint8)
        data.setflags(write=False)
        weakref.finalize(data, _library().munmap, self._address, size).atexit = False
        self.data: NDArray[np.uint8] = data

    def place(self, at: int, size: int, descriptor: int, offset: int) -> None:
        """Map bytes of a file to a place, instead of what was there: all but `size` are multiples of a page."""
        _mapped(self._address + at, size, mmap.PROT_READ, mmap.MAP_SHARED | FIXED, descriptor, offset)


def _mapped(address: int | None, size: int, protection: int, flags: int, descriptor: int, offset: int) -> int:
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) < 8:
        raise OSError("files are mapped next to each other on Linux of 64 bits only")
    found = _library().mmap(address, size, protection, flags, descriptor, offset)
    if found == FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(found)


@cache
def _library() -> Any:
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_int64]
    library.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return library
