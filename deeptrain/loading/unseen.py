"""Samples of new raw files, read as the raw files of a run were read: without labels, and its inputs by their names."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import ArtifactError, DataError
from deeptrain.formats import discovery, places, registry
from deeptrain.formats.cells import listed, shown
from deeptrain.formats.csv import Delimited
from deeptrain.formats.data import RawData
from deeptrain.formats.discovery import ONLY
from deeptrain.formats.format import Field, Format
from deeptrain.formats.image import Images
from deeptrain.formats.svmlight import Svmlight
from deeptrain.settings import Use
from deeptrain.shards.info import DataInfo, InputInfo
from deeptrain.shards.settings import ReadingSettings

ROWS = 4096  # samples that are read at once
SEQUENCES = 16  # their size is known when they are read


@dataclasses.dataclass(frozen=True)
class Way:
    """How a run read its raw files, as far as new ones are read likewise. Made by `of`.

    Attributes:
        format: what `[data]` named, or None where extensions told it.
        loader: "module:function" and its arguments, or None.
        reading: what was said instead of inferred.
        others: columns and keys that are no inputs: labels, weights, groups, what was ignored.
        reshaped: whether the shape of samples was said, and files only had as many values.
        allow_missing: whether inputs may hold NaN.
    """

    format: str | None
    loader: Use | None
    reading: ReadingSettings
    others: frozenset[str]
    reshaped: bool
    allow_missing: bool = False

    @classmethod
    def of(cls, settings: Mapping[str, Any], source: str) -> "Way":
        """The way that settings tell.

        Args:
            settings: those in the manifest of shards: `DataSettings.relevant`.
            source: the manifest's path, for messages.

        Raises:
            ArtifactError: when they are no such settings.
        """
        try:
            labels, reading = settings["labels"], msgspec.convert(settings["reading"], ReadingSettings)
            told: Mapping[str, Any] = {} if isinstance(labels, str) else msgspec.convert(labels, dict[str, Any])
            several = bool(told) and all(isinstance(one, Mapping) for one in told.values())
            columns = {one["column"] for one in (told.values() if several else [told]) if one and not one["path"]}
            others = {*columns, settings["weights"], settings["splits"]["group"], *reading.ignored} - {None}
            format, named = msgspec.convert(
                [settings["format"], settings["loader"]], tuple[str | None, str | Use | None]
            )
            loader = None if named is None else Use.of(named)
            missing = settings.get("allow_missing") is True
            reshaped = settings["shape"] is not None
            return cls(format, loader, reading, msgspec.convert(others, frozenset[str]), reshaped, missing)
        except (KeyError, TypeError, msgspec.ValidationError) as error:
            raise ArtifactError(f"{source}: not the manifest of shards: {error!r}") from error


def read(path: Path, data: DataInfo, way: Way, *, format: str | None = None, beside: Path | None = None) -> Any:
    """The samples of raw files, in the order of the files' names, without their labels if they have any.

    Of a table the columns that the run was trained on, in any order; of files with several arrays those of the run's
    inputs by name, or, where it has one input only, the one that is no label; the rest is ignored.

    Args:
        path: a file or directory, as for `deeptrain.loading.open`.
        data: what the model was trained on.
        way: how its raw files were read.
        format: of the new files, if they differ in it; a loader function then is not called.
        beside: where the loader's module is looked for. It is imported: give only what is trusted.

    Returns:
        (samples, *shape) of the run's dtype; a list of arrays (steps, *shape) where samples are sequences; a dictionary
        of these by input where there are several.

    Raises:
        DataError: when files cannot be read, columns or inputs lack, or shape or dtype are others.
        UserCodeError: when the loader raises or gives what it must not.
    """
    raw = _opened(path, data, way, format, beside)
    fields = _fields(raw, data, way)
    parts: dict[str, list[NDArray[Any]]] = {one.name: [] for one in data.inputs}
    columns = [raw.columns.index(name) for name in data.columns] if raw.columns else []
    sequences = any(field.is_sequence for field in fields.values())
    dtypes = {fields[one.name].name: one.dtype for one in data.inputs}
    for chunk in raw.chunks(SEQUENCES if sequences else ROWS, dtypes):
        for one in data.inputs:
            field = fields[one.name]
            array = chunk.inputs[field.name]
            if field.is_sequence:
                parts[one.name] += np.split(array, np.cumsum(chunk.lengths[field.name])[:-1])
            elif one.sequence:
                parts[one.name] += list(array)
            else:
                array = array[:, columns] if columns and field.name == ONLY else array
                parts[one.name].append(array.reshape(len(array), *_sizes(one)))
    if not all(parts.values()):
        raise DataError(f"{path}: no samples: the files are empty")
    found = {one.name: parts[one.name] if one.sequence else np.concatenate(parts[one.name]) for one in data.inputs}
    return found if len(found) > 1 else next(iter(found.values()))


def _opened(path: Path, data: DataInfo, way: Way, format: str | None, beside: Path | None) -> RawData:
    loader = way.loader if format is None else None
    where: dict[str, Any] = {"format": format or way.format, "loader": loader, "beside": beside, "labels": "none"}
    group = next((name for name in way.others if name in places.FOLDERS), None)
    found = discovery.find(path, **where, group=group)
    # What was said of pictures, sparse rows or text is said of such files only.
    told: dict[str, Any] = {}
    if isinstance(found.format, Images):
        told["mode"] = way.reading.mode
    if isinstance(found.format, Svmlight):  # the largest feature may be in none of the new lines
        told |= {"features": math.prod(_sizes(data.inputs[0])), "first": way.reading.first}
    if isinstance(found.format, Delimited):
        told["header"] = way.reading.header
    kind = registry.configured(found.format, **told)
    fields = kind.fields(found.files[0])
    keyed = _keys_are_sets(kind, found.files, fields, way)
    names = {field.name for field in fields}
    return discovery.open(
        path,
        **where,
        **told,
        inputs=None if keyed or kind.single else _inputs(path, kind, fields, data, way),
        ignored=sorted(way.others & names) if keyed else (),
        rows=way.reading.rows,
        keys=way.reading.keys if keyed else None,
        group=group if found.group_level else None,
        allow_missing=way.allow_missing,
        set_number="none",  # sets are of no use here, and so is what their names lack
    )


def _keys_are_sets(kind: Format, files: Sequence[Path], fields: Sequence[Field], way: Way) -> bool:
    """Whether the keys of an only file are sets, as `discovery` tells."""
    if len(files) > 1 or kind.single or [field.name for field in fields] == [ONLY]:
        return False
    if way.reading.keys is not None:
        return way.reading.keys == "sets"
    return not kind.tabular and any(field.name.isdecimal() for field in fields if field.name not in way.others)


def _inputs(path: Path, kind: Format, fields: Sequence[Field], data: DataInfo, way: Way) -> tuple[str, ...]:
    """Names of the columns or keys that are what the run was trained on."""
    there = {field.name: field for field in fields}
    if kind.tabular and data.columns:
        wanted = [*data.columns, *(one.name for one in data.inputs if one.name != ONLY)]
        what = "columns"
    elif len(data.inputs) > 1:
        wanted = [one.name for one in data.inputs]
        what = "inputs"
    else:
        return (_only(path, kind, fields, data, way),)
    missing = [name for name in wanted if name not in there]
    if missing:
        raise DataError(f"{path}: lacks {len(missing)} of the {len(wanted)} {what}: {listed(missing[:5])}")
    words = [name for name in wanted if there[name].is_text]
    if words:
        raise DataError(f"{path}: column {shown(words[0])} holds words, the run was trained on numbers there")
    return tuple(wanted)


def _only(path: Path, kind: Format, fields: Sequence[Field], data: DataInfo, way: Way) -> str:
    """The key or list column that is the run's only input, whose name in its raw files is not known but if said."""
    arrays = [field.name for field in fields if not field.is_text and (field.shape or not kind.tabular)]
    if not arrays:
        raise DataError(
            f"{path}: has {listed([field.name for field in fields])}, none of which is an array of numbers; the run "
            f"was trained on samples of shape {_described(data.inputs[0].shape)}"
        )
    said = [name for name in way.reading.inputs or () if name in arrays]
    candidates = said or [name for name in arrays if name not in way.others] or arrays
    if len(candidates) > 1:
        candidates = [name for name in candidates if name.lower() not in places.LABEL_NAMES] or candidates
    if len(candidates) > 1 and ONLY not in candidates:
        raise DataError(
            f"{path}: has {listed(candidates)} where the run was trained on one input; name that one {ONLY!r}, or "
            f"leave the others out"
        )
    return candidates[0] if len(candidates) == 1 else ONLY


