"""Grain's Dataset API over ArrayRecord files."""

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import grain
import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter

from tests.benchmarks.loading.dataset import Dataset
from tests.benchmarks.loading.peer import Pair

THREADS = 16


class GrainRecords:
    """A record a sample, `group_size:1` as random access asks for.

    Batches are made before threads read ahead: with its defaults (samples read ahead, 500 of them, then batched) it is
    15 times as slow here, as threads and consumer wait for each other at every sample.
    """

    orders = {  # noqa: RUF012
        "sequential": "16 threads",
        "shuffled": "every sample, 16 threads",
        "samples": "every sample, 16 threads",
    }
    resumes = tuple(orders)

    def prepare(self, dataset: Dataset, directory: Path, batches: Sequence[int]) -> None:  # noqa: ARG002
        for number, (_, xs, ys) in enumerate(dataset.chunks()):
            writer = ArrayRecordWriter(str(directory / f"{number:05d}.array_record"), "group_size:1,uncompressed")
            for x, y in zip(xs, ys, strict=True):
                writer.write(x.tobytes() + struct.pack("<q", y))
            writer.close()

    def open(self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int) -> Iterator[Pair]:
        files = sorted(map(str, directory.glob("*.array_record")))
        samples = grain.MapDataset.source(grain.sources.ArrayRecordDataSource(files))
        if order != "sequential":
            samples = samples.shuffle(seed=seed)
        size = dataset.sample_bytes

        def parse(record: bytes) -> Pair:
            x = np.frombuffer(record, np.uint8, size).view(dataset.dtype).reshape(dataset.shape)
            return x, np.frombuffer(record, np.int64, 1, size)[0]

        reading = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=THREADS)
        return iter(samples.map(parse).batch(batch).to_iter_dataset(reading))

    def save(self, stream: Iterator[Pair], directory: Path) -> None:
        state = stream.get_state()  # type: ignore[attr-defined]
        text = state.decode() if isinstance(state, bytes) else json.dumps(state)
        (directory / "state.json").write_text(text)

    def resume(
        self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int, saved: Path
    ) -> Iterator[Pair]:
        stream = self.open(dataset, directory, order, batch, seed)
        stream.set_state(json.loads((saved / "state.json").read_text()))  # type: ignore[attr-defined]
        return stream


PEER = GrainRecords()
