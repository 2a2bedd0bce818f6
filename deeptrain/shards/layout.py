"""`data.json`: which inputs, shards, sets and small arrays there are, checked when it is read.

It lies in `whole/`, beside the small arrays; the shards lie in `parts/0001/` to `parts/0064/`. Sizes are compared when
a file is first read, so that opening many shards costs one file.
"""

import re
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

import msgspec

from deeptrain.errors import DataError, said
from deeptrain.files import read_json
from deeptrain.shards.info import DataInfo
from deeptrain.shards.settings import ArrayDtype, Dtype

NAME = "data.json"
VERSION = 2
WHOLE = "whole"
PARTS = "parts"
MOST_PARTS = 64
BLOCK_BYTES = 1 << 20
LIMIT = 1 << 30
"""The most bytes a `data.json` may have: a million sets of different sizes fit many times."""

SHARD = re.compile(r"(train|val|calibration|test)-[0-9]{5,9}")
PART = re.compile(r"00[0-6][0-9]")
INPUT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
CHECK = re.compile(r"[0-9a-f]{16}")

Compression = Literal["lz4", "zstd"]


def shard_name(split: str, number: int) -> str:
    """Name of the shard `number` (from 1) of a split: "train-00001"."""
    return f"{split}-{number:05d}"


def part_name(number: int) -> str:
    """Name of the part `number` (from 1): "0001"."""
    return f"{number:04d}"


class InputLayout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one input of every sample is stored.

    Attributes:
        name: "x" where there is one only; part of the files' names.
        dtype: of the values.
        shape: of one sample, or of one step of a sequence.
        sequence: whether the number of steps differs from sample to sample.
    """

    name: str
    dtype: Dtype
    shape: tuple[int, ...]
    sequence: bool = False

    def __post_init__(self) -> None:
        """Refuse names that lead elsewhere and axes without values."""
        if not INPUT.fullmatch(self.name):
            raise ValueError(f"an input's name must be letters, digits and _, at most 64, got {self.name!r}")
        if any(axis < 1 for axis in self.shape):
            raise ValueError(f"shape of {self.name} must have axes of at least 1, got {list(self.shape)}")

    def file(self, shard: str, compression: Compression | None) -> str:
        """Name of the file of a shard, in its part."""
        return f"{shard}.{self.name}.{'npy' if compression is None else 'blocks'}"


class Shard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shard: `samples` consecutive samples of a split, in the directory `parts/PART`."""

    name: str
    part: str
    samples: int

    def __post_init__(self) -> None:
        """Refuse names that this code does not write, and with them every path out of the directory."""
        if not SHARD.fullmatch(self.name):
            raise ValueError(f"the shard name {self.name!r} is not of the form train-00001")
        if not PART.fullmatch(self.part) or not 1 <= int(self.part) <= MOST_PARTS:
            raise ValueError(f"the part {self.part!r} of {self.name} is not of the form 0001, up to {MOST_PARTS:04d}")
        if self.samples < 1:
            raise ValueError(f"the shard {self.name} has {self.samples} samples")


class Sets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of sets of equal size: numbers `first` to `first + count - 1`, with `samples` samples each."""

    first: int
    count: int
    samples: int

    def __post_init__(self) -> None:
        """Sizes begin at 1, numbers at 0: raw files are counted from either."""
        if self.first < 0 or min(self.count, self.samples) < 1:
            raise ValueError(f"sets need a first number of at least 0, a count and samples of at least 1, got {self}")


class SplitLayout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The shards and sets of a split; both in the order of its samples."""

    shards: tuple[Shard, ...]
    sets: tuple[Sets, ...]

    @property
    def samples(self) -> int:
        """In all shards."""
        return sum(shard.samples for shard in self.shards)

    def __post_init__(self) -> None:
        """Sets and shards hold the same samples, and set numbers grow."""
        if sum(run.count * run.samples for run in self.sets) != self.samples:
            raise ValueError(f"the sets do not add up to the {self.samples} samples of the shards")
        if any(before.first + before.count > after.first for before, after in pairwise(self.sets)):
            raise ValueError("the set numbers do not grow")


