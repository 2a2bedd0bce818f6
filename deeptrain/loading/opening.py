"""`open(path)`: what a directory of raw files holds, told on one screen."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from deeptrain.errors import DataError
from deeptrain.formats import discovery, numbering
from deeptrain.formats.cells import is_number, listed, shown
from deeptrain.formats.data import RawData
from deeptrain.formats.discovery import Reading
from deeptrain.formats.format import Field
from deeptrain.formats.labelling import Steps

if TYPE_CHECKING:  # importing deeptrain.loading loads no NumPy
    from numpy.typing import NDArray

    from deeptrain.formats.labelling import Cells

MOST_CLASSES = 64
"""Different whole numbers up to which they are taken for classes, not for values."""
SHOWN_CLASSES = 12


@dataclass(frozen=True)
class LabelSummary:
    """What the labels look like.

    Attributes:
        kind: "classes" (one of some words or whole numbers); "one-hot" (rows of one 1); "outputs" (rows of zeros and
            ones, each an output of its own); "values" (other numbers); "input"; "none".
        shape: of a sample's label; () for one number or word.
        classes: in order; of one-hot rows and outputs their numbers. Empty for values.
        counts: samples of each class, of outputs the samples that have a 1.
        range: least, mean and greatest of values.
    """

    kind: Literal["classes", "one-hot", "outputs", "values", "input", "none"]
    shape: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    range: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class AutoData:
    """A raw data set and what was found out about it. `print` it.

    Attributes:
        data: the raw data, with the number of samples of each set; reads them.
        labels: what its labels look like.
    """

    data: RawData
    labels: LabelSummary

    @property
    def samples(self) -> int:
        """How many."""
        return self.data.samples or 0

    @property
    def inputs(self) -> tuple[Field, ...]:
        """Name, dtype and shape of what a sample is made of."""
        return self.data.inputs

    @property
    def set_numbers(self) -> tuple[int, ...]:
        """Numbers of the sets, empty where nothing names them."""
        return tuple(found.number for found in self.data.sets if found.number is not None)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, empty without."""
        return self.labels.classes

    @property
    def balance(self) -> dict[str, float]:
        """Share of the samples that each class has, from 0 to 1."""
        return {name: count / self.samples for name, count in zip(self.labels.classes, self.labels.counts, strict=True)}

    def __str__(self) -> str:
        """One screen; names from the data cannot break its lines or move a terminal's cursor."""
        data = self.data
        lines = [("format", f"{data.format.name}, {_counted(len(data.files), 'file')}{_trait(data)}")]
        lines += [("input", _input(field, data)) for field in self.inputs]
        lines += [("samples", f"{self.samples:,} in {_sets(data)}"), ("labels", _labels(data, self.labels))]
        if self.labels.counts:
            lines.append(("balance", self._balance()))
        if data.group is not None:
            lines.append(("group", "the folder of a file" if data.group_level else f"column {shown(data.group)}"))
        if self.labels.counts and max(self.labels.counts) == 1 and self.samples > 2:
            lines.append(("note", "every label occurs once: are these labels, or names? Say label_column or ignored"))
        lines += [("note", note) for note in data.notes]
        return "\n".join([shown(data.path, quoted=False), *(f"  {key:8} {text}" for key, text in lines)])

    def _balance(self) -> str:
        return listed([f"{name} {share:.1%}" for name, share in self.balance.items()], SHOWN_CLASSES)


def open(path: str | Path, *, classes: int | None = None, **reading: Unpack[Reading]) -> AutoData:
    """What lies at a path: format, sets, inputs, samples, labels, classes and their balance.

    Reads headers and labels; of text files all, to count the samples. What is not said is inferred, and what may be
    one thing or another is an error that names both.

    Args:
        path: a file, a directory of files, or a directory of folders, one a class.
        classes: how many there are: labels must then be whole numbers from 0 to classes - 1.
        reading: what is said instead of inferred (format, loader, labels, label_column, group, inputs, ignored, ...):
            the keywords of `deeptrain.formats.discovery.open`.

    Raises:
        DataError: naming what is missing, damaged, ambiguous, or does not fit together.
        UserCodeError: when a loader function fails.
    """
    data = discovery.open(Path(path), **reading).counted()
    return AutoData(data, summarise(data, data.label_cells(), classes))


