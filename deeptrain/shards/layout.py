"""`data.json`: which shards and sets there are, checked when it is read."""

import re
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, Self

import msgspec

from deeptrain.errors import DataError
from deeptrain.files import read_json
from deeptrain.shards.info import DataInfo

NAME = "data.json"
VERSION = 1
PART = re.compile(r"parts/(train|val|calibration|test)-[0-9]{5,9}")


def part(split: str, number: int) -> str:
    """Name of the shard `number` (from 1) of a split, to which ".x.npy", ".y.npy" and ".rows.npy" are added."""
    return f"parts/{split}-{number:05d}"


class Shard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shard: `name` + ".x.npy" holds `rows` samples."""

    name: str
    rows: int

    def __post_init__(self) -> None:
        """Refuse names that this code does not write, and with them every path out of the directory."""
        if not PART.fullmatch(self.name):
            raise ValueError(f"the shard name {self.name!r} is not of the form parts/train-00001")
        if self.rows < 1:
            raise ValueError(f"the shard {self.name} has {self.rows} rows")


class Sets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of sets of equal size: numbers `first` to `first + count - 1`, with `samples` samples each."""

    first: int
    count: int
    samples: int

    def __post_init__(self) -> None:
        """Numbers and sizes begin at 1."""
        if min(self.first, self.count, self.samples) < 1:
            raise ValueError(f"sets need a first number, a count and samples of at least 1, got {self}")


class SplitLayout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The shards and sets of a split; both in the order of its samples."""

    shards: tuple[Shard, ...]
    sets: tuple[Sets, ...]

    @property
    def rows(self) -> int:
        """Samples in all shards."""
        return sum(shard.rows for shard in self.shards)

    def __post_init__(self) -> None:
        """Sets and shards hold the same samples, and set numbers grow."""
        if sum(run.count * run.samples for run in self.sets) != self.rows:
            raise ValueError(f"the sets do not add up to the {self.rows} rows of the shards")
        if any(before.first + before.count > after.first for before, after in pairwise(self.sets)):
            raise ValueError("the set numbers do not grow")


class Layout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of `data.json`.

    Attributes:
        version: of the format; 1.
        info: see `DataInfo`.
        raw: names of the raw files, by raw file number, relative to the raw data's directory.
        splits: the splits that have samples.
    """

    version: int
    info: DataInfo
    raw: tuple[str, ...]
    splits: dict[str, SplitLayout]

    def __post_init__(self) -> None:
        """The parts fit together, and no name leads elsewhere."""
        for name in self.raw:
            path = PurePosixPath(name)
            if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in name or not name.isprintable():
                raise ValueError(f"the raw file name {name!r} is not relative to the raw data's directory")
        rows = {split: self.splits[split].rows if split in self.splits else 0 for split in self.info.samples}
        if rows != self.info.samples or set(self.splits) - set(rows):
            raise ValueError(f"the shards hold {rows} samples, info says {self.info.samples}")
        # JSON with sorted keys forgets the order of the splits
        ordered = {name: self.splits[name] for name in self.info.samples if name in self.splits}
        msgspec.structs.force_setattr(self, "splits", ordered)
        names = [shard.name for layout in self.splits.values() for shard in layout.shards]
        if len(set(names)) != len(names) or any(
            PurePosixPath(shard.name).name.split("-")[0] != split
            for split, layout in self.splits.items()
            for shard in layout.shards
        ):
            raise ValueError("a shard is named twice or in another split than its own")
        runs = sorted((run.first, run.count) for layout in self.splits.values() for run in layout.sets)
        if any(first + count > following for (first, count), (following, _) in pairwise(runs)):
            raise ValueError("a set number belongs to two splits")

    def plain(self) -> dict[str, Any]:
        """As dicts, lists, text and numbers, for JSON."""
        result: dict[str, Any] = msgspec.to_builtins(self)
        return result

    @classmethod
    def read(cls, directory: Path) -> Self:
        """What `data.json` in a directory of shards says.

        Raises:
            DataError: when it breaks a rule, or a newer version wrote it.
            ArtifactError: when it is missing or no JSON.
        """
        path = directory / NAME
        value = read_json(path)
        version = value.get("version") if isinstance(value, dict) else None
        if isinstance(version, int) and version > VERSION:
            raise DataError(f"{path}: is of version {version}, this deeptrain reads {VERSION}; use a newer one")
        if version != VERSION:
            raise DataError(f"{path}: describes no shards of version {VERSION}; make the shards again")
        try:
            return msgspec.convert(value, cls, strict=True)
        except msgspec.ValidationError as error:
            raise DataError(f"{path}: {error}; restore it or make the shards again") from error
