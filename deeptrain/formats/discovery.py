"""From a path alone to a raw data set: its files by their names, then its sets, inputs and labels by their headers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deeptrain.formats.data import RawData
from deeptrain.formats.format import Format


@dataclass(frozen=True)
class Found:
    """What names of files tell: nothing was opened.

    Attributes:
        path: what was asked for.
        format: of the data files.
        files: in natural order; of folders of classes, folder by folder.
        labels: files of labels apart, in natural order; empty if there are none.
        classes: names of the folders the files lie in, if each is a class; else ().
    """

    path: Path
    format: Format
    files: tuple[Path, ...]
    labels: tuple[Path, ...]
    classes: tuple[str, ...]


def find(
    path: Path,
    *,
    format: str | None = None,
    loader: str | Callable[[Path], Any] | None = None,
    beside: Path | None = None,
    labels: str | Path | None = None,
    label_column: str | None = None,
) -> Found:
    """The files of a data set and of its labels, without NumPy and without opening one; arguments as for `open`.

    Raises:
        DataError: when nothing is there, formats are mixed, an entry is no plain file, or labels may be in several
            places.
    """
    raise NotImplementedError


def open(
    path: Path,
    *,
    format: str | None = None,
    loader: str | Callable[[Path], Any] | None = None,
    beside: Path | None = None,
    labels: str | Path | None = None,
    label_column: str | None = None,
    label_names: str | None = None,
    group: str | None = None,
    inputs: Sequence[str] | None = None,
    ignored: Sequence[str] = (),
    rows: Literal["samples", "sets"] | None = None,
    keys: Literal["inputs", "sets"] | None = None,
    set_number: int | Literal["none"] | None = None,
    features: int | None = None,
    mode: str | None = None,
) -> RawData:
    """The raw data set at `path`; what is not said is inferred, and an ambiguity is an error that names the candidates.

    Args:
        path: a file, a directory of files of one format, or a directory of folders, one a class.
        format: its name ("npy", "csv", ...); None tells it by the extensions.
        loader: a function, or "module:function", called with the path of a file, that gives an array (samples, ...),
            a list of arrays (sequences of different lengths), or a mapping of names to such.
        beside: directory where the loader's module is looked for first.
        labels: a file or directory of labels, relative to nothing but the working directory; "none", "input" (the
            samples themselves), "folder" or "column"; None looks for them.
        label_column: the column (or key) of labels: of the data, or of the files that `labels` names.
        label_names: in a table of labels, the column that names the file of a sample.
        group: a column of the data of what must not be split (a person); no input.
        inputs: names of the arrays, keys or columns that are inputs; None: all that are nothing else.
        ignored: columns or keys that are left out.
        rows: whether the first axis of the arrays of one file counts samples or sets of samples.
        keys: whether the arrays of one file are the inputs of a sample, or sets.
        set_number: which run of digits in a name is the set number, 1 the first; "none": names have none.
        features: number of columns of svmlight files.
        mode: of images, into which all are converted ("RGB", "L").

    Raises:
        DataError: naming what is wrong, missing or ambiguous.
    """
    raise NotImplementedError
