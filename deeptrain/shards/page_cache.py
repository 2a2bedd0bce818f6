"""Whether bytes of a file are in the page cache: a copy from there is fast, and where they are not a direct read is.

Asked of Linux by cachestat(2) (6.5 and later). A read that would not wait (RWF_NOWAIT) cannot be used to ask: it begins
to read ahead. Elsewhere nothing is known to be cached.
"""

import ctypes
import mmap
import os
from functools import cache
from typing import Any

CACHESTAT = 451
"""The number of the system call on every architecture."""

Five = ctypes.c_uint64 * 5
Two = ctypes.c_uint64 * 2


def holds(descriptor: int, offset: int, size: int) -> bool:
    """Whether all pages of a range of a file are in memory."""
    call = _system_call()
    if call is None:
        return False
    found, asked = Five(), Two(offset, size)
    if call(CACHESTAT, descriptor, ctypes.byref(asked), ctypes.byref(found), 0):
        return False
    pages = -(-(offset + size) // mmap.PAGESIZE) - offset // mmap.PAGESIZE
    return bool(found[0] >= pages)


@cache
def _system_call() -> Any:
    try:
        call = ctypes.CDLL(None, use_errno=True).syscall
    except (OSError, AttributeError):
        return None
    return call if os.uname().sysname == "Linux" else None
