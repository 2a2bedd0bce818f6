"""Hugging Face datasets over Arrow files, by its Arrow format, which in sequence copies nothing."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import datasets
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
        if order == "shuffled":
            return Streamed(self._iterable(directory, seed), dataset, batch)
        given = stored if order == "sequential" else stored.shuffle(seed=seed)
        return (pair(table, dataset) for table in given.with_format("arrow").iter(batch))

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
        return streamed.with_format("arrow")


def pair(table: pa.Table, dataset: Dataset) -> Pair:
    """A batch as it lies in Arrow's memory; its format "numpy" makes 64-bit integers of pictures."""
    x = table.column("x").combine_chunks()
    x = x.chunk(0) if isinstance(x, pa.ChunkedArray) else x
    return x.flatten().to_numpy().reshape(-1, *dataset.shape), table.column("y").to_numpy()


class Streamed:
    """Batches of an IterableDataset, which keeps its own position."""

    def __init__(self, samples: datasets.IterableDataset, dataset: Dataset, batch: int) -> None:
        self.samples = samples
        self._dataset = dataset
        self._batches = samples.iter(batch)

    def __iter__(self) -> "Streamed":
        return self

    def __next__(self) -> Pair:
        return pair(next(self._batches), self._dataset)


PEER = HuggingFace()
