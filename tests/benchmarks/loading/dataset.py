"""The samples every system is measured on, as plain `.npy` files: what is written once and copied into each format.

A directory holds

    dataset.json   name, rows, shape, dtype
    x.npy          (rows, *shape), data at byte 4096, so that it can be read past the page cache
    y.npy          (rows,) int64: ten classes, sorted, the worst that a shuffled order can meet
    digests.npy    (rows,) uint64: xxh3_64 of each sample's bytes followed by its label's
"""

import json
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import xxhash

CLASSES = 10
HEADER = 4096
KINDS: dict[str, tuple[tuple[int, ...], str]] = {"floats": ((1024,), "float32"), "images": ((64, 64, 3), "uint8")}
"""`floats`: standard normal, so nothing compresses. `images`: uint8, smooth with noise, so compression gains little."""


@dataclass(frozen=True)
class Dataset:
    """Samples on disk."""

    directory: Path
    name: str
    rows: int
    shape: tuple[int, ...]
    dtype: str

    @property
    def sample_bytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def bytes(self) -> int:
        """Of all inputs, labels not counted."""
        return self.rows * self.sample_bytes

    @property
    def path(self) -> Path:
        return self.directory / "x.npy"

    @property
    def x(self) -> np.ndarray:
        """(rows, *shape), mapped."""
        return np.load(self.path, mmap_mode="r", allow_pickle=False)

    @property
    def y(self) -> np.ndarray:
        return np.load(self.directory / "y.npy", allow_pickle=False)

    @property
    def digests(self) -> np.ndarray:
        return np.load(self.directory / "digests.npy", allow_pickle=False)

    def chunks(self, size: int = 64 << 20) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """First row, x and y of runs of at most `size` bytes, as all systems cut their shards."""
        rows = max(1, size // self.sample_bytes)
        x, y = self.x, self.y
        for first in range(0, self.rows, rows):
            yield first, np.asarray(x[first : first + rows]), y[first : first + rows]


def digest_rows(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """xxh3_64 of each sample with its label, (samples,) uint64."""
    rows = np.ascontiguousarray(x).reshape(len(x), -1).view(np.uint8)
    labels = np.ascontiguousarray(y, np.int64)
    result = np.empty(len(x), np.uint64)
    for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
        result[number] = xxhash.xxh3_64_intdigest(row, int(label))
    return result


def make(name: str, size: int, directory: Path) -> Dataset:
    """Write about `size` bytes of samples, or find them written."""
    shape, dtype = KINDS[name]
    rows = max(CLASSES * 8, size // (math.prod(shape) * np.dtype(dtype).itemsize))
    dataset = Dataset(directory, name, rows, shape, dtype)
    if (directory / "dataset.json").exists() and load(directory) == dataset:
        return dataset
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.Generator(np.random.Philox(1))
    y = np.arange(rows, dtype=np.int64) * CLASSES // rows
    digests = np.empty(rows, np.uint64)
    with dataset.path.open("wb") as file:
        file.write(_header(dtype, (rows, *shape)))
        step = max(1, (16 << 20) // dataset.sample_bytes)
        for first in range(0, rows, step):
            count = min(step, rows - first)
            x = _floats(rng, count, shape) if name == "floats" else _images(rng, count)
            digests[first : first + count] = digest_rows(x, y[first : first + count])
            file.write(x.data)
    np.save(directory / "y.npy", y)
    np.save(directory / "digests.npy", digests)
    described = {key: value for key, value in asdict(dataset).items() if key != "directory"}
    (directory / "dataset.json").write_text(json.dumps(described))
    os.sync()
    return dataset


def load(directory: Path) -> Dataset:
    """The samples that `make` wrote."""
    value = json.loads((directory / "dataset.json").read_text())
    return Dataset(directory, value["name"], value["rows"], tuple(value["shape"]), value["dtype"])


def _floats(rng: np.random.Generator, count: int, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal((count, *shape), np.float32)


def _images(rng: np.random.Generator, count: int) -> np.ndarray:
    coarse = rng.integers(0, 256, (count, 8, 8, 3), np.uint8).astype(np.int16).repeat(8, axis=1).repeat(8, axis=2)
    return np.clip(coarse + rng.integers(-2, 3, coarse.shape, np.int16), 0, 255).astype(np.uint8)


def _header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """A `.npy` header padded to 4096 bytes."""
    fields = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    length = HEADER - 10
    return b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + repr(fields).encode().ljust(length - 1) + b"\n"
