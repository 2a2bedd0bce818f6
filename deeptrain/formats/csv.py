"""CSV and TSV: numbers (and words in columns named as text), one sample a line, parsed by `pyarrow.csv`.

Accepted: UTF-8 with or without a byte order mark, lines ending in LF or CRLF, cells in double quotes, blank lines
(ignored). A first line without a number is the header; a first line of numbers only is a sample, and the columns are
then named by their number, "0", "1", ...; a header may number some columns if it counts them up ("0", "1", "label").
A first line that counts up all of several columns from 0 may be either ("0,1,2", as pandas writes an array): it must be
said.

pyarrow is fast and its errors name no line. So what it refuses, or what it reads as not finite, is looked for again
by the standard library's reader, cell by cell, only to say where it is.
"""

import codecs
import csv
import itertools
import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from deeptrain.errors import DataError, said
from deeptrain.formats import cells, numbers
from deeptrain.formats.format import TEXT, Chunk, Field

if TYPE_CHECKING:  # a plan imports this file and must not load NumPy for it
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 1 << 23  # bytes that are parsed at once: their numbers stay in the cache while they are checked
PARSED = 1 << 20  # bytes at least that a thread of pyarrow parses at once
MOST_LINE_BYTES = 1 << 28
SNIFFED = 1 << 16
FIRST_LINES = 100  # that tell columns of words


@dataclass(frozen=True)
class Header:
    """Names of the columns and the number of physical lines they take; 0 where the file has no header."""

    columns: tuple[str, ...]
    lines: int