def summarise(data: RawData, labels: "Cells | None", classes: int | None = None) -> LabelSummary:
    """What labels look like; `data` names the place of a wrong one.

    Raises:
        DataError: when there are none, or others, than `classes` says.
    """
    import numpy as np

    if isinstance(labels, Steps):
        labels = labels.values
    if labels is None:
        if classes is not None:
            raise DataError(f"{data.path}: has no labels, so classes = {classes} means nothing; say where they are")
        return LabelSummary("input" if data.labels.kind == "input" else "none")
    if isinstance(labels, list):
        distinct = sorted(set(labels))
        if not all(map(is_number, distinct)):
            if classes is not None:
                row = next(index for index, cell in enumerate(labels) if not is_number(cell))
                raise DataError(f"{data.where(row)}: the label {shown(labels[row])} is no number, classes = {classes}")
            counts = Counter(labels)
            return LabelSummary("classes", (), tuple(distinct), tuple(counts[name] for name in distinct))
        words, labels = labels, np.array(labels, np.float64)
        if not np.isfinite(labels).all():
            row = int(np.argmin(np.isfinite(labels)))
            raise DataError(f"{data.where(row)}: the label {shown(words[row])} is beyond what float64 holds")
    if labels.ndim > 1 and labels.shape[1:] == (1,):
        labels = labels[:, 0]
    if classes is not None and labels.ndim == 1:
        _check_classes(data, labels, classes)
    return _of_numbers(labels, classes)


def _of_numbers(labels: "NDArray[Any]", classes: int | None) -> LabelSummary:
    import numpy as np

    shape = labels.shape[1:]
    if not shape:
        found, counts = np.unique(labels, return_counts=True)
        whole = bool((found == np.round(found)).all())
        if classes is not None:
            counts = np.bincount(labels.astype(np.int64), minlength=classes)
            return LabelSummary("classes", (), tuple(map(str, range(classes))), tuple(counts.tolist()))
        if whole and len(found) <= min(MOST_CLASSES, max(2, len(labels) // 2)):
            return LabelSummary("classes", (), tuple(str(int(one)) for one in found), tuple(counts.tolist()))
    elif len(shape) == 1 and bool(((labels == 0) | (labels == 1)).all()):
        one_hot = bool((labels.sum(axis=1) == 1).all())
        counts = labels.sum(axis=0).astype(np.int64)
        names = tuple(map(str, range(shape[0])))
        return LabelSummary("one-hot" if one_hot else "outputs", shape, names, tuple(counts.tolist()))
    numbers = labels.astype(np.float64)
    return LabelSummary("values", shape, (), (), (float(numbers.min()), float(numbers.mean()), float(numbers.max())))


def _check_classes(data: RawData, labels: "NDArray[Any]", classes: int) -> None:
    import numpy as np

    wrong = np.flatnonzero((labels != np.round(labels)) | (labels < 0) | (labels >= classes))
    if wrong.size:
        row = int(wrong[0])
        raise DataError(
            f"{data.where(row)}: the label {labels[row].item():g} is none of the {classes} classes 0 to {classes - 1}"
        )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _trait(data: RawData) -> str:
    trait = data.format.trait(data.files[0])
    return f", {trait}" if trait else ""


def _input(field: Field, data: RawData) -> str:
    shape = ", ".join("steps" if size is None else str(size) for size in field.shape)
    shape = f"({shape},)" if len(field.shape) == 1 else f"({shape})"
    columns = f": {listed(data.columns, 6)}" if data.columns and field.name == discovery.ONLY else ""
    return f"{shown(field.name, quoted=False)}, {field.dtype} {shape}{columns}"


def _sets(data: RawData) -> str:
    sizes = sorted({found.samples or 0 for found in data.sets})
    size = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    if data.format.single:
        return _counted(len(data.files), "file")
    numbers = sorted(found.number for found in data.sets if found.number is not None)
    told = f": {numbering.ranges(numbers)}" if numbers else ""
    return f"{_counted(len(data.sets), 'set')} of {size}{told}"


def _labels(data: RawData, labels: LabelSummary) -> str:
    source = data.labels
    if source.kind == "none":
        column = "label_column names theirs, " if data.columns else ""
        return f"none; {column}labels = 'input' feeds the samples themselves, as to an autoencoder"
    if source.kind == "input":
        return "the input itself"
    if source.kind == "folder":
        where = "the folder of a file"
    elif source.kind == "column":
        where = f"column {shown(source.column)}"
    else:
        name = source.files[0].name if len(source.files) == 1 else f"{source.files[0].parent.name}/"
        name = shown(name, quoted=False)
        found_by = {"number": "by set number", "order": "in order", "name": "by file name"}[source.by or "order"]
        where = f"{name}, {found_by}"
    if labels.kind == "values":
        least, mean, greatest = labels.range or (0.0, 0.0, 0.0)
        shape = f" of shape {labels.shape}" if labels.shape else ""
        return f"{where}: values{shape} from {least:g} to {greatest:g}, mean {mean:g}"
    if labels.kind == "outputs":
        return f"{where}: {len(labels.classes)} outputs of 0 or 1"
    one_hot = ", one-hot" if labels.kind == "one-hot" else ""
    return f"{where}: {len(labels.classes)} class{'es' * (len(labels.classes) != 1)}{one_hot}"
