"""Labels of a raw data set: where they are, and one cell a sample in the order of the samples.

Cells are stripped words as they are in a text file, or numbers (samples, ...) as they are stored; of a column of
sequences the numbers of all `Steps`.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from deeptrain.errors import DataError, did_you_mean
from deeptrain.formats import numbering, places, registry
from deeptrain.formats.cells import listed, shown
from deeptrain.formats.csv import Delimited, counts_up
from deeptrain.formats.directory import DIGITS
from deeptrain.formats.format import TEXT, Chunk, Field, Format
from deeptrain.formats.sets import RawSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deeptrain.formats.data import RawData

ROWS = 1 << 16  # labels that are read at once
FILE_NAMES = frozenset({"file", "filename", "file_name", "path", "image", "recording", "name"})
"""Columns of a table of labels that name the file of a sample."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Labels of the steps of sequences.

    Attributes:
        values: (steps, ...) of all samples one after the other.
        lengths: (samples,) int64 steps of each.
    """

    values: "NDArray[Any]"
    lengths: "NDArray[np.int64]"

    def __len__(self) -> int:
        """How many samples have them."""
        return len(self.lengths)

    def __getitem__(self, part: "slice | Sequence[int] | NDArray[np.int64]") -> "Steps":
        """Those of some samples: a run of them, or any in any order."""
        import numpy as np

        chosen = np.arange(len(self))[part]
        ends = np.cumsum(self.lengths)
        starts = (ends - self.lengths)[chosen]
        lengths = self.lengths[chosen]
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return Steps(self.values[np.repeat(starts, lengths) + within], lengths)


if TYPE_CHECKING:
    Cells = list[str] | NDArray[Any] | Steps
    """One a sample, or one a step of it."""


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
        level: which folder below the path of the data, 1 the first.
        group: the column of groups, where it is one of the files apart.
    """

    kind: Literal["none", "column", "apart", "folder", "input"]
    column: str | None = None
    format: Format | None = None
    files: tuple[Path, ...] = ()
    by: Literal["number", "order", "name"] | None = None
    names: str | None = None
    classes: tuple[str, ...] = ()
    level: int = 1
    group: str | None = None


def resolve(
    files: tuple[Path, ...],
    column: str | None,
    names: str | None,
    group: str | None,
    sets: Sequence[RawSet],
    data_files: Sequence[Path],
    single: bool,
) -> tuple[LabelSource, tuple[str, ...], tuple[RawSet, ...]]:
    """How labels apart find their samples, from the headers of their files.

    Args:
        files: of labels.
        column: the column or key that holds them, or None to find it.
        names: the column that names the file of a sample, or None to find it.
        group: the column of groups, None where there is none in these files.
        sets: of the data.
        data_files: of the data.
        single: whether each data file is a sample.

    Returns:
        The source; what a user should be told; the sets, with a number where labels alone could tell it.

    Raises:
        DataError: when it cannot be told, or a set has no labels.
    """
    format = registry.of(files[0])
    if isinstance(format, Delimited) and counts_up(format.first_line(files[0])):
        format = dataclasses.replace(format, header=False)  # unless they prove to be set numbers
    if len(files) > 1:
        return _from_files(files, format, column, group, sets, data_files)
    (path,) = files
    format = _with_header(format, path, sets, column, single)
    keys = _without_group(path, [field.name for field in format.fields(path)], group)
    if column is not None and column not in keys:
        _no_column(path, column, keys)
    if single and format.tabular:
        named = names or _one_of(path, "file names", [key for key in keys if key.lower() in FILE_NAMES], "label_names")
        if named is not None:
            if named not in keys:
                _no_column(path, named, keys)
            rest = [key for key in keys if key != named]
            chosen = column or _the_label(path, rest)
            return LabelSource("apart", chosen, format, files, "name", named, group=group), (), tuple(sets)
    numbered = column is None and not single and all(key.isdecimal() and len(key) <= numbering.LONGEST for key in keys)
    if numbered and (len(keys) > 1 or not format.tabular):
        by_number = {int(key): key for key in keys}
        if len(by_number) < len(keys):
            raise DataError(f"{path}: two keys are the same set number: {listed(keys)}; rename one")
        told_sets = _numbered_by(sets, by_number, data_files)
        if any(found.number in by_number for found in told_sets):
            notes = _compare(path, by_number, told_sets)
            return LabelSource("apart", None, format, files, "number"), notes, told_sets
        if all(found.number is None for found in told_sets):
            raise DataError(
                f"{path}: has labels by set number ({listed(keys)}), but the data have no set numbers in "
                f"{listed([found.name for found in sets], 3)}; number the files, or say set_number"
            )
        _compare(path, by_number, told_sets)
    chosen = column or _the_label(path, keys)
    return LabelSource("apart", chosen, format, files, "order", group=group), (), tuple(sets)


