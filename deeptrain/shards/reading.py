"""Reading shards: samples by index, mapped into memory, each with its label, set number and origin."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError
from deeptrain.shards import npy
from deeptrain.shards.info import DataInfo
from deeptrain.shards.layout import Layout, SplitLayout


class Split:
    """The samples of one split, by index 0 to len - 1. Sizes and headers of all files are checked when it is made.

    Attributes:
        name: "train", "val", "calibration" or "test".
        info: of the whole data.
        labels: (samples,) uint8 for binary labels, int64 for classes, float32 for values; read-only.
        rows: (samples, 3) int64, read-only: set number, raw file number, row in the raw file.
    """

    def __init__(self, directory: Path, name: str, layout: Layout) -> None:
        """Check the files of a split and read all but the samples.

        Raises:
            DataError: naming the first file that is missing, too short, too long, or of another shape.
        """
        self.name = name
        self.info = layout.info
        self._raw = layout.raw
        self._shards: list[NDArray[Any]] = []
        described = layout.splits[name]
        labels, rows = [], []
        for shard in described.shards:
            shape = (shard.rows, *self.info.shape)
            self._shards.append(npy.mapped(directory / f"{shard.name}.x.npy", np.dtype(self.info.dtype), shape))
            labels.append(npy.loaded(directory / f"{shard.name}.y.npy", np.dtype(self.info.label_dtype), shape[:1]))
            rows.append(npy.loaded(directory / f"{shard.name}.rows.npy", np.dtype(np.int64), (shard.rows, 3)))
        self._starts = np.cumsum([0, *(shard.rows for shard in described.shards)])
        self.labels: NDArray[Any] = np.concatenate(labels)
        self.rows: NDArray[np.int64] = np.concatenate(rows)
        self.labels.setflags(write=False)
        self.rows.setflags(write=False)
        self._check(directory, described)

    def __len__(self) -> int:
        """Number of samples."""
        return int(self._starts[-1])

    @property
    def sets(self) -> NDArray[np.int64]:
        """(samples,) the set number of each sample; a set's samples are next to each other."""
        return self.rows[:, 0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return self.info.shape

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples."""
        return np.dtype(self.info.dtype)

    def take(self, indices: NDArray[np.integer[Any]], out: NDArray[Any] | None = None) -> NDArray[Any]:
        """The samples at `indices`, in their order: (len(indices), *shape).

        Args:
            indices: (n,) whole numbers from 0 to len - 1; repeated ones are repeated.
            out: an array of that shape and the split's dtype, C order, to be filled and returned.

        Raises:
            IndexError: for an index that is out of range.
            TypeError: for indices that are no whole numbers.
            ValueError: for an `out` of another shape, dtype or order.
        """
        indices = np.asarray(indices)
        if indices.ndim != 1 or indices.dtype.kind not in "iu":
            raise TypeError(f"indices must be whole numbers on one axis, got {indices.dtype} {indices.shape}")
        wanted = (len(indices), *self.shape)
        if out is None:
            out = np.empty(wanted, self.dtype)
        elif out.shape != wanted or out.dtype != self.dtype or not out.flags.c_contiguous:
            raise ValueError(f"out must be a C array of {wanted} {self.dtype}, got {out.shape} {out.dtype}")
        if not len(indices):
            return out
        low, high = int(indices.min()), int(indices.max())
        if low < 0 or high >= len(self):
            raise IndexError(f"{self.name} has samples 0 to {len(self) - 1}, asked for {low if low < 0 else high}")
        # mode="clip" lets NumPy write into `out` without a second buffer; the range was checked above
        first, last = np.searchsorted(self._starts, [low, high], side="right") - 1
        if first == last:
            return np.take(self._shards[first], indices - self._starts[first], axis=0, out=out, mode="clip")
        shard_of = np.searchsorted(self._starts, indices, side="right") - 1
        for number in range(first, last + 1):
            chosen = np.flatnonzero(shard_of == number)
            if chosen.size:
                out[chosen] = self._shards[number][indices[chosen] - self._starts[number]]
        return out

    def raw(self, index: int) -> tuple[str, int]:
        """Where a sample comes from: name of the raw file, relative to the raw data, and row in it (from 0)."""
        _, file, row = self.rows[index].tolist()
        return self._raw[file], row

    def _check(self, directory: Path, described: SplitLayout) -> None:
        """Labels and rows must agree with `data.json`."""
        sets = np.concatenate(
            [np.repeat(np.arange(run.first, run.first + run.count), run.samples) for run in described.sets]
        )
        if not np.array_equal(sets, self.sets):
            raise DataError(f"{directory}: the set numbers of {self.name} are not those of data.json; make it again")
        files = self.rows[:, 1]
        if files.min() < 0 or files.max() >= len(self._raw) or self.rows[:, 2].min() < 0:
            raise DataError(f"{directory}: {self.name} names raw files that are not in data.json; make it again")
        counts = self.info.label_counts[self.name]
        if counts and not np.array_equal(_counts(self.labels, len(counts)), counts):
            raise DataError(f"{directory}: the labels of {self.name} are not those counted in data.json; make it again")


class Shards:
    """An opened directory of shards. Made by `open`; a split's files are opened when it is first asked for."""

    def __init__(self, directory: Path) -> None:
        """Read `data.json`."""
        self.directory = directory
        self._layout = Layout.read(directory)
        parts = directory / "parts"
        if parts.resolve() != directory.resolve() / "parts":
            raise DataError(f"{parts}: is a link to {parts.resolve()}; shards must lie in their directory")
        self._splits: dict[str, Split] = {}

    @property
    def info(self) -> DataInfo:
        """What is known of the data."""
        return self._layout.info

    @property
    def raw_names(self) -> tuple[str, ...]:
        """Names of the raw files, by raw file number."""
        return self._layout.raw

    def split(self, name: str) -> Split:
        """The samples of "train", "val", "calibration" or "test".

        Raises:
            DataError: when there is no such split, or a file of it is damaged.
        """
        if name not in self._splits:
            if name not in self._layout.splits:
                there = ", ".join(self._layout.splits)
                raise DataError(f"{self.directory}: has no split {name!r} (there: {there}); give it samples in splits")
            self._splits[name] = Split(self.directory, name, self._layout)
        return self._splits[name]


def open(directory: Path) -> Shards:
    """The shards in a directory that `conversion.convert` wrote.

    Raises:
        DataError: when `data.json` breaks a rule.
        ArtifactError: when it is missing or no JSON.
    """
    return Shards(directory)


def _counts(labels: NDArray[Any], classes: int) -> NDArray[np.int64]:
    if labels.min() < 0 or labels.max() >= classes:
        return np.empty(0, np.int64)
    return np.bincount(labels, minlength=classes)
