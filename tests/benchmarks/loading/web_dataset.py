"""WebDataset over tar files, two members a sample."""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import webdataset

from tests.benchmarks.loading.dataset import Dataset
from tests.benchmarks.loading.peer import Pair

SHUFFLE = 10_000


class WebDatasets:
    """It cannot go on in the middle of an epoch; its documentation advises to resample instead."""

    orders = {"sequential": "shards in turn", "shuffled": f"shards, buffer of {SHUFFLE:,}"}  # noqa: RUF012

    def prepare(self, dataset: Dataset, directory: Path, batches: Sequence[int]) -> None:  # noqa: ARG002
        for number, (first, xs, ys) in enumerate(dataset.chunks()):
            with webdataset.TarWriter(str(directory / f"{number:05d}.tar"), encoder=False) as writer:
                for row, (x, y) in enumerate(zip(xs, ys, strict=True), first):
                    writer.write({"__key__": f"{row:09d}", "x.bin": x.tobytes(), "y.bin": struct.pack("<q", y)})

    def open(self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int) -> Iterator[Pair]:
        files = sorted(map(str, directory.glob("*.tar")))
        shuffled = order == "shuffled"
        stream = webdataset.WebDataset(files, shardshuffle=len(files) if shuffled else False, seed=seed)
        if shuffled:
            stream = stream.shuffle(SHUFFLE, seed=seed)

        def parse(sample: dict[str, bytes]) -> Pair:
            x = np.frombuffer(sample["x.bin"], dataset.dtype).reshape(dataset.shape)
            return x, np.frombuffer(sample["y.bin"], np.int64)[0]

        return ((np.asarray(x), np.asarray(y)) for x, y in stream.map(parse).batched(batch))


PEER = WebDatasets()