def _without_group(path: Path, keys: Sequence[str], group: str | None) -> list[str]:
    if group is not None and group not in keys:
        no_column(path, "group", group, keys)
    return [key for key in keys if key != group]


def _with_header(format: Format, path: Path, sets: Sequence[RawSet], column: str | None, single: bool) -> Format:
    """The format of text whose first line holds set numbers, if the count of lines says that it does."""
    if not isinstance(format, Delimited) or single or column is not None or format.columns(path)[:1] != ("0",):
        return format
    first = format.first_line(path)
    there = {found.number for found in sets}
    if None in there or not all(name.isdecimal() for name in first) or not there <= {int(name) for name in first}:
        return format
    lines = sum(chunk.samples for chunk in format.chunks(path, [Field("0", TEXT)], ROWS))
    return dataclasses.replace(format, header=True) if {found.samples for found in sets} == {lines - 1} else format


def _from_files(
    files: tuple[Path, ...],
    format: Format,
    column: str | None,
    group: str | None,
    sets: Sequence[RawSet],
    data_files: Sequence[Path],
) -> tuple[LabelSource, tuple[str, ...], tuple[RawSet, ...]]:
    stems = [file.stem for file in files]
    found = numbering.of(stems, None, files[0].parent)
    keys = _without_group(files[0], [field.name for field in format.fields(files[0])], group)
    chosen = column or _the_label(files[0], keys)
    if found is not None and all(one.number is not None for one in sets):
        by_number = dict(zip(found, stems, strict=True))
        notes = _compare(files[0].parent, by_number, sets)
        return LabelSource("apart", chosen, format, files, "number", group=group), notes, tuple(sets)
    if stems == [file.stem for file in data_files]:
        return LabelSource("apart", chosen, format, files, "order", group=group), (), tuple(sets)
    raise DataError(
        f"{files[0].parent}: its {len(files)} files of labels ({listed(stems, 3)}) match the data neither by set "
        f"number nor by name ({listed([file.stem for file in data_files], 3)}); name them alike"
    )


def _numbered_by(sets: Sequence[RawSet], known: Iterable[int], data_files: Sequence[Path]) -> tuple[RawSet, ...]:
    """The sets; an only one without a number gets the number in its name for which there are labels."""
    if len(sets) != 1 or sets[0].number is not None:
        return tuple(sets)
    runs = [run for run in DIGITS.findall(data_files[0].stem) if len(run) <= numbering.LONGEST]
    candidates = sorted({int(run) for run in runs} & set(known))
    if len(candidates) > 1:
        raise DataError(
            f"{data_files[0]}: its set number may be {' or '.join(map(str, candidates))}, there are labels for each; "
            f"say which run of digits it is with set_number"
        )
    return (dataclasses.replace(sets[0], number=candidates[0]),) if candidates else tuple(sets)


def _compare(path: Path, known: Iterable[int], sets: Sequence[RawSet]) -> tuple[str, ...]:
    """Sets without labels are an error, labels without sets are told."""
    labelled = set(known)
    there = {found.number for found in sets if found.number is not None}
    missing = sorted(there - labelled)
    if missing:
        raise DataError(
            f"{path}: has no labels for set{'s' * (len(missing) > 1)} {numbering.ranges(missing)}; add them, or "
            f"take the data of these sets away"
        )
    absent = sorted(labelled - there)
    return (f"{path.name} also has labels for sets that are not there: {numbering.ranges(absent)}",) if absent else ()


