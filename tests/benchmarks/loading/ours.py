"""deeptrain's Batches over its shards, in the order of the samples as they came."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from deeptrain.loading.batches import Batches
from deeptrain.shards import layout, npy, reading
from deeptrain.shards.info import DataInfo, Statistics
from deeptrain.shards.layout import Layout, Sets, Shard, SplitLayout
from tests.benchmarks.loading.dataset import CLASSES, Dataset
from tests.benchmarks.loading.peer import Pair

KINDS = {"sequential": "none", "samples": "samples"}


class Ours:
    """Block checksums are compared in each of these orders, as in training."""

    orders = {"sequential": "in turn", "samples": "every sample"}  # noqa: RUF012
    resumes = tuple(orders)

    def prepare(self, dataset: Dataset, directory: Path, batches: Sequence[int]) -> None:  # noqa: ARG002
        write(directory, dataset, np.arange(dataset.rows))

    def open(self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int) -> Iterator[Pair]:  # noqa: ARG002
        return Stream(directory, order, batch, seed, 0)

    def save(self, stream: "Stream", directory: Path) -> None:
        (directory / "position.json").write_text(json.dumps(stream.number))

    def resume(
        self,
        dataset: Dataset,  # noqa: ARG002
        directory: Path,
        order: str,
        batch: int,
        seed: int,
        saved: Path,
    ) -> Iterator[Pair]:
        return Stream(directory, order, batch, seed, json.loads((saved / "position.json").read_text()))


class Stream:
    """The batches of the first epoch from `number` on."""

    def __init__(self, directory: Path, order: str, batch: int, seed: int, number: int) -> None:
        self._batches = Batches(reading.open(directory).split("train"), batch, seed=seed, kind=KINDS[order])
        self.number = number

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> Pair:
        if self.number == len(self._batches):
            raise StopIteration
        batch = self._batches.batch(1, self.number)
        self.number += 1
        return batch.x, batch.y


def write(directory: Path, dataset: Dataset, order: np.ndarray) -> None:
    """Write the samples as shards of 64 MiB, in an order given by their row numbers."""
    x, y = dataset.x, dataset.y
    rows = max(1, (64 << 20) // dataset.sample_bytes)
    shards = []
    (directory / "parts").mkdir()
    for first in range(0, dataset.rows, rows):
        chosen = order[first : first + rows]
        name = layout.part("train", len(shards) + 1)
        arrays = {"x": x[chosen], "y": y[chosen], "rows": np.stack([chosen // 32 + 1, chosen * 0, chosen], axis=1)}
        arrays["rows"][:, 0] = np.arange(first, first + len(chosen)) // 32 + 1
        for kind, array in arrays.items():
            with (directory / f"{name}.{kind}.npy").open("wb") as file:
                npy.write(file, array)
        shards.append(Shard(name=name, rows=len(chosen)))
    whole, rest = divmod(dataset.rows, 32)
    sets = [Sets(first=1, count=whole, samples=32)] if whole else []
    sets += [Sets(first=whole + 1, count=1, samples=rest)] if rest else []
    none = dict.fromkeys(("val", "calibration", "test"), 0)
    info = DataInfo(
        shape=dataset.shape,
        dtype=dataset.dtype,
        kind="classes",
        classes=tuple(map(str, range(CLASSES))),
        samples={"train": dataset.rows, **none},
        label_counts={
            "train": tuple(np.bincount(y, minlength=CLASSES).tolist()),
            **dict.fromkeys(none, (0,) * CLASSES),
        },
        columns=(),
        statistics=Statistics(count=1, min=0.0, max=1.0, mean=0.0, std=1.0),
    )
    described = Layout(
        version=layout.VERSION,
        info=info,
        raw=("x.npy",),
        splits={"train": SplitLayout(shards=tuple(shards), sets=tuple(sets))},
    )
    (directory / layout.NAME).write_text(json.dumps(described.plain()))


PEER = Ours()