@dataclass(frozen=True)
class Delimited:
    """Text files of one row a line and cells between delimiters; a `Format`.

    Attributes:
        header: whether the first line holds names; None: unless it holds numbers only, but for "0", "1", ..., which
            are refused.
    """

    name: str
    extensions: tuple[str, ...]
    delimiter: str
    tabular: bool = True
    single: bool = False
    header: bool | None = None

    def fields(self, path: Path) -> tuple[Field, ...]:
        """One field a column: words if the first lines have some there, else float64."""
        header = self._header(path)
        words: set[str] = set()
        lines = (row for line, row in self._rows(path) if line > header.lines)
        for row in itertools.islice(lines, FIRST_LINES):
            if cells.are_numbers(row):
                continue
            for name, cell in zip(header.columns, row, strict=False):
                stripped = cell.strip()
                if stripped and not cells.is_numeric(stripped):
                    words.add(name)
        return tuple(Field(name, TEXT if name in words else "float64") for name in header.columns)

    def samples(self, path: Path, field: str) -> int | None:  # noqa: ARG002
        """Not known before all is read."""
        return None

    def chunks(self, path: Path, fields: Sequence[Field], rows: int) -> Iterator[Chunk]:
        """See `Format.chunks`. Whole-number dtypes take whole numbers only ("3", not "3.0").

        A missing value is an empty cell or "nan". Columns of numbers must be asked for in one dtype. Memory: some
        blocks of text and their numbers.
        """
        import numpy as np

        header = self._header(path)
        dtypes = {field.dtype for field in fields if not field.is_text}
        if len(dtypes) > 1:
            raise ValueError(f"columns of numbers are read in one dtype, asked for are {sorted(dtypes)}")
        dtype = np.dtype(dtypes.pop() if dtypes else "float64")
        missing = any(field.missing for field in fields if not field.is_text)
        kinds = {field.name: None if field.is_text else dtype for field in fields}
        first = 0
        for block in self._blocks(path, header):
            values, text = self._parsed(path, header, block, kinds, dtype, missing)
            count = len(values)
            for start in range(0, count, rows):
                part = values[start : start + rows]
                numeric = [field.name for field in fields if not field.is_text]
                yield Chunk(
                    first + start,
                    len(part),
                    {name: part[:, index] for index, name in enumerate(numeric)},
                    {name: column[start : start + rows] for name, column in text.items()},
                    {},
                    part,
                )
            first += count
        if not first:
            raise DataError(f"{path}: no samples: it has a header and no rows")

    def random_access(self, path: Path) -> bool:  # noqa: ARG002
        """Never: a line is found by reading those before it."""
        return False

    def take(self, path: Path, field: Field, rows: "NDArray[np.int64]", out: "NDArray[Any]") -> None:  # noqa: ARG002
        """Not for text."""
        raise ValueError(f"{path}: {self.name} has no random access")

    def trait(self, path: Path) -> str:  # noqa: ARG002
        """Nothing."""
        return ""

    def columns(self, path: Path) -> tuple[str, ...]:
        """Names of the columns, from the first line that is not blank."""
        return self._header(path).columns

    def first_line(self, path: Path) -> tuple[str, ...]:
        """The stripped cells of the first line that is not blank."""
        _, first = next(self._rows(path), (0, []))
        return tuple(cell.strip() for cell in first)

    def _blocks(self, path: Path, header: Header) -> "Iterator[memoryview]":
        """The lines after the header, some `BLOCK` bytes of whole lines at once; each is valid until the next."""
        try:
            with path.open("rb") as file:
                for _ in range(header.lines):
                    file.readline()
                if not header.lines and file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                    file.seek(0)
                room = mmap.mmap(-1, 2 * BLOCK)  # begins at a page; see `region.empty`
                rest = 0
                while count := file.readinto(memoryview(room)[rest : rest + BLOCK]):
                    filled = rest + count
                    end = room.rfind(b"\n", rest, filled) + 1
                    if end:
                        yield memoryview(room)[:end]
                    rest = filled - end
                    if rest > MOST_LINE_BYTES:
                        raise DataError(f"{path}: is no {self.name}: a line has more than {MOST_LINE_BYTES:,} bytes")
                    larger = mmap.mmap(-1, 2 * len(room)) if rest + BLOCK > len(room) else room
                    larger[:rest] = room[end:filled]
                    room = larger
                if rest:
                    yield memoryview(room)[:rest]
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error

    def _parsed(
        self,
        path: Path,
        header: Header,
        block: memoryview,
        kinds: "Mapping[str, np.dtype[Any] | None]",
        dtype: "np.dtype[Any]",
        missing: bool,
    ) -> "tuple[NDArray[Any], dict[str, list[str]]]":
        """Numbers (rows, columns) and words of some lines."""
        import numpy as np
        import pyarrow
        from pyarrow import csv as parser

        whole = pyarrow.uint64() if dtype == np.uint64 else pyarrow.int64()
        number = whole if dtype.kind in "iu" else pyarrow.float64()
        types = {name: number if kind else pyarrow.string() for name, kind in kinds.items()}
        empty = [""] if missing and dtype.kind == "f" else []
        try:
            table = parser.read_csv(
                pyarrow.BufferReader(block),
                parser.ReadOptions(column_names=list(header.columns), block_size=max(len(block) // 4, PARSED)),
                parser.ParseOptions(delimiter=self.delimiter),
                parser.ConvertOptions(
                    column_types=types, include_columns=list(types), null_values=empty, strings_can_be_null=False
                ),
            )
        except pyarrow.ArrowInvalid as error:
            if "Empty CSV file" in str(error):  # blank lines only
                words = [name for name, kind in kinds.items() if not kind]
                return np.empty((0, len(kinds) - len(words)), dtype), {name: [] for name in words}
            self._complain(path, header, kinds, missing, f"is no {self.name}: {said(error, 200)}")
        numeric = [name for name, kind in kinds.items() if kind]
        values = np.empty((table.num_rows, len(numeric)), dtype)
        first = 0
        for batch in table.select(numeric).to_batches() if numeric else ():
            parsed = batch.to_tensor(null_to_nan=bool(empty), row_major=True).to_numpy()
            part = values[first : first + len(parsed)]
            # what overflows here becomes infinite, or another number for whole ones, and is found below
            with np.errstate(over="ignore", invalid="ignore"):
                part[...] = parsed
            if not numbers.fits(parsed, part, missing):
                self._complain(path, header, kinds, missing, f"a number does not fit dtype {dtype.name}")
            first += len(parsed)
        columns = {
            name: [cell.strip() for cell in table.column(name).to_pylist()] for name, kind in kinds.items() if not kind
        }
        if any(cells.is_missing(cell) for column in columns.values() for cell in set(column)):
            self._complain(path, header, kinds, missing, "a text column has missing values")
        return values, columns

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
            raise DataError(f"{path}: is no {self.name}: line {reader.line_num}: {said(error)}") from error

    def _header(self, path: Path) -> Header:
        line, first = next(self._rows(path), (0, []))
        names = [cell.strip() for cell in first]
        if not names:
            raise DataError(f"{path}: no samples: the file is empty")
        numeric = [cells.is_numeric(name) for name in names]
        if self.header is None and counts_up(names):
            raise DataError(
                f"{path}: line {line}: {cells.listed(names, 4)} may be the names of the columns or a sample; say which "
                f"with header = true or false"
            )
        if self.header is False or (self.header is None and all(numeric)):
            return Header(tuple(map(str, range(len(names)))), 0)
        counted = [name for name, is_number in zip(names, numeric, strict=True) if is_number and self.header is None]
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
        self, path: Path, header: Header, kinds: "Mapping[str, np.dtype[Any] | None]", missing: bool, otherwise: str
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
                fault = _fault(cell, kinds[name], missing) if name in kinds else ""
                if fault:
                    raise DataError(f"{path}: line {line}, column {cells.shown(name)}: {fault}")
        raise DataError(f"{path}: {otherwise}")


def counts_up(first: Sequence[str]) -> bool:
    """Whether the stripped cells of a first line are the numbers of several columns, from 0."""
    return len(first) > 1 and list(first) == [str(number) for number in range(len(first))]


CSV = Delimited("csv", (".csv",), ",")
TSV = Delimited("tsv", (".tsv",), "\t")


def _fault(text: str, dtype: "np.dtype[Any] | None", missing: bool) -> str:
    """What is wrong with a cell, "" if nothing; no dtype stands for text."""
    import numpy as np

    cell = text.strip()
    if missing and dtype is not None and cells.is_missing(cell):
        if dtype.kind != "f":
            return f"the value is missing, which dtype {dtype.name} does not hold; take a float dtype"
        return "the cell holds nothing but spaces; leave it empty" if text and not cell else ""
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
