"""CSV and TSV: numbers (and words in columns named as text), one sample a line, parsed by `pyarrow.csv`.

Accepted: UTF-8 with or without a byte order mark, lines ending in LF or CRLF, cells in double quotes, blank lines
(ignored). A first line without a number is the header; a first line of numbers only is a sample, and the columns are
then named by their number, "0", "1", ...; a header may number some columns if it counts them up ("0", "1", "label").

pyarrow is fast and its errors name no line. So what it refuses, or what it reads as not finite, is looked for again
by the standard library's reader, cell by cell, only to say where it is.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from deeptrain.errors import DataError
from deeptrain.formats import cells
from deeptrain.formats.format import Table

if TYPE_CHECKING:  # a plan imports this file and must not load NumPy for it
    import numpy as np

BLOCK = 1 << 24  # bytes that pyarrow parses at once; a line must fit into it
SNIFFED = 1 << 16


@dataclass(frozen=True)
class Header:
    """Names of the columns and the number of physical lines they take; 0 where the file has no header."""

    columns: tuple[str, ...]
    lines: int


@dataclass(frozen=True)
class Delimited:
    """Text files of one row a line and cells between delimiters; a `Format`."""

    name: str
    extensions: tuple[str, ...]
    delimiter: str

    def columns(self, path: Path) -> tuple[str, ...]:
        """Names of the columns, from the first line that is not blank."""
        return self._header(path).columns

    def read(self, path: Path, dtype: "np.dtype[Any]", text: Sequence[str] = (), ignored: Sequence[str] = ()) -> Table:
        """All rows; see `Format.read`. Whole-number dtypes take whole numbers only ("3", not "3.0")."""
        import numpy as np
        import pyarrow
        from pyarrow import csv as parser

        header = self._header(path)
        number = pyarrow.int64() if dtype.kind in "iu" else pyarrow.float64()
        kinds = {name: None if name in text else dtype for name in header.columns if name not in ignored}
        types = {name: number if kind else pyarrow.string() for name, kind in kinds.items()}
        try:
            table = parser.read_csv(
                path,
                parser.ReadOptions(column_names=list(header.columns), skip_rows=header.lines, block_size=BLOCK),
                parser.ParseOptions(delimiter=self.delimiter),
                parser.ConvertOptions(
                    column_types=types, include_columns=list(types), null_values=[], strings_can_be_null=False
                ),
            )
        except pyarrow.ArrowInvalid as error:
            self._complain(path, header, kinds, f"is no {self.name}: {' '.join(str(error).split())[:200]}")
        if table.num_rows == 0:
            raise DataError(f"{path}: no samples: it has a header and no rows")
        numeric = [name for name, kind in kinds.items() if kind]
        values = np.empty((table.num_rows, len(numeric)), dtype)
        for index, name in enumerate(numeric):
            column = table.column(name).to_numpy()
            # what overflows here becomes infinite, or another number for whole ones, and is found below
            with np.errstate(over="ignore"):
                values[:, index] = column
            fits = np.isfinite(values[:, index]).all() if dtype.kind == "f" else (values[:, index] == column).all()
            if not fits:
                self._complain(path, header, kinds, f"column {name!r} does not fit dtype {dtype.name}")
        columns = {name: [cell.strip() for cell in table.column(name).to_pylist()] for name in text}
        if any(cells.is_missing(cell) for column in columns.values() for cell in set(column)):
            self._complain(path, header, kinds, "a text column has missing values")
        return Table(values, columns)

    def place(self, path: Path, row: int) -> str:
        """The line of row `row`; reads the file up to there."""
        samples = -1 if self._header(path).lines else 0
        for line, _ in self._rows(path):
            if samples == row:
                return f"line {line}"
            samples += 1
        return f"row {row}"

    def _rows(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        # bytes that are no UTF-8 become lone surrogates, so that the line they are on can be named
        try:
            with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                if "\0" in file.read(SNIFFED):
                    raise DataError(f"{path}: is no {self.name}: it is binary (has zero bytes), not UTF-8 text")
                file.seek(0)
                reader = csv.reader(file, delimiter=self.delimiter)
                for row in reader:
                    if any("\udc80" <= letter <= "\udcff" for cell in row if not cell.isascii() for letter in cell):
                        raise DataError(f"{path}: line {reader.line_num}: is not UTF-8 text; save the file as UTF-8")
                    if row:
                        yield reader.line_num, row
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        except csv.Error as error:
            raise DataError(f"{path}: is no {self.name}: line {reader.line_num}: {error}") from error

    def _header(self, path: Path) -> Header:
        line, first = next(self._rows(path), (0, []))
        names = [cell.strip() for cell in first]
        if not names:
            raise DataError(f"{path}: no samples: the file is empty")
        numeric = [cells.is_numeric(name) for name in names]
        if all(numeric):
            return Header(tuple(map(str, range(len(names)))), 0)
        counted = [name for name, is_number in zip(names, numeric, strict=True) if is_number]
        if counted and counted not in [[str(start + i) for i in range(len(counted))] for start in (0, 1)]:
            raise DataError(
                f"{path}: line {line}: mixes numbers and words ({cells.shown(counted[0])}, "
                f"{cells.shown(names[numeric.index(False)])}): sample or header? Put a line of names first"
            )
        for index, name in enumerate(names):
            if not name:
                raise DataError(f"{path}: line {line}: column {index + 1} of {len(names)} has no name; name it")
            if name in names[:index]:
                raise DataError(f"{path}: line {line}: two columns are named {cells.shown(name)}; rename one")
        return Header(tuple(names), line)

    def _complain(
        self, path: Path, header: Header, kinds: "Mapping[str, np.dtype[Any] | None]", otherwise: str
    ) -> NoReturn:
        """Raise for the first cell at fault, or with `otherwise` where the standard library's reader finds none."""
        for line, row in self._rows(path):
            if line <= header.lines:
                continue
            if len(row) != len(header.columns):
                raise DataError(
                    f"{path}: line {line}: has {len(row)} cells where the first line has {len(header.columns)}; "
                    f"is the file cut off or a cell missing?"
                )
            for name, cell in zip(header.columns, row, strict=True):
                fault = _fault(cell.strip(), kinds[name]) if name in kinds else ""
                if fault:
                    raise DataError(f"{path}: line {line}, column {cells.shown(name)}: {fault}")
        raise DataError(f"{path}: {otherwise}")


