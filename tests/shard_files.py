"""Shards made from arrays, for tests of readers: the conversion from raw files has its own tests."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from deeptrain.shards import layout, reading, writing
from deeptrain.shards.info import DataInfo, InputInfo, Lengths, Statistics
from deeptrain.shards.layout import InputLayout, Layout, Sets, Shard, SplitLayout
from deeptrain.shards.settings import SPLITS
from deeptrain.shards.writing import ShardWriter, SplitArrays

STATISTICS = Statistics(count=1, min=0.0, max=1.0, mean=0.0, std=1.0)


class Directory:
    """The store's artifact without its guarantees."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        with (self.directory / name).open("xb") as file:
            yield file

    def write(self, name: str, data: bytes) -> None:
        (self.directory / name).write_bytes(data)


def write(
    directory: Path,
    x: Any,
    labels: np.ndarray | None = None,
    *,
    set_sizes: Sequence[int] | None = None,
    first_set: int = 1,
    samples_per_shard: int = 1000,
    block_bytes: int = 1 << 20,
    compression: Any = None,
    weights: np.ndarray | None = None,
    kind: Any = "classes",
    append: int = 10**9,
    cuts: np.ndarray | None = None,
    parts: int = 1,
) -> Path:
    """Shards of one split, train.

    Args:
        directory: where.
        x: an array, a list of arrays (sequences), or a mapping of these.
        labels: of each sample; None where the input is the label.
        set_sizes: samples of each set; by default one set.
        first_set: number of the first set.
        samples_per_shard: the last shard holds what is left.
        block_bytes: of a block.
        compression: of blocks.
        weights: of each sample.
        kind: of labels.
        append: rows that are written at once.
        cuts: samples at which a block must begin too.
        parts: directories the shards are spread over.
    """
    named: Mapping[str, Any] = x if isinstance(x, dict) else {"x": x}
    inputs, flat, lengths = [], {}, {}
    for name, values in named.items():
        sequence = isinstance(values, list)
        if sequence:
            lengths[name] = np.array([len(one) for one in values])
        flat[name] = np.concatenate(values) if sequence else values
        inputs.append(
            InputLayout(name=name, dtype=flat[name].dtype.name, shape=flat[name].shape[1:], sequence=sequence)
        )
    samples = len(next(iter(named.values())))
    ends = {name: np.concatenate([[0], np.cumsum(of)]) for name, of in lengths.items()}
    checks, shards = [], []
    for number, start in enumerate(range(0, samples, samples_per_shard)):
        stop = min(start + samples_per_shard, samples)
        part = layout.part_name(number % parts + 1)
        name = layout.shard_name("train", number + 1)
        own = None if cuts is None else cuts[(cuts >= start) & (cuts < stop)] - start
        with ShardWriter(
            Directory(directory / "parts" / part),
            name,
            inputs,
            stop - start,
            lengths={one: of[start:stop] for one, of in lengths.items()},
            block_bytes=block_bytes,
            compression=compression,
            cuts=own,
        ) as shard:
            for one, rows in flat.items():
                first, last = (ends[one][start], ends[one][stop]) if one in ends else (start, stop)
                for at in range(first, last, append):
                    shard.append({one: rows[at : min(at + append, last)]})
            checks.append(shard.close())
        shards.append(Shard(name=name, part=part, samples=stop - start))
    sizes = [samples] if set_sizes is None else list(set_sizes)
    classes = 0 if labels is None or kind == "values" else max(int(labels.max()) + 1, 2)
    counts = tuple(np.bincount(labels, minlength=classes).tolist()) if classes and labels is not None else ()
    nothing = tuple([0] * classes)
    info = DataInfo(
        inputs=tuple(
            InputInfo(
                name=one.name,
                shape=(None,) * one.sequence + one.shape,
                dtype=one.dtype,
                statistics=STATISTICS,
                lengths=Lengths(min=1, max=9, mean=3.0) if one.sequence else None,
            )
            for one in inputs
        ),
        kind="values" if labels is None else kind,
        classes=tuple(f"class {number}" for number in range(classes)),
        samples={split: samples if split == "train" else 0 for split in SPLITS},
        label_counts={split: counts if split == "train" else nothing for split in SPLITS},
        labels_are_input=labels is None,
        weighted=weights is not None,
    )
    numbers = np.repeat(np.arange(first_set, first_set + len(sizes)), sizes)
    described = Layout(
        info=info,
        raw=("a.npy", "b.npy"),
        inputs=tuple(inputs),
        block_bytes=block_bytes,
        compression=compression,
        splits={
            "train": SplitLayout(
                shards=tuple(shards),
                sets=tuple(Sets(first=first_set + offset, count=1, samples=size) for offset, size in enumerate(sizes)),
            )
        },
    )
    origin = np.stack([numbers, np.arange(samples) % 2, np.arange(samples)], axis=1)
    writing.write_whole(
        Directory(directory / "whole"),
        described,
        {"train": SplitArrays(labels, origin, checks, lengths, weights)},
    )
    return directory


def split(directory: Path, x: Any, labels: np.ndarray | None = None, **arguments: Any) -> reading.Split:
    """The same, opened."""
    return reading.open(write(directory, x, labels, **arguments)).split("train")
