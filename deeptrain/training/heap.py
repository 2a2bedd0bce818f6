"""The process's heap, which keeps what a training frees, since the next iteration takes it again.

The C library of Linux gives the end of its heap back to the kernel as soon as 128 KiB are free there, or twice the
largest block that was ever freed, and takes it anew: the kernel clears each page again then. Whether that happens in
every iteration depends on what else lies in the heap, so the same training was slower in some processes than in others.
"""

import ctypes
from collections.abc import Callable

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of glibc's `mallopt`."""

KEPT_BYTES = 128 << 20
"""What may be free at the end of the heap."""

LARGEST_BYTES = 32 << 20
"""Of a block in it, the most there can be; larger ones go back to the kernel when they are freed."""


def keep() -> None:
    """Keep what is freed from now on; nothing happens where the C library is another one."""
    try:
        mallopt: Callable[[int, int], int] = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
    mallopt(_MMAP_THRESHOLD, LARGEST_BYTES)
