"""TensorStore over a sharded zarr3 array, eight reads in flight."""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorstore

from tests.benchmarks.loading.dataset import Dataset
from tests.benchmarks.loading.peer import Pair

ROWS = 256
FLIGHTS = 8


class TensorStore:
    """Chunks of 256 samples in shards of about 64 MiB. It reads arrays; orders are not its business."""

    orders = {"sequential": f"{FLIGHTS} reads in flight"}  # noqa: RUF012

    def prepare(self, dataset: Dataset, directory: Path, batches: Sequence[int]) -> None:  # noqa: ARG002
        rows = max(1, (64 << 20) // (ROWS * dataset.sample_bytes)) * ROWS
        inner = {
            "chunk_shape": [ROWS, *dataset.shape],
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        }
        spec = {
            "driver": "zarr3",
            "kvstore": {"driver": "file", "path": str(directory / "x")},
            "metadata": {
                "shape": [dataset.rows, *dataset.shape],
                "data_type": dataset.dtype,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [rows, *dataset.shape]}},
                "codecs": [{"name": "sharding_indexed", "configuration": inner}],
            },
        }
        store = tensorstore.open(spec, create=True).result()
        x = dataset.x
        for first in range(0, dataset.rows, rows):
            last = min(first + rows, dataset.rows)
            store[first:last].write(np.asarray(x[first:last])).result()
        np.save(directory / "y.npy", dataset.y)

    def open(self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int) -> Iterator[Pair]:  # noqa: ARG002
        spec = {
            "driver": "zarr3",
            "kvstore": {"driver": "file", "path": str(directory / "x")},
            "context": {"cache_pool": {"total_bytes_limit": 0}},
        }
        store = tensorstore.open(spec).result()
        y = np.load(directory / "y.npy", allow_pickle=False)
        flights = deque()
        for first in range(0, dataset.rows, batch):
            flights.append((first, store[first : min(first + batch, dataset.rows)].read()))
            if len(flights) == FLIGHTS:
                first, read = flights.popleft()
                yield read.result(), y[first : first + batch]
        for first, read in flights:
            yield read.result(), y[first : first + batch]


PEER = TensorStore()