CSV = Delimited("csv", (".csv",), ",")
TSV = Delimited("tsv", (".tsv",), "\t")


def _fault(cell: str, dtype: "np.dtype[Any] | None") -> str:
    """What is wrong with a stripped cell, "" if nothing; no dtype stands for text."""
    import numpy as np

    if not cell:
        return "the cell is empty; fill it or drop the row"
    if cells.is_missing(cell) or (dtype is not None and cells.INFINITE.fullmatch(cell)):
        return f"the value is {cell}; repair it or drop the row"
    if dtype is None:
        return ""
    if not cells.is_number(cell):
        return f"{cells.shown(cell)} is no number; a column of words can only be labels.column or splits.group"
    if dtype.kind not in "iu":
        fits = abs(float(cell)) <= float(np.finfo(dtype).max)
        return "" if fits else f"{cells.shown(cell)} is beyond what dtype {dtype.name} holds"
    if not cells.WHOLE_NUMBER.fullmatch(cell):
        return f"{cells.shown(cell)} is no whole number, which dtype {dtype.name} needs"
    limits = np.iinfo(dtype)
    fits = len(cell) < 30 and limits.min <= int(cell) <= limits.max
    return "" if fits else f"{cells.shown(cell)} is beyond dtype {dtype.name} ({limits.min} to {limits.max})"
