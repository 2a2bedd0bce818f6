"""deeptrain's Batches over its shards, in the order of the samples as they came."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from deeptrain.loading.batches import Batches
from deeptrain.loading.order import Order
from deeptrain.shards import layout, reading, writing
from deeptrain.shards.info import DataInfo, InputInfo, Statistics
from deeptrain.shards.layout import InputLayout, Layout, Sets, Shard, SplitLayout
from tests.benchmarks.loading.dataset import CLASSES, Dataset
from tests.benchmarks.loading.peer import Pair

ORDERS: dict[str, Order] = {"sequential": "none", "shuffled": "blocks", "samples": "samples"}
SAMPLES_PER_SET = 32


class Ours:
    """Settings are the defaults. Every block is compared with its checksum, as in training."""

    orders = {  # noqa: RUF012
        "sequential": "order none",
        "shuffled": "order blocks, 64 of 1 MiB",
        "samples": "order samples",
    }
    resumes = tuple(orders)

    def prepare(self, dataset: Dataset, directory: Path, batches: Sequence[int]) -> None:  # noqa: ARG002
        write(directory, dataset, np.arange(dataset.rows))

    def open(self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int) -> Iterator[Pair]:  # noqa: ARG002
        return Stream(directory, order, batch, seed, 0)

    def save(self, stream: "Stream", directory: Path) -> None:
        (directory / "position.json").write_text(json.dumps({"epoch": 1, "batch": stream.number}))

    def resume(
        self,
        dataset: Dataset,  # noqa: ARG002
        directory: Path,
        order: str,
        batch: int,
        seed: int,
        saved: Path,
    ) -> Iterator[Pair]:
        return Stream(directory, order, batch, seed, json.loads((saved / "position.json").read_text())["batch"])


class Stream:
    """The batches of the first epoch from `number` on."""

    def __init__(self, directory: Path, order: str, batch: int, seed: int, number: int) -> None:
        split = reading.open(directory).split("train")
        self._batches = Batches(split, batch, seed=seed, order=ORDERS[order]).prefetch(1, number)
        self.number = number

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> Pair:
        batch = next(self._batches)
        self.number += 1
        return batch.x, batch.y

    def close(self) -> None:
        self._batches.close()


class Files:
    """The store's artifact without its guarantees."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        with (self._directory / name).open("xb") as file:
            yield file

    def write(self, name: str, data: bytes) -> None:
        (self._directory / name).write_bytes(data)


def write(directory: Path, dataset: Dataset, order: np.ndarray, shard_bytes: int = 64 << 20) -> None:
    """Write the samples as one part of shards, in an order given by their row numbers."""
    x, y = dataset.x, dataset.y
    rows = max(1, shard_bytes // dataset.sample_bytes)
    inputs = (InputLayout(name="x", dtype=dataset.dtype, shape=dataset.shape),)
    part = Files(directory / layout.PARTS / layout.part_name(1))
    shards, checks = [], []
    for first in range(0, dataset.rows, rows):
        chosen = order[first : first + rows]
        shards.append(
            Shard(name=layout.shard_name("train", len(shards) + 1), part=layout.part_name(1), samples=len(chosen))
        )
        shard = writing.ShardWriter(part, shards[-1].name, inputs, len(chosen))
        shard.append({"x": x[chosen]})
        checks.append(shard.close())
    sets = np.arange(dataset.rows) // SAMPLES_PER_SET + 1
    origin = np.stack([sets, np.zeros_like(sets), order], axis=1)
    described = Layout(
        info=_info(dataset, y), raw=("x.npy",), inputs=inputs, splits={"train": _split(shards, dataset.rows)}
    )
    writing.write_whole(
        Files(directory / layout.WHOLE), described, {"train": writing.SplitArrays(y[order], origin, checks)}
    )


def _split(shards: Sequence[Shard], samples: int) -> SplitLayout:
    whole, rest = divmod(samples, SAMPLES_PER_SET)
    sets = [Sets(first=1, count=whole, samples=SAMPLES_PER_SET)] if whole else []
    sets += [Sets(first=whole + 1, count=1, samples=rest)] if rest else []
    return SplitLayout(shards=tuple(shards), sets=tuple(sets))


def _info(dataset: Dataset, y: np.ndarray) -> DataInfo:
    none = dict.fromkeys(("val", "calibration", "test"), 0)
    counts = tuple(np.bincount(y, minlength=CLASSES).tolist())
    statistics = Statistics(count=1, min=0.0, max=0.0, mean=0.0, std=0.0)  # nothing here normalises
    return DataInfo(
        inputs=(InputInfo(name="x", shape=dataset.shape, dtype=dataset.dtype, statistics=statistics),),
        kind="classes",
        classes=tuple(map(str, range(CLASSES))),
        samples={"train": dataset.rows, **none},
        label_counts={"train": counts, **dict.fromkeys(none, (0,) * CLASSES)},
    )


PEER = Ours()
