"""Labels: from cells of text to numbers with a meaning."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError
from deeptrain.formats.cells import NUMBER, WHOLE_NUMBER, listed, shown
from deeptrain.formats.labelling import Steps
from deeptrain.shards.settings import Kind, Label, LabelSettings

DTYPES: dict[str, np.dtype[Any]] = {
    "binary": np.dtype(np.uint8),
    "classes": np.dtype(np.int64),
    "values": np.dtype(np.float32),
}
MOST_CLASSES = 64  # that are inferred from whole numbers; more must be said


@dataclass(frozen=True)
class Labels:
    """The label of each sample.

    Attributes:
        kind: "binary" (uint8, 1 is positive), "classes" (int64, the index in `classes`) or "values" (float32).
        classes: what each number stands for; empty for values.
        numbers: (samples,) in the dtype of the kind.
    """

    kind: Kind
    classes: tuple[str, ...]
    numbers: NDArray[Any]


class Cells:
    """Cells of labels as they come, chunk by chunk; of words and whole numbers each different one is kept once."""

    def __init__(self, *, values: bool = False) -> None:
        """Begin without any.

        Args:
            values: whether they are known to be numbers to be predicted as such, nearly all different.
        """
        self._values = values
        self._code: dict[str | int | float, int] = {}
        self._codes: list[NDArray[np.int32]] = []
        self._numbers: list[NDArray[np.float64]] = []
        self._wrong: tuple[int, str] | None = None
        self._count = 0
        self._lengths: list[NDArray[np.int64]] = []

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    @property
    def lengths(self) -> NDArray[np.int64] | None:
        """(samples,) how many each sample has, where they are of its steps; None where each sample has one."""
        return np.concatenate(self._lengths) if self._lengths else None

    def add(self, cells: Sequence[str] | NDArray[Any] | Steps, source: str) -> None:
        """Take the next ones.

        Args:
            cells: words, (n,) numbers, or (n, classes) of which one in each row is 1 and the others are 0; or numbers
                of steps likewise.
            source: names the labels in messages.

        Raises:
            DataError: for numbers of another shape.
        """
        if isinstance(cells, Steps):
            self._lengths.append(cells.lengths)
            cells = cells.values
        found = _single(cells, source) if isinstance(cells, np.ndarray) else cells
        if self._values:
            self._numbers.append(self._as_numbers(found))
        elif isinstance(found, np.ndarray):
            distinct, codes = np.unique(found, return_inverse=True)
            known = [self._code.setdefault(_plain(value), len(self._code)) for value in distinct.tolist()]
            self._codes.append(np.array(known, np.int32)[codes])
        else:
            code = self._code
            self._codes.append(np.fromiter((code.setdefault(cell, len(code)) for cell in found), np.int32, len(found)))
        self._count += len(found)

    @property
    def distinct(self) -> tuple[str | int | float, ...]:
        """Each different one, in the order of their first samples."""
        return tuple(self._code)

    @property
    def codes(self) -> NDArray[np.int32]:
        """(n,) which of the different ones each is."""
        return np.concatenate(self._codes) if self._codes else np.empty(0, np.int32)

    @property
    def numbers(self) -> NDArray[np.float64]:
        """(n,) the values, where they are known to be such."""
        return np.concatenate(self._numbers) if self._numbers else np.empty(0)

    @property
    def wrong(self) -> tuple[int, str] | None:
        """Index of the first that is no number, where all must be, and what it is: "'a' is no number"."""
        return self._wrong

    def _as_numbers(self, cells: Sequence[str] | NDArray[Any]) -> NDArray[np.float64]:
        if isinstance(cells, np.ndarray):
            return cells.astype(np.float64)
        numbers = np.array([float(cell) if NUMBER.fullmatch(cell) else np.nan for cell in cells])
        wrong = np.flatnonzero(~np.isfinite(numbers))
        if self._wrong is None and wrong.size:
            cell = cells[wrong[0]]
            fault = "is no number" if np.isnan(numbers[wrong[0]]) else "is beyond what float64 holds"
            self._wrong = (self._count + int(wrong[0]), f"{shown(cell)} {fault}")
        return numbers


def interpret(
    cells: "Sequence[str] | Cells", settings: LabelSettings, source: str, place: Callable[[int], str]
) -> Labels:
    """The labels that cells of text or numbers stand for.

    Whole numbers are taken as such also when written "8.0". Without a `kind`, named positives and the numbers 0 and 1
    make binary labels, words and few whole numbers make classes, other numbers make values. Classes are in the
    order of their numbers, or of their words' code points.

    Args:
        cells: one non-empty cell a sample.
        settings: what was said of them.
        source: names the labels in messages ("digits: labels 'digit'").
        place: file and line of sample i, for messages.

    Raises:
        DataError: when a label is no number where one must be, or beyond what a number holds, a positive never
            occurs, there is one class only, or the kind cannot be told.
    """
    if not isinstance(cells, Cells):
        given, cells = cells, Cells(values=settings.kind == "values")
        cells.add(given, source)
    if settings.kind == "values":
        if cells.wrong is not None:
            index, fault = cells.wrong
            raise DataError(f"{place(index)}: the label {fault}, labels.kind asks for values")
        return _as_values(cells.numbers, str, place)
    meaning: list[Label] = [_meaning(cell) if isinstance(cell, str) else cell for cell in cells.distinct]
    if any(isinstance(label, str) for label in meaning):  # a column that holds a word is a column of words
        meaning = [str(cell) for cell in cells.distinct]
    for index, label in enumerate(meaning):
        if isinstance(label, float) and not math.isfinite(label):
            first = int(np.argmax(cells.codes == index))
            raise DataError(f"{place(first)}: the label {shown(cells.distinct[index])} is beyond what float64 holds")
    distinct = sorted(set(meaning), key=lambda label: (isinstance(label, str), label))
    kind = settings.kind or _kind(distinct, bool(settings.positives), len(cells), source)
    codes = cells.codes
    if kind == "values":
        told = dict(zip(meaning, cells.distinct, strict=True))
        return _as_values(np.array(meaning, np.float64)[codes], lambda value: str(told[value]), place)
    if len(distinct) == 1:
        raise DataError(f"{source}: all {len(cells):,} labels are {distinct[0]!r}; there is nothing to tell apart")
    if kind == "binary":
        names, positive = _binary(distinct, settings, source)
        return Labels("binary", names, np.array([label in positive for label in meaning], DTYPES["binary"])[codes])
    number = {label: index for index, label in enumerate(distinct)}
    numbers = np.array([number[label] for label in meaning], DTYPES["classes"])[codes]
    return Labels("classes", tuple(map(str, distinct)), numbers)


def _as_values(numbers: NDArray[np.float64], told: Callable[[float], str], place: Callable[[int], str]) -> Labels:
    with np.errstate(over="ignore"):
        values = numbers.astype(DTYPES["values"])
    beyond = np.flatnonzero(~np.isfinite(values))
    if beyond.size:
        first = int(beyond[0])
        label = shown(told(float(numbers[first])))
        raise DataError(f"{place(first)}: the label {label} is beyond what float32 holds")
    return Labels("values", (), values)


def _single(cells: NDArray[Any], source: str) -> NDArray[Any]:
    """One number a sample, also where a row of zeros and a one stands for it."""
    flat = cells.reshape(len(cells), -1)
    if cells.ndim == 1 or flat.shape[1] == 1:
        return flat[:, 0]
    one_hot = flat.astype(bool)
    if not np.array_equal(one_hot, flat) or np.any(one_hot.sum(axis=1) != 1):
        raise DataError(
            f"{source}: has {flat.shape[1]:,} numbers a sample that are not one 1 among zeros; "
            f"give each sample one label, a number or a word; several of 0 or 1 are as many outputs, each with a "
            f"column of its own in [data.labels.NAME]"
        )
    classes: NDArray[np.intp] = one_hot.argmax(axis=1)
    return classes


def _plain(value: Any) -> int | float:
    """A number as such, whole ones without a point; NaN is refused where labels are read."""
    return int(value) if isinstance(value, bool | int) or float(value).is_integer() else float(value)


def _meaning(cell: str) -> Label:
    if WHOLE_NUMBER.fullmatch(cell):
        return int(cell) if len(cell) < 300 else float(cell)
    if NUMBER.fullmatch(cell):
        value = float(cell)
        return int(value) if value.is_integer() else value
    return cell


def _kind(distinct: Sequence[Label], positives: bool, samples: int, source: str) -> Kind:
    if positives or list(distinct) == [0, 1]:
        return "binary"
    if any(isinstance(label, float) for label in distinct):
        return "values"
    if isinstance(distinct[0], str) or (len(distinct) <= MOST_CLASSES and 2 * len(distinct) <= samples):
        return "classes"
    raise DataError(
        f"{source}: {len(distinct):,} different whole numbers in {samples:,} samples can be classes or values; "
        f'set labels.kind to "classes" or "values"'
    )


def _binary(
    distinct: Sequence[Label], settings: LabelSettings, source: str
) -> tuple[tuple[str, str], frozenset[Label]]:
    """Names of the two classes, and the labels that count as 1."""
    if not settings.positives and list(distinct) != [0, 1]:
        raise DataError(
            f"{source}: binary labels need labels.positive, which counts as 1; labels that occur: "
            f"{listed([repr(label) for label in distinct])}"
        )
    positives = settings.positives or (1,)
    matches = {wanted: [label for label in distinct if _same(label, wanted)] for wanted in positives}
    for wanted, found in matches.items():
        if not found:
            raise DataError(
                f"{source}: labels.positive {wanted!r} never occurs; labels that occur: "
                f"{listed([repr(label) for label in distinct])}"
            )
    positive = frozenset(label for found in matches.values() for label in found)
    negative = [label for label in distinct if label not in positive]
    if not negative:
        raise DataError(f"{source}: labels.positive names every label that occurs; leave at least one out")
    names = (
        str(negative[0]) if len(negative) == 1 else "other",
        " or ".join(str(label) for label in distinct if label in positive),
    )
    return names, positive


def _same(label: Label, wanted: Label) -> bool:
    """Whether a label in the data is the one that the settings name: "8" in quotes also means the number."""
    if isinstance(label, str) or isinstance(wanted, str):
        return str(label) == str(wanted)
    return label == wanted
