"""The limit of the device: the same bytes past the page cache, four reads of 4 MiB in flight."""

import concurrent.futures
import os
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks.loading.dataset import HEADER, Dataset
from tests.benchmarks.loading.peer import Pair
from tests.benchmarks.loading.raw_buffered import memory

BLOCK = 4 << 20
FLIGHTS = 4
PAGE = 4096


class RawDirect:
    """O_DIRECT, four threads. Blocks are whole samples and whole pages, but for the last, which is read to the end."""

    orders = {"sequential": "O_DIRECT, 4 MiB x 4"}  # noqa: RUF012

    def prepare(self, dataset: Dataset, directory: Path, batches: Sequence[int]) -> None:
        """It reads what is there."""

    def open(self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int) -> Iterator[Pair]:  # noqa: ARG002
        if dataset.sample_bytes % PAGE:
            raise ValueError(f"samples must be whole pages of {PAGE} bytes, got {dataset.sample_bytes}")
        rows = max(1, BLOCK // dataset.sample_bytes)
        y = dataset.y
        size = rows * dataset.sample_bytes
        free = [memory(size) for _ in range(FLIGHTS + 1)]
        file = os.open(dataset.path, os.O_RDONLY | os.O_DIRECT)

        def read(number: int) -> tuple[int, int]:
            first = number * rows
            whole = free[number % len(free)][: min(rows, dataset.rows - first) * dataset.sample_bytes]
            done = 0
            while done < len(whole):
                done += os.preadv(file, [whole[done:]], HEADER + first * dataset.sample_bytes + done)
            return first, len(whole) // dataset.sample_bytes

        try:
            with concurrent.futures.ThreadPoolExecutor(FLIGHTS) as threads:
                total = -(-dataset.rows // rows)
                flights = deque(threads.submit(read, number) for number in range(min(FLIGHTS, total)))
                for number in range(total):
                    first, count = flights.popleft().result()
                    if number + FLIGHTS < total:
                        flights.append(threads.submit(read, number + FLIGHTS))
                    whole = free[number % len(free)][: count * dataset.sample_bytes]
                    yield whole.view(dataset.dtype).reshape(count, *dataset.shape), y[first : first + count]
        finally:
            os.close(file)


PEER = RawDirect()