def _fields(raw: RawData, data: DataInfo, way: Way) -> dict[str, Field]:
    """The field of each input of the run, all of a shape that it takes."""
    if len(data.inputs) == 1 and len(raw.inputs) == 1:
        found = {data.inputs[0].name: raw.inputs[0]}
    else:
        found = {field.name: field for field in raw.inputs}
    for one in data.inputs:
        shape = found[one.name].shape or (1,)
        if not _takes(one, shape, way):
            told = "" if len(data.inputs) == 1 else f"of {shown(one.name)} "
            raise DataError(
                f"{raw.path}: samples {told}have the shape {_described(shape)}, the run was trained on "
                f"{_described(one.shape)}"
            )
    return found


def _takes(like: InputInfo, shape: tuple[int | None, ...], way: Way) -> bool:
    if like.sequence:
        return len(shape) == len(like.shape) and shape[1:] == like.shape[1:]
    flat = None not in shape and (way.reshaped or len(shape) == 1)
    return shape == like.shape or (flat and math.prod(_known(shape)) == math.prod(_sizes(like)))


def _sizes(like: InputInfo) -> tuple[int, ...]:
    return _known(like.shape)


def _known(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size is not None)


def _described(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('steps' if size is None else str(size) for size in shape)}{',' * (len(shape) == 1)})"
