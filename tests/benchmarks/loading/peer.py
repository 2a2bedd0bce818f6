"""What a system must offer to be measured, and which systems there are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from tests.benchmarks.loading.dataset import Dataset

Pair = tuple[np.ndarray, np.ndarray]
"""x: (samples, *shape) and y: (samples,) integers."""


class Peer(Protocol):
    """A way from samples on disk to batches in memory, as its own documentation recommends it on one machine.

    Each lives in a file of its own, as `PEER`, and is imported only in the process that is measured.

    Attributes:
        orders: the orders it offers, of "sequential", "shuffled" (the way it shuffles what is larger than memory) and
            "samples" (every sample across the whole data set), with how it does so in a few words.
    """

    orders: Mapping[str, str]

    def prepare(self, dataset: Dataset, directory: Path, batches: Sequence[int]) -> None:
        """Write the samples into the empty `directory` in its own format, uncompressed, shards of 64 MiB.

        Args:
            dataset: the samples, in this order.
            directory: takes all it needs later.
            batches: the batch sizes that will be asked for, should it store one file a batch.
        """
        ...

    def open(self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int) -> Iterator[Pair]:
        """The batches of one epoch; nothing was opened before this is called."""
        ...


class Resumable(Peer, Protocol):
    """A peer that can go on from the middle of an epoch without reading what came before.

    Attributes:
        resumes: the orders in which it can.
    """

    resumes: Sequence[str]

    def save(self, stream: Iterator[Pair], directory: Path) -> None:
        """Write where an iterator stands, that `open` returned, into the empty `directory`."""
        ...

    def resume(
        self, dataset: Dataset, directory: Path, order: str, batch: int, seed: int, saved: Path
    ) -> Iterator[Pair]:
        """The batches that were still to come when `save` wrote into the directory `saved`."""
        ...


@dataclass(frozen=True)
class System:
    """A peer by name, known without importing it.

    Attributes:
        name: short, as arguments and directories have it.
        title: as tables have it.
        module: of this package, holding `PEER`.
        packages: to be installed into an environment of its own, pinned by pyproject.toml; none: it runs in ours.
        raw: whether it is the limit that others are compared with.
        own: whether it is deeptrain, whose copy is written anew in each run, as its format may have changed.
        timed: whether it is in the tables of speed, or only asked how well it mixes.
    """

    name: str
    title: str
    module: str
    packages: tuple[str, ...] = ()
    raw: bool = False
    own: bool = False
    timed: bool = True


SYSTEMS: tuple[System, ...] = (
    System("raw", "raw read, buffered", "raw_buffered", raw=True),
    System("raw-direct", "raw read, O_DIRECT, 4 in flight", "raw_direct", raw=True),
    System("deeptrain", "deeptrain", "ours", own=True),
    System("deeptrain-many", "deeptrain, 10,000 shards", "ours_many", own=True),
    System("deeptrain-mixed", "deeptrain, shuffled when converted", "ours_mixed", own=True, timed=False),
    System("npy", "np.load, one file a batch", "npy_files"),
    System("tfrecord", "tf.data + TFRecord", "tf_records"),
    System("grain", "Grain + ArrayRecord", "grain_records", ("grain", "array-record")),
    System("huggingface", "Hugging Face datasets", "hugging_face", ("datasets",)),
    System("webdataset", "WebDataset", "web_dataset", ("webdataset",)),
    System("mosaic", "MosaicML streaming", "mosaic", ("mosaicml-streaming", "torch")),
    System("tensorstore", "TensorStore (zarr3)", "tensor_store", ("tensorstore",)),
)


def chosen(names: Sequence[str]) -> tuple[System, ...]:
    """The systems of these names, in the order of the list.

    Raises:
        ValueError: for a name that is not in it.
    """
    known = [system.name for system in SYSTEMS]
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"no system is called {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(system for system in SYSTEMS if system.name in names)
