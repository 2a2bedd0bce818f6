"""Reading shards: samples by index, each with its label, set number and origin, every byte compared before it is used.

The small arrays of a split are compared with the checksums in `data.json` when they are read, a block of samples with
its own when it is read: see `column`. A sample taken by its index comes from the page cache, and its block is compared
once, or again if the file changes.
"""

import stat
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import AlteredError, DataError
from deeptrain.shards import blocks, npy, outputs
from deeptrain.shards import layout as layouts
from deeptrain.shards.blocks import Integers
from deeptrain.shards.column import Column
from deeptrain.shards.info import DataInfo
from deeptrain.shards.layout import InputLayout, Layout
from deeptrain.shards.settings import ONLY
from deeptrain.shards.shard_file import ShardFile

Samples = Any
"""What `take` gives: an array (samples, *shape); a list of arrays (steps, *shape) where samples are sequences; a
dictionary of these by input where there are several."""

LARGEST_SET = 1 << 62
"""Numbers of sets are int64."""


class Split:
    """The samples of one split, by index 0 to len - 1. Its small arrays are read when it is made.

    Attributes:
        name: "train", "val", "calibration" or "test".
        info: of the whole data.
        inputs: how each input is stored.
        origin: (samples, 3) unsigned, read-only: set number, raw file number, row in the raw file.
        weights: (samples,) float32, read-only; None where samples have none.
        lengths: by input that is a sequence, (samples,) int64 steps of each sample; read-only.
        blocks: (blocks + 1,) int64 first sample of each block, and at the end the number of samples; read-only.
        block_bytes: the most bytes of a block of more than one sample.
        columns: the inputs on disk, by name; for readers that read blocks themselves.
    """

    def __init__(self, directory: Path, name: str, layout: Layout) -> None:
        """Read all of a split but its samples.

        Raises:
            AlteredError: naming a small array that is missing or does not have the recorded bytes.
            DataError: when the arrays do not fit together.
        """
        self.name = name
        self.info = layout.info
        self.inputs = layout.inputs
        self.block_bytes = layout.block_bytes
        self._raw = layout.raw
        self._whole = directory / layouts.WHOLE
        self._layout = layout
        described = layout.splits[name]
        self._labels = {} if self.info.labels_are_input else self._label_arrays()
        self.origin: NDArray[np.unsignedinteger[Any]] = self._array("origin")
        self.weights: NDArray[np.float32] | None = self._array("weights") if self.info.weighted else None
        self.blocks: Integers = self._integers("blocks")
        self.lengths: dict[str, Integers] = {
            stored.name: self._integers(f"{stored.name}.lengths") for stored in self.inputs if stored.sequence
        }
        self._check(described.samples)
        self.columns: dict[str, Column] = {}
        parts = {shard.part: directory / layouts.PARTS / shard.part for shard in described.shards}
        for stored in self.inputs:
            files = [
                ShardFile(parts[shard.part], stored.file(shard.name, layout.compression), shard.samples)
                for shard in described.shards
            ]
            self.columns[stored.name] = Column(
                stored,
                files,
                self.blocks,
                blocks.offsets(self.lengths[stored.name]) if stored.sequence else None,
                self._array(f"{stored.name}.xxh3"),
                None if layout.compression is None else self._integers(f"{stored.name}.sizes"),
                layout.compression,
                self._sets_of,
            )

    def __len__(self) -> int:
        """Number of samples."""
        return int(self.blocks[-1])

    @property
    def labels(self) -> Any:
        """(samples,) uint8 for binary labels, int64 for classes, float32 for values; read-only.

        A mapping by output where there are several; where each step of a sequence has a label, (steps,) of all samples
        one after the other.

        Raises:
            DataError: when each sample is its own label.
        """
        if not self._labels:
            raise DataError(
                f"{self.name}: has no labels apart from its samples: each is its own (labels are the input)"
            )
        return outputs.whole(self._labels)

    @cached_property
    def sets(self) -> Integers:
        """(samples,) int64 the set number of each sample; a set's samples are next to each other. Read-only."""
        sets: Integers = self.origin[:, 0].astype(np.int64)
        sets.setflags(write=False)
        return sets

    @property
    def shape(self) -> Any:
        """Of one sample; of several inputs by name."""
        return self.info.shape

    @cached_property
    def dtype(self) -> Any:
        """Of the samples; of several inputs by name."""
        found = {stored.name: np.dtype(stored.dtype) for stored in self.inputs}
        return found if len(found) > 1 else next(iter(found.values()))

    @property
    def bytes(self) -> int:
        """Of all samples, in memory."""
        return sum(column.bytes for column in self.columns.values())

    def take(self, indices: NDArray[np.integer[Any]], out: NDArray[Any] | None = None) -> Samples:
        """The samples at `indices`, in their order: see `Samples`.

        Args:
            indices: (n,) whole numbers from 0 to len - 1; repeated ones are repeated.
            out: where there is one input that is no sequence, an array (n, *shape) of the split's dtype, in C order, to
                be filled and returned.

        Raises:
            IndexError: for an index that is out of range.
            TypeError: for indices that are no whole numbers.
            ValueError: for an `out` of another shape, dtype or order.
            AlteredError: when a block of them does not have its checksum.
        """
        indices = self._indices(indices)
        found = {}
        for stored in self.inputs:
            if out is not None and (len(self.inputs) > 1 or stored.sequence):
                raise ValueError("out is for one input of one shape; sequences and several inputs come in new arrays")
            found[stored.name] = self._take(self.columns[stored.name], indices, out)
        return found if len(found) > 1 else next(iter(found.values()))

    def read_block(self, number: int) -> Samples:
        """The samples of a block, read and compared just now: see `Samples`."""
        first, last = self.blocks[number : number + 2].tolist()
        found: dict[str, Any] = {}
        for name, column in self.columns.items():
            rows = column.block(number)
            found[name] = rows if column.starts is None else cut(rows, column.starts[first : last + 1])
        return found if len(found) > 1 else next(iter(found.values()))

    def raw(self, index: int) -> tuple[str, int]:
        """Where a sample comes from: name of the raw file, relative to the raw data, and row in it (from 0)."""
        _, file, row = self.origin[index].tolist()
        return self._raw[file], row

    def raw_of_sets(self) -> dict[int, str]:
        """The raw file that each set comes from, by set number.

        Raises:
            DataError: when the samples of a set come from several.
        """
        pairs = np.unique(self.origin[:, :2], axis=0)
        numbers, files = np.unique(pairs[:, 0], return_counts=True)
        if files.max(initial=0) > 1:
            mixed = int(files.argmax())
            raise DataError(
                f"{self.name}: set {numbers[mixed]} holds samples of {files[mixed]} raw files, so it comes from no one "
                f"of them; say data.shuffle = false"
            )
        return {number: self._raw[file] for number, file in pairs.tolist()}

    def _sets_of(self, block: int) -> str:
        """Which sets a block holds, for messages."""
        sets = np.unique(self.sets[self.blocks[block] : self.blocks[block + 1]])
        return f"set {sets[0]}" if len(sets) == 1 else f"sets {sets[0]} to {sets[-1]}"

    def _indices(self, indices: NDArray[np.integer[Any]]) -> Integers:
        indices = np.asarray(indices)
        if indices.ndim != 1 or indices.dtype.kind not in "iu":
            raise TypeError(f"indices must be whole numbers on one axis, got {indices.dtype} {indices.shape}")
        low, high = int(indices.min(initial=0)), int(indices.max(initial=0))
        if low < 0 or high >= len(self):
            raise IndexError(f"{self.name} has samples 0 to {len(self) - 1}, asked for {low if low < 0 else high}")
        return indices.astype(np.int64, copy=False)

    def _take(self, column: Column, indices: Integers, out: NDArray[Any] | None) -> Any:
        rows = indices if column.starts is None else steps_of(column.starts, indices)
        wanted = (len(rows), *column.stored.shape)
        dtype = np.dtype(column.stored.dtype)
        if out is None:
            out = np.empty(wanted, dtype)
        elif out.shape != wanted or out.dtype != dtype or not out.flags.c_contiguous:
            raise ValueError(f"out must be a C array of {wanted} {dtype}, got {out.shape} {out.dtype}")
        if len(rows):
            column.take_rows(rows, out)
        if column.starts is None:
            return out
        return cut(out, blocks.offsets(np.diff(column.starts)[indices]))

    def _array(self, name: str) -> NDArray[Any]:
        """A small array of the split, compared with its checksum; read-only."""
        name = f"{self.name}.{name}"
        path = self._whole / f"{name}.npy"
        told = self._layout.arrays.get(name)
        if told is None:
            raise DataError(f"{self._whole / layouts.NAME}: tells of no array {name}; make the shards again")
        try:
            array = npy.loaded(path, np.dtype(told.dtype), told.shape)
        except DataError as error:
            raise AlteredError(str(error), self._whole) from error
        found = f"{blocks.checksum(array.reshape(-1).view(np.uint8).data):016x}"
        if found != told.xxh3:
            raise AlteredError(
                f"{path}: altered: its xxh3 is {found}, {told.xxh3} is recorded; restore it or make the shards again",
                self._whole,
            )
        array.setflags(write=False)
        return array

    def _label_arrays(self) -> dict[str, NDArray[Any]]:
        return {output: self._array(outputs.array_name(output)) for output in self.info.named or (ONLY,)}

    def _integers(self, name: str) -> Integers:
        array: Integers = self._array(name).astype(np.int64, copy=False)
        array.setflags(write=False)
        return array

    def _check(self, samples: int) -> None:
        """The arrays agree with `data.json` and with each other."""
        described = self._layout.splits[self.name]

        def refuse(what: str) -> DataError:
            return DataError(f"{self._whole}: {what} of {self.name} are not those of data.json; make the shards again")

        of_samples: Mapping[str, NDArray[Any] | None] = {
            "origin": self.origin, "weights": self.weights, **self.lengths
        }  # fmt: skip
        for what, array in of_samples.items():
            if array is not None and len(array) != samples:
                raise refuse(f"the {len(array):,} rows of {what}")
        wanted = int(next(iter(self.lengths.values())).sum()) if self.info.per_step else samples
        told_counts = outputs.parts(self.info.label_counts[self.name])
        for output, labels in self._labels.items():
            what, counts = outputs.array_name(output), told_counts[output]
            if len(labels) != wanted:
                raise refuse(f"the {len(labels):,} rows of {what}")
            if counts and not np.array_equal(_counts(labels, len(counts)), counts):
                raise refuse(f"the {what}")
        told_samples = sum(run.count * run.samples for run in described.sets)
        if told_samples != samples or any(run.first + run.count > LARGEST_SET for run in described.sets):
            raise refuse("the set numbers")
        sets = _numbers(np.array([(run.first, run.count, run.samples) for run in described.sets], np.int64))
        if self.origin.shape != (samples, 3) or not np.array_equal(sets, self.sets):
            raise refuse("the set numbers")
        if int(self.origin[:, 1].max(initial=0)) >= max(len(self._raw), 1):
            raise refuse("the raw files")
        edges = np.cumsum([0, *(shard.samples for shard in described.shards)])
        found = self.blocks
        if (
            found.ndim != 1
            or found[:1].tolist() != [0]
            or (np.diff(found) < 1).any()
            or int(found[-1]) != samples
            or not np.isin(edges, found).all()
        ):
            raise refuse("the blocks")
        for stored in self.inputs:
            for what in ("xxh3", *(["sizes"] if self._layout.compression else [])):
                told = self._layout.arrays.get(f"{self.name}.{stored.name}.{what}")
                if told is None or told.shape != (len(found) - 1,):
                    raise refuse(f"the {what} of {stored.name}")
            if stored.sequence and int(self.lengths[stored.name].min()) < 1:
                raise refuse(f"the lengths of {stored.name}")


