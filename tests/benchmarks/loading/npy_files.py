"""One `.npy` file a batch, read with `np.load`: the way of the original DeepTrain."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.loading.dataset import Dataset
from tests.benchmarks.loading.peer import Pair


class NpyFiles:
    """Whole files are shuffled, never what is in them."""

    orders = {"sequential": "file by file", "shuffled": "files in random order"}  # noqa: RUF012
    resumes = tuple(orders)

    def prepare(self, dataset: Dataset, directory: Path, batches: Sequence[int]) -> None:
        x, y = dataset.x, dataset.y
        for batch in batches:
            (directory / str(batch)).mkdir()
            for number, first in enumerate(range(0, dataset.rows, batch)):
                np.save(directory / str(batch) / f"x-{number:07d}.npy", x[first : first + batch])
                np.save(directory / str(batch) / f"y-{number:07d}.npy", y[first : first + batch])

    def open(self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int) -> Iterator[Pair]:
        return Files(directory / str(batch), order, seed, -(-dataset.rows // batch), 0)

    def save(self, stream: "Files", directory: Path) -> None:
        (directory / "next").write_text(str(stream.number))

    def resume(
        self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int, saved: Path
    ) -> Iterator[Pair]:
        start = int((saved / "next").read_text())
        return Files(directory / str(batch), order, seed, -(-dataset.rows // batch), start)


class Files:
    """The batches from file `number` of an order on."""

    def __init__(self, directory: Path, order: str, seed: int, count: int, number: int) -> None:
        self._directory = directory
        self._files = np.arange(count)
        if order == "shuffled":
            np.random.Generator(np.random.Philox(seed)).shuffle(self._files)
        self.number = number

    def __iter__(self) -> "Files":
        return self

    def __next__(self) -> Pair:
        if self.number == len(self._files):
            raise StopIteration
        names = [self._directory / f"{kind}-{self._files[self.number]:07d}.npy" for kind in "xy"]
        self.number += 1
        x, y = (np.load(name, allow_pickle=False) for name in names)
        return x, y


PEER = NpyFiles()
