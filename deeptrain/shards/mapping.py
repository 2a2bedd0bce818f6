"""Files mapped into memory, from which bytes are copied by the kernel and never touched: no signal can come of it.

Who reads a mapped page that a file does not have any more, because somebody cut it off in place, is killed by SIGBUS.
process_vm_readv(2) of one's own memory tells an error instead. It takes a thousand places at once, so that rows from
everywhere cost no loop in Python. Linux only; elsewhere `Mapping` refuses and files are read.
"""

import ctypes
import mmap
import os
import sys
import weakref
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

NONE = 0
FIXED = 0x10
NO_RESERVE = 0x4000
FAILED = ctypes.c_void_p(-1).value

MOST = 1024
"""Places of one call (IOV_MAX)."""


class Mapping:
    """Address space for several files, each mapped to its place when it is first needed.

    Attributes:
        begins: (files,) int64: where the bytes of each file begin in it.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        """Reserve the space; it takes no memory.

        Args:
            sizes: of what is mapped of each file.

        Raises:
            OSError: when there is none, or this is not Linux.
        """
        pages = -(-np.asarray(sizes, np.int64) // mmap.PAGESIZE) * mmap.PAGESIZE
        ends = np.cumsum(pages)
        self.begins: NDArray[np.int64] = ends - pages
        total = max(int(ends[-1]), mmap.PAGESIZE)
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE
        self._address = _mapped(None, total, NONE, flags, -1, 0)
        weakref.finalize(self, _library().munmap, self._address, total).atexit = False

    def place(self, number: int, size: int, descriptor: int, offset: int) -> None:
        """Map `size` bytes of a file, from an offset of whole pages, to its place, instead of what was there."""
        at = self._address + int(self.begins[number])
        _mapped(at, size, mmap.PROT_READ, mmap.MAP_SHARED | FIXED, descriptor, offset)

    def copy(self, places: NDArray[np.int64], sizes: NDArray[np.int64] | int, out: NDArray[np.uint8]) -> None:
        """Copy pieces of it, one after the other, into `out`.

        Args:
            places: (pieces,) where each begins.
            sizes: (pieces,) bytes of each, or of all of them.
            out: (bytes,) uint8 that takes exactly these.

        Raises:
            OSError: when a page is not there (EFAULT): it is not mapped, its file lost it, or the disk failed.
        """
        pieces = np.empty((len(places), 2), np.uint64)
        pieces[:, 0] = places
        pieces[:, 0] += np.uint64(self._address)
        pieces[:, 1] = sizes
        call, own = _library().process_vm_readv, os.getpid()
        into, at = np.empty(2, np.uint64), out.ctypes.data
        for first in range(0, len(pieces), MOST):
            part = pieces[first : first + MOST]
            size = int(part[:, 1].sum())
            into[:] = at, size
            found = call(own, into.ctypes.data, 1, part.ctypes.data, len(part), 0)
            if found != size:
                number = ctypes.get_errno() if found < 0 else 14  # EFAULT: a part came
                raise OSError(number, os.strerror(number))
            at += size


def _mapped(address: int | None, size: int, protection: int, flags: int, descriptor: int, offset: int) -> int:
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) < 8:
        raise OSError("files are mapped on Linux of 64 bits only")
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
    library.process_vm_readv.restype = ctypes.c_ssize_t
    library.process_vm_readv.argtypes = [
        ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong
    ]  # fmt: skip
    return library
