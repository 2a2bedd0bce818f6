"""From a path alone to a raw data set: its files by their names, then its sets, inputs and labels by their headers."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, TypedDict

from deeptrain.errors import DataError
from deeptrain.formats import labelling, numbering, numbers, places, registry
from deeptrain.formats.cells import listed, shown
from deeptrain.formats.data import RawData
from deeptrain.formats.format import Field, Format
from deeptrain.formats.labelling import LabelSource
from deeptrain.formats.places import Found as Found
from deeptrain.formats.places import find as find
from deeptrain.formats.sets import RawSet
from deeptrain.settings import Use

ONLY = "x"
"""Name of an only input, and of the feature columns of a table."""


@dataclass(frozen=True)
class Said:
    """What was set instead of inferred; see `open`."""

    labels: str | Path | None
    label_column: str | None
    label_names: str | None
    group: str | None
    inputs: tuple[str, ...] | None
    ignored: tuple[str, ...]
    rows: Literal["samples", "sets"] | None
    keys: Literal["inputs", "sets"] | None
    set_number: int | Literal["none"] | None
    allow_missing: bool


class Reading(TypedDict, total=False):
    """What may be said of raw data instead of inferred: the keywords of `open`, for functions that pass them on."""

    format: str | None
    loader: str | Use | Callable[[Path], Any] | None
    beside: Path | None
    labels: str | Path | None
    label_column: str | None
    label_names: str | None
    group: str | None
    inputs: Sequence[str] | None
    ignored: Sequence[str]
    rows: Literal["samples", "sets"] | None
    keys: Literal["inputs", "sets"] | None
    set_number: int | Literal["none"] | None
    features: int | None
    first: int | None
    mode: str | None
    header: bool | None
    allow_missing: bool


def open(
    path: Path,
    *,
    format: str | None = None,
    loader: str | Use | Callable[[Path], Any] | None = None,
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
    first: int | None = None,
    mode: str | None = None,
    header: bool | None = None,
    others: Sequence[Path] = (),
    allow_missing: bool = False,
) -> RawData:
    """The raw data set at `path`; what is not said is inferred, and an ambiguity is an error that names the candidates.

    Args:
        path: a file, a directory of files of one format, or a directory of folders, one a class.
        format: its name ("npy", "csv", ...); None tells it by the extensions.
        loader: a function, or "module:function", alone or with arguments (`Use`), called with the path of a file; see
            `loaders`.
        beside: directory where the loader's module is looked for first.
        labels: a file or directory of labels, relative to the working directory; or "none", "input" (the samples
            themselves), "folder", "column"; None looks for them, see `places.find`.
        label_column: the column or key of labels: of the data, or of the files of labels where `labels` names them.
        label_names: in a table of labels, the column that names the file of a sample.
        group: a column or key of the data, or of the table of labels apart, of what must not be split (a person); it is
            no input. Or "folder": the folder that a file lies in, of two in each other the first ("folder:2": the
            second); of pictures and recordings the other one is the class then.
        inputs: names of the keys or columns that are inputs; None: all that are nothing else.
        ignored: keys or columns that are left out.
        rows: whether the first axis of the array of an only file counts samples or sets of samples.
        keys: whether the keys (of a table, the columns) of an only file are inputs of a sample, or sets.
        set_number: which run of digits in a name is the set number, 1 the first; "none": names have none.
        features: number of features of svmlight files.
        first: number of their first feature, 0 or 1 (so if nothing is said).
        mode: of images, into which all are converted ("RGB", "L").
        header: whether the first line of a text table holds the names of the columns.
        others: files or directories that are neither samples nor the labels that are asked for.
        allow_missing: whether inputs may hold NaN (an empty cell of a table, a null), as floats do.

    Raises:
        DataError: naming what is wrong, missing or ambiguous.
        UserCodeError: when a loader function is not found, raises, or gives what it must not.
    """
    found = find(
        path,
        format=format,
        loader=loader,
        beside=beside,
        labels=labels,
        label_column=label_column,
        group=group,
        others=others,
    )
    kind = registry.configured(found.format, features=features, first=first, mode=mode, header=header)
    columns = None if inputs is None else tuple(inputs)
    said = Said(
        labels, label_column, label_names, group, columns, tuple(ignored), rows, keys, set_number, allow_missing
    )
    return _of(found, kind, _fields(kind, found.files), said)


def _fields(format: Format, files: Sequence[Path]) -> tuple[Field, ...]:
    """The fields of all files, which must agree."""
    fields = format.fields(files[0])
    trait = format.trait(files[0])
    for file in files[1:]:
        other = format.fields(file)
        if [field.name for field in other] != [field.name for field in fields]:
            _differ(file, files[0], other, fields)
        for field, before in zip(other, fields, strict=True):
            text_proposed = format.name in {"csv", "tsv"}
            if field != before and not text_proposed:
                raise DataError(
                    f"{file}: {shown(field.name)} is {_described(field)} where it is {_described(before)} in "
                    f"{files[0].name}; all raw files need the same"
                )
        if format.trait(file) != trait:
            raise DataError(
                f"{file}: has {format.trait(file)} where {files[0].name} has {trait}; all raw files need the same"
            )
    return fields


def _described(field: Field) -> str:
    shape = "x".join("steps" if size is None else str(size) for size in field.shape)
    return f"{field.dtype} of shape {shape}" if shape else field.dtype


def _differ(file: Path, first: Path, fields: Sequence[Field], before: Sequence[Field]) -> NoReturn:
    names, expected = [field.name for field in fields], [field.name for field in before]
    missing = [name for name in expected if name not in set(names)]
    extra = [name for name in names if name not in set(expected)]
    told = [f"{verb} {listed(which, 4)}" for verb, which in (("misses", missing), ("adds", extra)) if which]
    text = f"{' and '.join(told)} compared with the columns of" if told else "has the columns in another order than"
    raise DataError(f"{file}: {text} {first.name}; all raw files need the same columns")


def _of(found: Found, format: Format, fields: tuple[Field, ...], said: Said) -> RawData:
    path, group = found.path, said.group
    names = [field.name for field in fields]
    if found.group_level:
        if group in names:
            raise DataError(f"{path}: group {shown(group)} may be that column or the folders; rename the column")
        said = dataclasses.replace(said, group=None)
    group_apart = said.group is not None and said.group not in names and bool(found.labels)
    if said.group is not None and format.single and not found.labels:
        raise DataError(
            f"{path}: group {shown(said.group)} is a column of a table of labels (file, label, "
            f"{shown(said.group, quoted=False)}), there is none for these files; write one and name it as labels, or "
            f"put the files of each group into a folder and say group = 'folder'"
        )
    for key, asked in (
        ("label_column", [said.label_column] if not found.labels and said.label_column else []),
        ("group", [said.group] if said.group and not group_apart else []),
        ("inputs", said.inputs or ()),
        ("ignored", said.ignored),
    ):
        for name in asked:
            if name not in names:
                labelling.no_column(path, key, name, names)
    shapes = {field.name: field.shape for field in fields}
    if said.group is not None and shapes.get(said.group):
        raise DataError(f"{path}: group {shown(said.group)} holds arrays; a group is a number or a word a sample")
    keyed = _keys_are_sets(found, format, fields, said)
    label = None if keyed else _label_column(found, fields, said)
    taken = {label, said.group, *said.ignored}
    chosen = [field for field in fields if field.name not in taken and (not said.inputs or field.name in said.inputs)]
    if keyed:
        inputs, sources, columns = _one_of_keys(path, chosen)
    else:
        inputs, sources, columns = _inputs(path, format, chosen, names)
    notes: tuple[str, ...] = ()
    per_row = 0
    if said.rows == "sets" or said.rows is None:
        per_row = _samples_per_row(found, format, inputs, sources, said, keyed)
    if per_row and (label or said.group):
        raise DataError(
            f"{path}: rows are sets, so {shown(label or said.group)} cannot be read along with them; put labels in a "
            f"file of their own, or leave it out with ignored"
        )
    if keyed:
        sets = _sets_of_keys(found, format, chosen)
    elif per_row:
        count = format.samples(found.files[0], sources[0] or ONLY) or 0
        sets = tuple(RawSet(row, str(row), 0, row * per_row, per_row) for row in range(count))
        inputs = (Field(inputs[0].name, inputs[0].dtype, inputs[0].shape[1:]),)
    else:
        sets, notes = _sets_of_files(found, format, sources, columns, said)
        if not format.single:
            _check_lengths(found, format, [*(source for source in sources if source), *([label] if label else [])])
    missing = numbering.gaps([one.number for one in sets if one.number is not None])
    notes += (f"set numbers missing: {missing}",) if missing else ()
    source, label_notes, sets = _labels(found, format, label, sets, said, said.group if group_apart else None)
    return RawData(
        path,
        format,
        found.files,
        inputs,
        sources,
        columns,
        sets,
        source,
        group,
        per_row,
        notes + label_notes,
        said.allow_missing,
        found.group_level,
    )


def _keys_are_sets(found: Found, format: Format, fields: Sequence[Field], said: Said) -> bool:
    """Whether the keys of an only file are sets: they are numbers, or that was said."""
    if said.keys is not None:
        if said.keys == "sets" and (len(found.files) > 1 or format.single):
            raise DataError(f"{found.path}: keys are sets only in a data set of one file, there are {len(found.files)}")
        return said.keys == "sets"
    if format.tabular or format.single or len(found.files) > 1 or said.inputs:
        return False
    rest = [field for field in fields if field.name not in {said.label_column, said.group, *said.ignored}]
    digits = [field.name for field in rest if _is_number(field.name)]
    words = [field.name for field in rest if not _is_number(field.name)]
    if digits and words:
        raise DataError(
            f"{found.files[0]}: has keys that are numbers ({listed(digits, 3)}) and words ({listed(words, 3)}): are "
            f"they sets or inputs? Say keys = 'sets' or 'inputs', and leave others out with ignored"
        )
    if digits:
        return True
    alike = [field for field in rest if field.name.lower() not in places.LABEL_NAMES]
    kinds = {(field.dtype, field.shape) for field in alike}
    if len(alike) > 1 and len(kinds) == 1 and numbering.of([field.name for field in alike], None, found.path):
        raise DataError(
            f"{found.files[0]}: the keys {listed([field.name for field in alike], 3)} are alike but for a number: are "
            f"they sets or inputs? Say keys = 'sets' or 'inputs'"
        )
    return False


def _is_number(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) <= numbering.LONGEST


def _label_column(found: Found, fields: Sequence[Field], said: Said) -> str | None:
    """The column or key of labels in the data files, or None; an error where labels may be in several places."""
    if said.label_column is not None and not found.labels:
        return said.label_column
    if said.labels is not None and str(said.labels) != "column":
        return None
    rest = [field for field in fields if field.name not in {said.group, *said.ignored, *(said.inputs or ())}]
    named = [field.name for field in rest if field.name.lower() in places.LABEL_NAMES]
    if {"x", "y", "z"} <= {field.name.lower() for field in fields}:  # coordinates
        named = [name for name in named if name.lower() != "y"]
    if not named and not found.labels and not found.classes:
        words = [field.name for field in rest if field.is_text]
        named = words if len(words) == 1 and len(rest) > 1 else []
    if len(rest) == 1 and str(said.labels) != "column":  # the only field is the input, whatever it is called
        named = []
    candidates = [f"the column {shown(name)}" for name in named]
    candidates += [f"the file {found.labels[0].name}"] if found.labels else []
    candidates += [f"the folders {listed(found.classes, 4)}"] if found.classes else []
    if len(candidates) > 1:
        raise DataError(
            f"{found.path}: labels may be {' or '.join(candidates)}; say which with label_column, or labels = (a path, "
            f"'folder', 'column' or 'none')"
        )
    if str(said.labels) == "column" and not named:
        raise DataError(
            f"{found.path}: no column is named as labels are ({listed(sorted(places.LABEL_NAMES))}); name it as "
            f"label_column; columns: {listed([field.name for field in fields])}"
        )
    return named[0] if named else None


def _inputs(
    path: Path, format: Format, chosen: Sequence[Field], names: Sequence[str]
) -> tuple[tuple[Field, ...], tuple[str | None, ...], tuple[str, ...]]:
    """Inputs, their sources, and the feature columns of a table."""
    if not chosen:
        raise DataError(f"{path}: no features: its columns are {listed(names)}, none is left for samples")
    for field in chosen:
        if field.is_text:
            raise DataError(
                f"{path}: column {shown(field.name)} holds words, so it can only be the labels (label_column), the "
                f"group, or ignored"
            )
        if field.dtype not in numbers.DTYPES:
            raise DataError(
                f"{path}: column {shown(field.name)} has the type {field.dtype}, which is not read; convert it to "
                f"numbers or words, or name it in ignored"
            )
    if not format.tabular:
        inputs = [(field, field.name) for field in chosen]
    else:
        inputs = [(field, field.name) for field in chosen if field.shape]
    columns = [field for field in chosen if not field.shape] if format.tabular else []
    if len(inputs) == 1 and not columns:
        ((field, source),) = inputs
        name = field.name if format.single else ONLY
        return (Field(name, field.dtype, field.shape),), (source,), ()
    if columns and any(field.name == ONLY for field, _ in inputs):
        raise DataError(
            f"{path}: the column {ONLY!r} and the columns of numbers would both be the input {ONLY!r}; rename it"
        )
    found: list[Field] = [field for field, _ in inputs]
    sources: list[str | None] = [source for _, source in inputs]
    if columns:
        import numpy as np

        dtype = np.result_type(*(field.dtype for field in columns)).name
        found.insert(0, Field(ONLY, dtype, (len(columns),)))
        sources.insert(0, None)
    return tuple(found), tuple(sources), tuple(field.name for field in columns)


def _one_of_keys(
    path: Path, chosen: Sequence[Field]
) -> tuple[tuple[Field, ...], tuple[str | None, ...], tuple[str, ...]]:
    """The input whose samples lie under the keys, which must be alike."""
    if not chosen:
        raise DataError(f"{path}: no key is left for samples")
    first = chosen[0]
    for field in chosen:
        if (field.dtype, field.shape) != (first.dtype, first.shape):
            raise DataError(
                f"{path}: set {shown(field.name)} is {_described(field)} where set {shown(first.name)} is "
                f"{_described(first)}; all sets need the same"
            )
    if first.is_text or first.dtype not in numbers.DTYPES:
        raise DataError(f"{path}: the sets hold {first.dtype}, samples are numbers")
    return (Field(ONLY, first.dtype, first.shape),), (None,), ()


def _sets_of_keys(found: Found, format: Format, chosen: Sequence[Field]) -> tuple[RawSet, ...]:
    path = found.files[0]
    names = [field.name for field in chosen]
    if all(_is_number(name) for name in names):
        numbers_of: tuple[int, ...] | None = tuple(map(int, names))
    else:
        numbers_of = numbering.of(names, None, path)
    if numbers_of is None:
        raise DataError(f"{path}: the keys {listed(names, 3)} have no numbers that could be set numbers")
    seen: dict[int, str] = {}
    for number, name in zip(numbers_of, names, strict=True):
        if number in seen:
            raise DataError(f"{path}: set number {number} is doubled: keys {shown(seen[number])} and {shown(name)}")
        seen[number] = name
    sets = []
    first = 0
    for number in sorted(seen):
        samples = format.samples(path, seen[number])
        sets.append(RawSet(number, seen[number], 0, first, samples, seen[number]))
        first += samples or 0
    return tuple(sets)


def _sets_of_files(
    found: Found, format: Format, sources: Sequence[str | None], columns: Sequence[str], said: Said
) -> tuple[tuple[RawSet, ...], tuple[str, ...]]:
    """A set a file, numbered if names tell; all files together where each is one sample."""
    count = len(found.files)
    if format.single:
        return (RawSet(None, found.path.name, 0, 0, count, files=count),), ()
    stems = [file.stem for file in found.files]
    in_folders = found.group_level > 0
    alike = in_folders and len(set(stems)) < count and said.set_number is None  # "anna/1.csv" and "ben/1.csv"
    numbers_of = None if alike else numbering.of(stems, said.set_number, found.path)
    field = sources[0] or columns[0]
    names = [file.relative_to(found.path).as_posix() if in_folders else file.name for file in found.files]
    sets = [
        RawSet(None if numbers_of is None else numbers_of[index], names[index], index, 0, format.samples(file, field))
        for index, file in enumerate(found.files)
    ]
    if numbers_of is not None:
        sets.sort(key=lambda one: one.number or 0)
    unnumbered = count > 1 and numbers_of is None and said.set_number is None
    note = f"the names of the {count} files have no set number in common; sets are in natural order"
    return tuple(sets), (note,) if unnumbered else ()


def _check_lengths(found: Found, format: Format, names: Sequence[str]) -> None:
    """All keys that are read together must be equally long."""
    if format.tabular or len(names) < 2:
        return
    for file in found.files:
        counts = {name: format.samples(file, name) for name in names}
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{shown(name)} {count:,}" for name, count in counts.items() if count is not None)
            raise DataError(
                f"{file}: its keys differ in length: {told}; make them alike, or leave some out with ignored"
            )


def _samples_per_row(
    found: Found, format: Format, inputs: Sequence[Field], sources: Sequence[str | None], said: Said, keyed: bool
) -> int:
    """How many samples each row of an only array has, 0 where a row is a sample."""
    possible = (
        not (keyed or format.tabular or format.single)
        and len(found.files) == len(inputs) == 1
        and len(inputs[0].shape) > 0
        and not inputs[0].is_sequence
    )
    if said.rows == "sets":
        if not possible:
            raise DataError(f"{found.path}: rows are sets only in an only array of shape (sets, samples, ...)")
        return inputs[0].step[0]
    if not possible or len(found.labels) != 1 or len(inputs[0].shape) < 2:
        return 0
    labels = registry.of(found.labels[0])
    if labels.tabular or labels.single:
        return 0
    fields = labels.fields(found.labels[0])
    if len(fields) != 1 or not fields[0].shape:
        return 0
    rows = format.samples(found.files[0], sources[0] or ONLY)
    if labels.samples(found.labels[0], fields[0].name) == rows and fields[0].shape[0] == inputs[0].shape[0]:
        raise DataError(
            f"{found.path}: both the data and {found.labels[0].name} begin with the axes {rows} x "
            f"{inputs[0].shape[0]}: are they sets of samples, or samples with {math.prod(fields[0].step)} labels each? "
            f"Say rows = 'sets' or 'samples'"
        )
    return 0


def _labels(
    found: Found, format: Format, label: str | None, sets: tuple[RawSet, ...], said: Said, group: str | None
) -> tuple[LabelSource, tuple[str, ...], tuple[RawSet, ...]]:
    if label is not None:
        return LabelSource("column", label), (), sets
    if str(said.labels) == "folder" or (said.labels is None and found.classes):
        if not found.classes:
            raise DataError(f"{found.path}: labels = 'folder', but its files lie in no folders of their own")
        return LabelSource("folder", classes=found.classes, level=found.class_level), (), sets
    if found.labels:
        return labelling.resolve(
            found.labels, said.label_column, said.label_names, group, sets, found.files, format.single
        )
    return LabelSource("input" if str(said.labels) == "input" else "none"), (), sets
