"""Hugging Face datasets over Arrow files; in sequence by its Arrow format, which copies nothing."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa

from tests.benchmarks.loading.dataset import Dataset
from tests.benchmarks.loading.peer import Pair

SHUFFLE = 10_000
datasets.disable_progress_bars()


class HuggingFace:
    """`iter(batch_size)` of a Dataset, or of an IterableDataset where a buffer shuffles."""

    orders = {  # noqa: RUF012
        "sequential": "Arrow format",
        "shuffled": f"IterableDataset, buffer of {SHUFFLE:,}",
        "samples": "indices mapping",
    }
    resumes = ("shuffled",)  # only an IterableDataset has a state

    def prepare(self, dataset: Dataset, directory: Path, batches: Sequence[int]) -> None:  # noqa: ARG002
        tables = []
        for _, x, y in dataset.chunks():
            values = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), dataset.sample_bytes // x.itemsize)
            tables.append(pa.table({"x": values, "y": pa.array(y)}))
        datasets.Dataset(pa.concat_tables(tables)).save_to_disk(directory / "data", num_shards=len(tables))

    def open(self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int) -> Iterator[Pair]:
        stored = datasets.load_from_disk(directory / "data")
        if order == "sequential":
            return self._arrow(stored, dataset, batch)
        if order == "samples":
            return self._numpy(stored.shuffle(seed=seed).with_format("numpy").iter(batch), dataset)
        return Streamed(self._iterable(directory, seed), dataset, batch)

    def save(self, stream: "Streamed", directory: Path) -> None:
        (directory / "state.json").write_text(json.dumps(stream.samples.state_dict()))

    def resume(
        self,
        dataset: Dataset,
        directory: Path,
        order: str,  # noqa: ARG002
        batch: int,
        seed: int,
        saved: Path,
    ) -> Iterator[Pair]:
        samples = self._iterable(directory, seed)
        samples.load_state_dict(json.loads((saved / "state.json").read_text()))
        return Streamed(samples, dataset, batch)

    def _iterable(self, directory: Path, seed: int) -> datasets.IterableDataset:
        stored = datasets.load_from_disk(directory / "data")
        shards = max(1, min(32, len(stored) // 1000))
        streamed = stored.to_iterable_dataset(num_shards=shards).shuffle(seed=seed, buffer_size=SHUFFLE)
        return streamed.with_format("numpy")

    def _arrow(self, stored: datasets.Dataset, dataset: Dataset, batch: int) -> Iterator[Pair]:
        for table in stored.with_format("arrow").iter(batch):
            x = table.column("x").combine_chunks()
            x = x.chunk(0) if isinstance(x, pa.ChunkedArray) else x
            yield x.flatten().to_numpy().reshape(-1, *dataset.shape), table.column("y").to_numpy()

    def _numpy(self, batches: Iterator[dict[str, np.ndarray]], dataset: Dataset) -> Iterator[Pair]:
        for batch in batches:
            yield batch["x"].reshape(-1, *dataset.shape), batch["y"]


class Streamed:
    """Batches of an IterableDataset, which keeps its own position."""

    def __init__(self, samples: datasets.IterableDataset, dataset: Dataset, batch: int) -> None:
        self.samples = samples
        self._shape = dataset.shape
        self._batches = samples.iter(batch)

    def __iter__(self) -> "Streamed":
        return self

    def __next__(self) -> Pair:
        batch = next(self._batches)
        return batch["x"].reshape(-1, *self._shape), batch["y"]


PEER = HuggingFace()