def _the_label(path: Path, keys: Sequence[str]) -> str:
    if len(keys) == 1:
        return keys[0]
    found = _one_of(path, "labels", [key for key in keys if key.lower() in places.LABEL_NAMES], "label_column")
    if found is None:
        raise DataError(f"{path}: the labels may be any of {listed(keys)}; name one as label_column")
    return found


def _one_of(path: Path, what: str, candidates: Sequence[str], keyword: str) -> str | None:
    if len(candidates) > 1:
        raise DataError(f"{path}: the {what} may be in {listed(candidates)}; name one as {keyword}")
    return candidates[0] if candidates else None


def no_column(path: Path, key: str, name: str, columns: Sequence[str]) -> NoReturn:
    """Refuse a column that was said and is not there.

    Raises:
        DataError: naming it, what it was said as, the nearest, and all there are.
    """
    hint = did_you_mean(name, columns, "")
    raise DataError(f"{path}: {key} {shown(name)} is no column; {hint}{' ' if hint else ''}columns: {listed(columns)}")


def _no_column(path: Path, name: str, keys: Sequence[str]) -> NoReturn:
    raise DataError(f"{path}: has no column {shown(name)}; it has {listed(keys)}")


def field_of(data: "RawData", name: str) -> Field:
    """The field of a column of labels or groups of the data files, as it is asked for: text is left as it is."""
    return _as_cells(data.format, data.files[0], name)


def _as_cells(format: Format, path: Path, name: str) -> Field:
    found = next((field for field in format.fields(path) if field.name == name), None)
    if found is None:
        _no_column(path, name, [field.name for field in format.fields(path)])
    return Field(name, TEXT) if format.name in {"csv", "tsv"} else found


def cells(chunk: Chunk, name: str) -> "Cells":
    """One column of a chunk."""
    if name in chunk.lengths:
        return Steps(chunk.arrays[name], chunk.lengths[name])
    return list(chunk.text[name]) if name in chunk.text else chunk.arrays[name]


def words(found: "Cells") -> list[str]:
    """Cells of one number or word a sample as words."""
    return [str(cell) for cell in (found.values if isinstance(found, Steps) else found)]


def column(data: "RawData", name: str) -> "list[str] | NDArray[Any]":
    """One column of all data files, in the order of the samples.

    Raises:
        DataError: when it holds sequences.
    """
    found = _column(data, name)
    if isinstance(found, Steps):
        raise DataError(f"{data.path}: {shown(name)} holds sequences; give one number or word a sample")
    return found


def _column(data: "RawData", name: str) -> "Cells":
    field = field_of(data, name)
    return _joined([_read_field(data.format, data.files[found.file], field) for found in data.sets])


def read(data: "RawData") -> "Cells | None":
    """The labels of all samples in order; see `RawData.label_cells`."""
    source = data.labels
    if source.kind in {"none", "input"}:
        return None
    if source.kind == "folder":
        return [places.folder_of(data.path, file, source.level) for file in data.files]
    if source.kind == "column":
        return _column(data, source.column or "")
    return _apart(data, source)


