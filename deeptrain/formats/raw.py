"""Raw data at a path: its files, its columns, its rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeptrain.errors import DataError
from deeptrain.formats import inference
from deeptrain.formats.cells import listed
from deeptrain.formats.format import Table, Tabular

if TYPE_CHECKING:  # a plan asks for the files and must not load NumPy for it
    import numpy as np


@dataclass(frozen=True)
class Raw:
    """Raw files of one format with the same columns. Made by `open`.

    Attributes:
        path: the file or directory that was opened.
        format: what reads the files.
        files: the files in natural order; a raw file's *number* is its index here.
        columns: names of the columns, the same in every file.
    """

    path: Path
    format: Tabular
    files: tuple[Path, ...]
    columns: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files, relative to the path, the same on every machine."""
        return tuple(file.name for file in self.files)

    def tables(self, dtype: "np.dtype[Any]", text: Sequence[str] = (), ignored: Sequence[str] = ()) -> Iterator[Table]:
        """The rows of each file in turn; see `Format.read`."""
        for file in self.files:
            yield self.format.read(file, dtype, text, ignored)

    def place(self, file: int, row: int) -> str:
        """Name of a raw file and where in it a row is, for messages: "digits/digits-2.csv: line 7"."""
        return f"{self.files[file]}: {self.format.place(self.files[file], row)}"


def files(path: Path, format: str | None = None, without: Iterable[Path] = ()) -> tuple[Path, ...]:
    """The raw files at `path` in natural order, found without opening one and without NumPy.

    Args:
        path: a file, or a directory of files of one format.
        format: "csv" or "tsv"; None tells it by the extensions.
        without: files or directories at `path` that are no raw data, such as labels.

    Raises:
        DataError: when nothing is there, formats are mixed, or an entry is no plain file.
    """
    return inference.find(path, format, without)[1]


def open(path: Path, format: str | None = None, without: Iterable[Path] = ()) -> Raw:
    """The raw data at `path`, arguments as for `files`; each file's beginning is read for its columns.

    Raises:
        DataError: as `files`, and when a file has no columns or other ones than the first.
    """
    kind, found = inference.find(path, format, without)
    first = kind.columns(found[0])
    for file in found[1:]:
        columns = kind.columns(file)
        if columns != first:
            raise DataError(
                f"{file}: {_difference(columns, first)} {found[0].name}; all raw files need the same columns"
            )
    return Raw(path, kind, found, first)


def _difference(columns: tuple[str, ...], first: tuple[str, ...]) -> str:
    missing = [name for name in first if name not in set(columns)]
    extra = [name for name in columns if name not in set(first)]
    if not missing and not extra:
        return "has the columns in another order than"
    told = [f"{verb} {listed(names, 4)}" for verb, names in (("misses", missing), ("adds", extra)) if names]
    return f"{' and '.join(told)} compared with the columns of"