class SmallArray(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A small array in `whole/`, as `NAME.npy`.

    Attributes:
        dtype: NumPy's name of it.
        shape: of the whole array.
        xxh3: of its bytes without the header: 16 hex digits.
    """

    dtype: ArrayDtype
    shape: tuple[int, ...]
    xxh3: str

    def __post_init__(self) -> None:
        """Refuse what no array has."""
        if not 1 <= len(self.shape) <= 8 or any(axis < 0 for axis in self.shape) or not CHECK.fullmatch(self.xxh3):
            raise ValueError(f"no array has the shape {list(self.shape)} and the xxh3 {self.xxh3!r}")


class Layout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of `data.json`.

    Attributes:
        version: of the format; 2.
        info: see `DataInfo`.
        raw: names of the raw files, by raw file number, relative to the raw data's directory.
        inputs: how each input is stored, in the order of `info.inputs`.
        block_bytes: the most bytes of a block of more than one sample, all inputs together.
        compression: of blocks; None where they are plain `.npy`.
        splits: the splits that have samples.
        arrays: the small arrays in `whole/`, by name ("train.labels"); filled in by `writing.write_whole`.
    """

    version: int = VERSION
    info: DataInfo
    raw: tuple[str, ...]
    inputs: tuple[InputLayout, ...]
    block_bytes: int = BLOCK_BYTES
    compression: Compression | None = None
    splits: dict[str, SplitLayout]
    arrays: dict[str, SmallArray] = {}

    def __post_init__(self) -> None:
        """The parts fit together, and no name leads elsewhere."""
        for name in self.raw:
            path = PurePosixPath(name)
            if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in name or not name.isprintable():
                raise ValueError(f"the raw file name {name!r} is not relative to the raw data's directory")
        if self.block_bytes < 1:
            raise ValueError(f"block_bytes must be at least 1, got {self.block_bytes}")
        told = [(one.name, one.shape, one.dtype) for one in self.info.inputs]
        stored = [(one.name, (None,) * one.sequence + one.shape, one.dtype) for one in self.inputs]
        if told != stored:
            raise ValueError(f"the inputs are stored as {stored}, info says {told}")
        if self.info.per_step and not self.info.sequences:
            raise ValueError("labels are one a step of sequences, but no input is a sequence")
        samples = {split: self.splits[split].samples if split in self.splits else 0 for split in self.info.samples}
        if samples != self.info.samples or set(self.splits) - set(samples):
            raise ValueError(f"the shards hold {samples} samples, info says {self.info.samples}")
        # JSON with sorted keys forgets the order of the splits
        ordered = {name: self.splits[name] for name in self.info.samples if name in self.splits}
        msgspec.structs.force_setattr(self, "splits", ordered)
        names = [shard.name for layout in self.splits.values() for shard in layout.shards]
        if len(set(names)) != len(names) or any(
            shard.name.split("-")[0] != split for split, layout in self.splits.items() for shard in layout.shards
        ):
            raise ValueError("a shard is named twice or in another split than its own")

    def plain(self) -> dict[str, Any]:
        """As dicts, lists, text and numbers, for JSON."""
        return {**msgspec.to_builtins(self), "info": self.info.plain()}

    @classmethod
    def read(cls, directory: Path) -> Self:
        """What `whole/data.json` in a directory of shards says.

        Raises:
            DataError: when it breaks a rule, or a newer version wrote it.
            ArtifactError: when it is missing or no JSON.
        """
        path = directory / WHOLE / NAME
        value = read_json(path, LIMIT)
        version = value.get("version") if isinstance(value, dict) else None
        if isinstance(version, int) and version > VERSION:
            raise DataError(f"{path}: is of version {version}, this deeptrain reads {VERSION}; use a newer one")
        if version != VERSION:
            raise DataError(f"{path}: describes no shards of version {VERSION}; make the shards again")
        try:
            return msgspec.convert(value, cls, strict=True)
        except msgspec.ValidationError as error:
            raise DataError(f"{path}: {said(error)}; restore it or make the shards again") from error