class Shards:
    """An opened directory of shards. Made by `open`; a split's files are opened when it is first asked for."""

    def __init__(self, directory: Path) -> None:
        """Read `data.json`."""
        self.directory = directory
        self._layout = Layout.read(directory)
        parts = {shard.part for split in self._layout.splits.values() for shard in split.shards}
        for name in (layouts.WHOLE, layouts.PARTS, *(f"{layouts.PARTS}/{part}" for part in sorted(parts))):
            place = directory / name
            try:
                status = place.lstat()
            except OSError as error:
                raise DataError(f"{place}: cannot be read: {error.strerror}; make the shards again") from error
            if not stat.S_ISDIR(status.st_mode):
                raise DataError(f"{place}: is a link or a file; shards must lie in their directory")
        self._splits: dict[str, Split] = {}

    @property
    def info(self) -> DataInfo:
        """What is known of the data."""
        return self._layout.info

    @property
    def inputs(self) -> tuple[InputLayout, ...]:
        """How each input is stored."""
        return self._layout.inputs

    @property
    def raw_names(self) -> tuple[str, ...]:
        """Names of the raw files, by raw file number."""
        return self._layout.raw

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that have samples."""
        return tuple(self._layout.splits)

    def split(self, name: str) -> Split:
        """The samples of "train", "val", "calibration" or "test".

        Raises:
            DataError: when there is no such split, or its small arrays do not fit together.
            AlteredError: when one of them is damaged.
        """
        if name not in self._splits:
            if name not in self._layout.splits:
                there = ", ".join(self._layout.splits)
                raise DataError(f"{self.directory}: has no split {name!r} (there: {there}); give it samples in splits")
            self._splits[name] = Split(self.directory, name, self._layout)
        return self._splits[name]


def open(directory: Path) -> Shards:
    """The shards in a directory: `whole/` and `parts/`.

    Raises:
        DataError: when `data.json` breaks a rule.
        ArtifactError: when it is missing or no JSON.
    """
    return Shards(directory)


def cut(rows: NDArray[Any], starts: Integers) -> list[NDArray[Any]]:
    """Flat steps as a list of sequences, views: `starts` (samples + 1,) is where each begins and the last one ends."""
    edges = (starts - starts[0]).tolist()
    return [rows[begin:end] for begin, end in pairwise(edges)]


def steps_of(starts: Integers, indices: Integers) -> Integers:
    """The flat steps of the sequences at `indices`, one after the other: int64."""
    lengths = (starts[1:] - starts[:-1])[indices]
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    steps: Integers = np.arange(total, dtype=np.int64) + np.repeat(starts[:-1][indices] - (ends - lengths), lengths)
    return steps


def _numbers(runs: Integers) -> Integers:
    """The set number of each sample, from runs of (first, count, samples)."""
    first, count, samples = runs.T
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    numbers: Integers = np.repeat(np.repeat(first, count) + within, np.repeat(samples, count))
    return numbers


def _counts(labels: NDArray[Any], classes: int) -> NDArray[np.int64]:
    if labels.min() < 0 or labels.max() >= classes:
        return np.empty(0, np.int64)
    return np.bincount(labels.reshape(-1), minlength=classes)