def groups(data: "RawData") -> list[str]:
    """The groups of all samples in order: a column of the data, or of the files of labels, or folders."""
    if data.group_level:
        files = [(found.file + extra, found) for found in data.counted().sets for extra in range(found.files)]
        return [
            places.folder_of(data.path, data.files[file], data.group_level)
            for file, found in files
            for _ in range((found.samples or 0) // found.files)
        ]
    if data.labels.group is None:
        found: Cells = column(data, data.group or "")
    else:
        found = _apart(data, dataclasses.replace(data.labels, column=data.labels.group))
    cells = found.values if isinstance(found, Steps) else found
    return [str(cell) for cell in (cells if isinstance(cells, list) else cells.tolist())]


def _apart(data: "RawData", source: LabelSource) -> "Cells":
    found = {"number": _by_number, "order": _by_order, "name": _by_name}[source.by or "order"](data, source)
    if data.samples is not None:
        check_count(data, len(found), data.samples)
    return found


def check_count(data: "RawData", labels: int, samples: int) -> None:
    """Refuse another number of labels than of samples.

    Raises:
        DataError: with both.
    """
    if labels != samples:
        raise DataError(
            f"{data.labels.files[0]}: has {labels:,} labels for the {samples:,} samples of {data.path}; "
            f"give one a sample"
        )


def _by_number(data: "RawData", source: LabelSource) -> "Cells":
    assert_format = source.format
    if assert_format is None:
        raise ValueError("labels apart have a format")
    parts = []
    if len(source.files) > 1:
        found = numbering.of([file.stem for file in source.files], None, source.files[0].parent) or ()
        of = dict(zip(found, source.files, strict=True))
        for one in data.sets:
            path = of[one.number or 0]
            part = _read_field(assert_format, path, _as_cells(assert_format, path, source.column or ""))
            _check_set(path, None, part, one)
            parts.append(part)
        return _joined(parts)
    (path,) = source.files
    keys = {int(field.name): field for field in assert_format.fields(path)}
    for one in data.sets:
        field = _as_cells(assert_format, path, keys[one.number or 0].name)
        part = _read_field(assert_format, path, field)
        _check_set(path, field.name, part, one)
        parts.append(part)
    return _joined(parts)


def _check_set(path: Path, key: str | None, part: "Cells", found: RawSet) -> None:
    if found.samples is not None and len(part) != found.samples:
        told = "" if key is None else f" under {shown(key)}"
        raise DataError(
            f"{path}: has {len(part):,} labels{told} for the {found.samples:,} samples of set {found.number} "
            f"({found.name}); give one a sample"
        )


def _by_order(data: "RawData", source: LabelSource) -> "Cells":
    if source.format is None:
        raise ValueError("labels apart have a format")
    parts = [
        _read_field(source.format, path, _as_cells(source.format, path, source.column or "")) for path in source.files
    ]
    if len(parts) > 1:
        for path, part, found in zip(source.files, parts, data.sets, strict=True):
            _check_set(path, None, part, found)
    labels = _joined(parts)
    sizes = {found.samples for found in data.sets}
    if isinstance(labels, list | Steps) or labels.ndim < 2 or len(labels) == data.samples or len(sizes) > 1:
        return labels
    # one row a set: (sets, samples, ...)
    (size,) = sizes
    return labels.reshape(-1, *labels.shape[2:]) if labels.shape[:2] == (len(data.sets), size) else labels


def _by_name(data: "RawData", source: LabelSource) -> "Cells":
    if source.format is None or source.names is None:
        raise ValueError("labels by name have a format and a column of names")
    (path,) = source.files
    names = words(_read_field(source.format, path, Field(source.names, TEXT)))
    labels = _read_field(source.format, path, _as_cells(source.format, path, source.column or ""))
    row: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in row:
            raise DataError(f"{path}: names {shown(name)} twice; keep one row a file")
        row[name] = index
    stems = {Path(name).stem for name in row} == set(row)  # written without their extensions
    chosen = []
    for relative, file in zip(data.names, data.files, strict=True):
        candidates = [relative, file.name, *([file.stem] if stems else [])]
        at = next((row[name] for name in candidates if name in row), None)
        if at is None:
            raise DataError(f"{path}: has no label for {relative}; add a row, or take the file away")
        chosen.append(at)
    return [labels[at] for at in chosen] if isinstance(labels, list) else labels[chosen]


def _read_field(format: Format, path: Path, field: Field) -> "Cells":
    return _joined([cells(chunk, field.name) for chunk in format.chunks(path, [field], ROWS)])


def _joined(parts: "Sequence[Cells]") -> "Cells":
    import numpy as np

    words = [part for part in parts if isinstance(part, list)]
    if len(words) == len(parts):
        return [cell for part in words for cell in part]
    steps = [part for part in parts if isinstance(part, Steps)]
    if steps and len(steps) == len(parts):
        values = _joined([part.values for part in steps])
        return Steps(np.asarray(values), np.concatenate([part.lengths for part in steps]))
    arrays = [np.asarray(part) for part in parts]
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) > 1:
        raise DataError(f"labels differ in shape from set to set: {listed(sorted(map(str, shapes)))}; make them alike")
    return np.concatenate(arrays)
