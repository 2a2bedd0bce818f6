"""Labels: from cells of text to numbers with a meaning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError
from deeptrain.formats.cells import NUMBER, WHOLE_NUMBER, listed, shown
from deeptrain.shards.settings import Label, LabelSettings

Kind = Literal["binary", "classes", "values"]
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


def interpret(cells: Sequence[str], settings: LabelSettings, source: str, place: Callable[[int], str]) -> Labels:
    """The labels that cells of text stand for.

    Whole numbers are taken as such also when written "8.0". Without a `kind`, named positives and the numbers 0 and 1
    make binary labels, words and few whole numbers make classes, other numbers make values. Classes are in the
    order of their numbers, or of their words' code points.

    Args:
        cells: one non-empty cell a sample.
        settings: what was said of them.
        source: names the labels in messages ("digits: labels 'digit'").
        place: file and line of sample i, for messages.

    Raises:
        DataError: when a label is no number where one must be, a positive never occurs, there is one class only, or
            the kind cannot be told.
    """
    first_at = {cell: index for index, cell in reversed(list(enumerate(cells)))}
    meaning: dict[str, Label] = {cell: _meaning(cell) for cell in first_at}
    words = sorted((at for cell, at in first_at.items() if isinstance(meaning[cell], str)))
    if words:  # a column that holds a word is a column of words
        meaning = {cell: cell for cell in meaning}
    distinct = sorted(set(meaning.values()), key=lambda label: (isinstance(label, str), label))
    kind = settings.kind or _kind(distinct, bool(settings.positives), len(cells), source)
    if kind == "values":
        if words:
            raise DataError(f"{place(words[0])}: the label {shown(cells[words[0]])} is no number, as labels.kind asks")
        with np.errstate(over="ignore"):
            values = np.array([meaning[cell] for cell in cells], np.float64).astype(DTYPES["values"])
        beyond = np.flatnonzero(~np.isfinite(values))
        if beyond.size:
            raise DataError(f"{place(int(beyond[0]))}: the label {shown(cells[beyond[0]])} is not finite in float32")
        return Labels("values", (), values)
    if len(distinct) == 1:
        raise DataError(f"{source}: all {len(cells):,} labels are {distinct[0]!r}; there is nothing to tell apart")
    if kind == "binary":
        return _binary([meaning[cell] for cell in cells], distinct, settings, source)
    number = {label: index for index, label in enumerate(distinct)}
    numbers = np.array([number[meaning[cell]] for cell in cells], DTYPES["classes"])
    return Labels("classes", tuple(map(str, distinct)), numbers)


def _meaning(cell: str) -> Label:
    if WHOLE_NUMBER.fullmatch(cell):
        return int(cell) if len(cell) < 300 else cell
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


def _binary(labels: Sequence[Label], distinct: Sequence[Label], settings: LabelSettings, source: str) -> Labels:
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
    positive = {label for found in matches.values() for label in found}
    negative = [label for label in distinct if label not in positive]
    if not negative:
        raise DataError(f"{source}: labels.positive names every label that occurs; leave at least one out")
    names = (
        str(negative[0]) if len(negative) == 1 else "other",
        " or ".join(str(label) for label in distinct if label in positive),
    )
    return Labels("binary", names, np.array([label in positive for label in labels], DTYPES["binary"]))


def _same(label: Label, wanted: Label) -> bool:
    """Whether a label in the data is the one that the settings name: "8" in quotes also means the number."""
    if isinstance(label, str) or isinstance(wanted, str):
        return str(label) == str(wanted)
    return label == wanted
