"""deeptrain over ten thousand shards: what opening many files costs, and whether it slows an epoch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.loading.dataset import Dataset
from tests.benchmarks.loading.ours import Ours, write

SHARDS = 10_000


class OursMany(Ours):
    """In sequence only: the first batch tells what opening takes."""

    orders = {"sequential": f"order none, {SHARDS:,} shards"}  # noqa: RUF012
    resumes = ()

    def prepare(self, dataset: Dataset, directory: Path, batches: Sequence[int]) -> None:  # noqa: ARG002
        write(directory, dataset, np.arange(dataset.rows), dataset.bytes // SHARDS)


PEER = OursMany()
