"""A raw data set as one object, whatever its layout: its sets, its inputs, where its labels are, its samples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from deeptrain.formats.format import Field, Format

if TYPE_CHECKING:  # a plan imports this file and must not load NumPy for it
    import numpy as np
    from numpy.typing import NDArray

    Cells = Sequence[str] | NDArray[Any]
    """One a sample: stripped words as they are in a text file, or (samples, *shape) numbers."""


@dataclass(frozen=True)
class RawSet:
    """The unit with a number: a file, a key of a file, or (number None) files of one sample each.

    Attributes:
        number: the set number, None where nothing names one.
        name: for people: the file's name, or the key.
        file: number of its file in `RawData.files`; of its first one if it has several.
        first: row in the file of its first sample (keys of a file count on, in order).
        samples: how many, None when only reading it all tells.
        key: the key or column in the file, None where the whole file is the set.
        files: how many consecutive files it has; more than 1 only where a file is one sample.
    """

    number: int | None
    name: str
    file: int
    first: int
    samples: int | None
    key: str | None = None
    files: int = 1


@dataclass(frozen=True)
class LabelSource:
    """Where the labels are.

    Attributes:
        kind: "none"; "column" of the data files (a key, too); "apart" in files of their own; "folder" that a file
            lies in; "input", the samples themselves.
        column: the column or key, None if it needs no name.
        format: of the files apart, else None.
        files: of labels apart, in natural order.
        by: how labels apart find their samples: "number" of the set (keys, columns or files), "order", or the
            "name" of the sample's file in a column `names`.
        names: the column of file names.
        classes: the folders, in natural order.
    """

    kind: Literal["none", "column", "apart", "folder", "input"]
    column: str | None = None
    format: Format | None = None
    files: tuple[Path, ...] = ()
    by: Literal["number", "order", "name"] | None = None
    names: str | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RawChunk:
    """Consecutive samples of one set.

    Attributes:
        inputs: by name (samples, *shape), of a sequence the steps of all samples, (steps, *shape[1:]).
        lengths: of each sequence (samples,) int64.
        labels: one a sample, None where `LabelSource.kind` is "none" or "input".
        groups: one word a sample, None where no group column was named.
        origin: (samples, 3) int64: index of the set in `RawData.sets`, raw file number, row in the raw file.
    """

    inputs: "Mapping[str, NDArray[Any]]"
    lengths: "Mapping[str, NDArray[np.int64]]"
    labels: "Cells | None"
    groups: Sequence[str] | None
    origin: "NDArray[np.int64]"

    @property
    def samples(self) -> int:
        """How many samples it has."""
        return len(self.origin)


@dataclass(frozen=True)
class RawData:
    """Raw files of one format that together are one data set. Made by `discovery.open`.

    Samples are numbered from 0 over all sets in order.

    Attributes:
        path: the file or directory that was opened.
        format: what reads the files.
        files: in natural order; a raw file's *number* is its index here.
        inputs: what a sample is made of; the feature columns of a table are one input "x" of shape (columns,).
        columns: names of a table's features, else ().
        sets: in the order of their numbers.
        labels: where the labels are.
        group: the column of groups, or None.
        notes: what a user should be told: missing set numbers, labels without data.
    """

    path: Path
    format: Format
    files: tuple[Path, ...]
    inputs: tuple[Field, ...]
    columns: tuple[str, ...]
    sets: tuple[RawSet, ...]
    labels: LabelSource
    group: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files relative to the path, with "/", the same on every machine."""
        root = self.path if self.path.is_dir() else self.path.parent
        return tuple(file.relative_to(root).as_posix() for file in self.files)

    @property
    def samples(self) -> int | None:
        """How many there are, None when only reading it all tells (text)."""
        raise NotImplementedError

    @property
    def random_access(self) -> bool:
        """Whether `take` works: samples can be read in any order, without reading those before them."""
        raise NotImplementedError

    def chunks(self, rows: int, dtype: str | None = None) -> Iterator[RawChunk]:
        """All samples in order, at most `rows` at once, in bounded memory; chunks never cross sets.

        Args:
            rows: most samples of a chunk.
            dtype: of the inputs, None for each as it is stored. Numbers are checked: finite, and held exactly by a
                whole-number dtype.

        Raises:
            DataError: naming file and place of what cannot be read or does not fit.
        """
        raise NotImplementedError

    def label_cells(self) -> "Cells | None":
        """The labels of all samples in order, without reading the inputs where the format allows it.

        Raises:
            DataError: when a set or a sample has none, or there are more or fewer than samples.
        """
        raise NotImplementedError

    def group_cells(self) -> list[str] | None:
        """The group of each sample in order, None without a group column."""
        raise NotImplementedError

    def take(self, indices: "NDArray[np.int64]", out: "Mapping[str, NDArray[Any]]") -> None:
        """Put the samples of these numbers into `out`: for each input (len(indices), *shape). See `random_access`.

        Raises:
            DataError: naming file and place of a number that is not finite or does not fit the dtype of `out`.
        """
        raise NotImplementedError

    def place(self, file: int, row: int) -> str:
        """Name of a raw file and where in it a row is, for messages: "digits/digits-2.csv: line 7"."""
        raise NotImplementedError
