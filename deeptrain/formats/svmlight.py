"""svmlight: a line is a label and the features that are not zero, "1 3:0.5 7:2"; scikit-learn parses.

Features are counted from 1 as the format has it, or from 0 if that is said. A sample becomes a dense row, so how many
features there are must be said if a file names one beyond `MOST_FEATURES`. Query ids ("qid:3") are left out.
"""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from deeptrain.errors import DataError
from deeptrain.formats import numbers
from deeptrain.formats.cells import NUMBER, shown
from deeptrain.formats.format import Chunk, Field

if TYPE_CHECKING:  # a plan imports this file and must not load NumPy for it
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 1 << 22  # bytes of text that are parsed at once
MOST_FEATURES = 1 << 16
"""More are only believed when they are said: one line could make every sample that wide."""
LABEL, FEATURES = "label", "x"
INDEX = re.compile(r"[0-9]{1,18}")
QUERY = re.compile(r"-?[0-9]{1,18}")
COMMENT = re.compile(rb"#[^\n]*")
DOUBTFUL = re.compile(rb"_|qid(?!:-?[0-9]{1,18}\s)")
"""What scikit-learn reads though it is damaged: Python's numbers with "_", and whatever stands in a word with "qid"."""


@dataclass(frozen=True)
class Svmlight:
    """Files of sparse rows; a `Format`.

    Attributes:
        features: how many there are, None to take the largest number in the file.
        first: the number of the first feature, 1 or 0.
    """

    name: str = "svmlight"
    extensions: tuple[str, ...] = (".svmlight", ".svm", ".libsvm")
    tabular: bool = False
    single: bool = False
    features: int | None = None
    first: int = 1

    def fields(self, path: Path) -> tuple[Field, ...]:
        """The label and "x"; reads all of the file unless `features` was said."""
        count = self.features
        if count is None:
            count = 0
            for block in _blocks(path):
                matrix, _ = self._parsed(path, block, None)
                count = max(count, int(matrix.indices.max(initial=-1)) + 1)
                if count > MOST_FEATURES:
                    self._complain(path, MOST_FEATURES)
        if not count:
            raise DataError(f"{path}: no features: no line has any")
        return (Field(LABEL, "float64"), Field(FEATURES, "float64", (count,)))

    def samples(self, path: Path, field: str) -> int | None:  # noqa: ARG002
        """Not known before all is read."""
        return None

    def chunks(self, path: Path, fields: Sequence[Field], rows: int) -> Iterator[Chunk]:
        """See `Format.chunks`; features that a line does not name are 0."""
        asked = {field.name: field for field in fields}
        width = asked[FEATURES].step[0] if FEATURES in asked else self.features
        first = 0
        for block in _blocks(path):
            matrix, labels = self._parsed(path, block, width)
            for start in range(0, matrix.shape[0], rows):

                def where(row: int, begin: int = first + start) -> str:
                    return f"{path}: {self.place(path, begin + row)}"

                arrays = {}
                if FEATURES in asked:
                    dense = matrix[start : start + rows].toarray()
                    arrays[FEATURES] = numbers.cast(dense, asked[FEATURES].dtype, where, asked[FEATURES].missing)
                if LABEL in asked:
                    arrays[LABEL] = numbers.cast(labels[start : start + rows], asked[LABEL].dtype, where)
                yield Chunk(first + start, min(rows, matrix.shape[0] - start), arrays, {}, {})
            first += matrix.shape[0]
        if not first:
            raise DataError(f"{path}: no samples: it has no lines")

    def random_access(self, path: Path) -> bool:  # noqa: ARG002
        """Never: a line is found by reading those before it."""
        return False

    def take(self, path: Path, field: Field, rows: "NDArray[np.int64]", out: "NDArray[Any]") -> None:  # noqa: ARG002
        """Not for text."""
        raise ValueError(f"{path}: svmlight has no random access")

    def place(self, path: Path, row: int) -> str:
        """The line; reads the file up to there."""
        samples = -1
        for number, line in _lines(path):
            samples += bool(line)
            if samples == row:
                return f"line {number}"
        return f"row {row}"

    def trait(self, path: Path) -> str:  # noqa: ARG002
        """Nothing."""
        return ""

    def _parsed(self, path: Path, block: bytes, width: int | None) -> "tuple[Any, NDArray[Any]]":
        """The matrix (rows, features), sparse, and the labels of some lines."""
        from sklearn.datasets import load_svmlight_file

        try:
            # features are left as they are counted, so that both ends can be checked
            matrix, labels = load_svmlight_file(io.BytesIO(block), zero_based=True, n_features=None)
        except (ValueError, OverflowError, IndexError, MemoryError, UnicodeDecodeError):
            self._complain(path, MOST_FEATURES if width is None else width)
        if (b"_" in block or b"qid" in block) and DOUBTFUL.search(COMMENT.sub(b"", block) + b"\n"):
            self._complain(path, MOST_FEATURES if width is None else width)
        if self.first:
            if matrix.indices.min(initial=self.first) < self.first:
                self._complain(path, width)
            matrix.indices -= self.first
        if width is not None and matrix.indices.max(initial=-1) >= width:
            self._complain(path, width)
        count = width if width is not None else int(matrix.indices.max(initial=-1)) + 1
        matrix.resize(matrix.shape[0], max(count, 1))
        return matrix, labels

    def _complain(self, path: Path, width: int | None) -> NoReturn:
        """Raise for the first line at fault."""
        for number, line in _lines(path):
            if not line:
                continue
            fault = self._fault(line, width)
            if fault:
                raise DataError(f"{path}: line {number}: {fault}")
        raise DataError(f"{path}: is no svmlight: scikit-learn cannot parse it")

    def _fault(self, parts: list[str], width: int | None) -> str:
        if "," in parts[0]:
            return f"has several labels ({shown(parts[0])}); one is read"
        if not NUMBER.fullmatch(parts[0]):
            return f"the label {shown(parts[0])} is no number"
        last = self.first - 1
        for place, part in enumerate(parts[1:], 1):
            name, colon, value = part.partition(":")
            if name == "qid":
                if not QUERY.fullmatch(value):
                    return f"{shown(part)} is no query id; write qid:number"
                if place > 1:
                    return f"{shown(part)} comes after features; a query id is behind the label"
                continue
            if not colon or not INDEX.fullmatch(name) or not NUMBER.fullmatch(value):
                return f"{shown(part)} is no feature; write number:value"
            index = int(name)
            if index < self.first:
                return "has feature 0, features count from 1; say first = 0 if these count from 0"
            if index <= last:
                return f"feature {index} comes after feature {last}; features of a line must go up"
            if width is not None and index - self.first >= width:
                said = "were said" if self.features is not None else "are believed without saying so"
                return f"has feature {index:,} where {width:,} features {said}; say how many there are, features = ..."
            last = index
        return ""


SVMLIGHT = Svmlight()


def _blocks(path: Path) -> Iterator[bytes]:
    """Whole lines, some `BLOCK` bytes at once."""
    rest = b""
    try:
        with path.open("rb") as file:
            while read := file.read(BLOCK):
                end = read.rfind(b"\n") + 1
                if end:
                    yield rest + read[:end]
                    rest = read[end:]
                else:
                    rest += read
            if rest:
                yield rest
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and words of each line, without comments; cut as scikit-learn cuts them, at no blanks beyond ASCII."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            yield number, [word.decode(errors="replace") for word in line.partition(b"#")[0].split()]
