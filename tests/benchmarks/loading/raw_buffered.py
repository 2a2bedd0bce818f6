"""The limit: the bytes of the samples through the page cache, 8 MiB at a time into one buffer that is used again."""

import mmap
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.loading.dataset import HEADER, Dataset
from tests.benchmarks.loading.peer import Pair

BLOCK = 8 << 20


class RawBuffered:
    """`os.preadv` of x.npy from beginning to end; the batch size is its own, as a limit needs none."""

    orders = {"sequential": "preadv, 8 MiB"}  # noqa: RUF012

    def prepare(self, dataset: Dataset, directory: Path, batches: Sequence[int]) -> None:
        """It reads what is there."""

    def open(self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int) -> Iterator[Pair]:  # noqa: ARG002
        rows = max(1, BLOCK // dataset.sample_bytes)
        y = dataset.y
        buffer = memory(rows * dataset.sample_bytes)
        file = os.open(dataset.path, os.O_RDONLY)
        try:
            for first in range(0, dataset.rows, rows):
                count = min(rows, dataset.rows - first)
                whole = buffer[: count * dataset.sample_bytes]
                done = 0
                while done < len(whole):
                    done += os.preadv(file, [whole[done:]], HEADER + first * dataset.sample_bytes + done)
                yield whole.view(dataset.dtype).reshape(count, *dataset.shape), y[first : first + count]
        finally:
            os.close(file)


def memory(size: int) -> np.ndarray:
    """Private, page-aligned bytes in huge pages where the kernel gives them."""
    length = -(-size // (2 << 20)) * (2 << 20)
    pages = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages, np.uint8, count=size)


PEER = RawBuffered()
