"""From raw files to shards; the format of shards is described here.

A directory of shards holds

    data.json                     what there is: see `layout.Layout`
    parts/train-00001.x.npy       (rows, *shape) samples in the dtype of the settings
    parts/train-00001.y.npy       (rows,) labels: uint8 for binary, int64 for classes, float32 for values
    parts/train-00001.rows.npy    (rows, 3) int64: set number, raw file number, row in the raw file (both from 0)

and the same for each further shard (of `samples_per_shard` samples, the last one of a split shorter) and each split
that has samples. All are plain `.npy` files in C order and little endian whose data begins at byte 4096 (`npy`).

A *set* is `samples_per_set` consecutive samples of a split (the last one shorter). Set numbers begin at 1 and go on
through train, val, calibration and test, so that a number names a set of the whole data. Within a split samples are
in the random order that belongs to the seed: raw data sorted by class becomes sets of mixed classes.

Every byte is a function of the settings and the raw files.
"""

import difflib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError
from deeptrain.files import readable_json
from deeptrain.formats import raw
from deeptrain.formats.cells import listed, shown
from deeptrain.formats.raw import Raw
from deeptrain.shards import layout, npy, splits
from deeptrain.shards.info import DataInfo
from deeptrain.shards.labels import DTYPES, Labels, interpret
from deeptrain.shards.layout import Layout, Sets, Shard, SplitLayout
from deeptrain.shards.settings import SPLITS, DataSettings
from deeptrain.shards.sources import label_path
from deeptrain.shards.statistics import statistics


class Writer(Protocol):
    """Where shards are written: the store's artifact, or a directory in tests."""

    def open(self, name: str) -> AbstractContextManager[npy.Sink]:
        """A new file of this name ("parts/train-00001.x.npy"), whole and durable when its block ends."""
        ...

    def write(self, name: str, data: bytes) -> object:
        """A new file with these bytes."""
        ...


@dataclass(frozen=True)
class Samples:
    """All samples of the raw files, in their order.

    Attributes:
        values: (samples, *shape).
        origin: (samples, 2) int64: raw file number, row in it.
        columns: names of the features.
        labels: see `Labels`.
        groups: (samples,) group numbers from 0, or None.
    """

    values: NDArray[Any]
    origin: NDArray[np.int64]
    columns: tuple[str, ...]
    labels: Labels
    groups: NDArray[np.int64] | None


def convert(settings: DataSettings, base: Path, writer: Writer) -> DataInfo:
    """Write the shards of the raw files that the settings name, and return what is known of them.

    Holds all samples in memory at once, twice for a moment.

    Args:
        settings: `[data]` of the experiment.
        base: directory of the TOML file, to which the settings' paths are relative.
        writer: takes the files.

    Raises:
        DataError: for whatever is wrong with raw files, labels or the sizes of the splits.
    """
    labels_at = label_path(settings, base)
    data = raw.open(base / settings.path, settings.format, without=() if labels_at is None else (labels_at,))
    samples = _read(data, settings, labels_at)
    found = _split(samples, settings)
    info = DataInfo(
        shape=samples.values.shape[1:],
        dtype=settings.dtype,
        kind=samples.labels.kind,
        classes=samples.labels.classes,
        samples={name: len(found.get(name, ())) for name in SPLITS},
        label_counts={name: _label_counts(samples.labels, found.get(name)) for name in SPLITS},
        columns=samples.columns,
        statistics=statistics(samples.values, found["train"]),
    )
    layouts = {}
    first = 1
    for name, indices in found.items():
        layouts[name] = _write_split(name, indices, first, samples, settings, writer)
        first += -(-len(indices) // settings.samples_per_set)
    described = Layout(version=layout.VERSION, info=info, raw=data.names, splits=layouts)
    writer.write(layout.NAME, readable_json(described.plain()))
    return info


def _read(data: Raw, settings: DataSettings, labels_at: Path | None) -> Samples:
    """Everything in the raw files and the labels' files."""
    label = settings.labels.column if labels_at is None else None
    group = settings.splits.group
    text = [name for name in (label, group) if name is not None]
    for key, name in (("labels.column", label), ("splits.group", group)):
        if name is not None:
            _check_column(data, key, name)
    columns = tuple(name for name in data.columns if name not in text)
    shape = settings.shape or (len(columns),)
    if not columns:
        raise DataError(f"{data.path}: no features: its columns are {listed(data.columns)}, none is left for samples")
    if int(np.prod(shape, dtype=object)) != len(columns):
        raise DataError(
            f"{data.path}: data.shape {list(shape)} takes {int(np.prod(shape, dtype=object)):,} values, a sample has "
            f"{len(columns):,} feature columns: {listed(columns)}"
        )
    tables = list(data.tables(np.dtype(settings.dtype), text))
    origin = np.concatenate(
        [np.stack([np.full(table.rows, i), np.arange(table.rows)], axis=1) for i, table in enumerate(tables)]
    ).astype(np.int64)
    values = np.concatenate([table.values for table in tables]).reshape(-1, *shape)
    words = {name: [cell for table in tables for cell in table.text[name]] for name in text}

    if labels_at is not None:
        labels = _labels_apart(labels_at, settings, data, len(values))
    else:
        if label is None:
            raise DataError(f"{data.path}: labels: name their column or their path")
        source = f"{data.path}: labels {shown(label)}"
        labels = interpret(words[label], settings.labels, source, lambda i: data.place(*origin[i].tolist()))
    groups = None
    if group is not None:
        number = {name: index for index, name in enumerate(sorted(set(words[group])))}
        groups = np.array([number[cell] for cell in words[group]], np.int64)
    return Samples(values, origin, columns, labels, groups)


def _labels_apart(path: Path, settings: DataSettings, data: Raw, samples: int) -> Labels:
    """Labels from files of their own, one row a sample."""
    apart = raw.open(path)
    column = settings.labels.column
    if column is None and len(apart.columns) > 1:
        raise DataError(f"{path}: has {len(apart.columns)} columns, {listed(apart.columns)}; name one as labels.column")
    if column is not None:
        _check_column(apart, "labels.column", column)
    column = column or apart.columns[0]
    ignored = [name for name in apart.columns if name != column]
    tables = list(apart.tables(np.dtype(np.float64), [column], ignored))
    cells = [cell for table in tables for cell in table.text[column]]
    if len(cells) != samples:
        raise DataError(
            f"{path}: has {len(cells):,} labels in column {shown(column)} for the {samples:,} samples of {data.path}; "
            f"give one a sample, in the same order"
        )
    ends = np.cumsum([table.rows for table in tables])

    def place(index: int) -> str:
        file = int(np.searchsorted(ends, index, side="right"))
        return apart.place(file, index - int(ends[file]) + tables[file].rows)

    return interpret(cells, settings.labels, f"{path}: labels", place)


def _check_column(data: Raw, key: str, name: str) -> None:
    if name not in data.columns:
        near = difflib.get_close_matches(name, data.columns, n=1)
        hint = f"did you mean {shown(near[0])}? " if near else ""
        raise DataError(f"{data.path}: {key} {shown(name)} is no column; {hint}columns: {listed(data.columns)}")


def _split(samples: Samples, settings: DataSettings) -> dict[str, splits.Indices]:
    count = len(samples.values)
    wanted = splits.sizes(settings.splits.asked(), count)
    classes = samples.labels.numbers.astype(np.int64) if samples.labels.classes else None
    stratify = classes if settings.splits.stratify else None
    found = splits.split(wanted, count, settings.seed, stratify, samples.groups)
    if classes is not None:
        splits.check_classes(found, classes, samples.labels.classes)
    return found


def _label_counts(labels: Labels, indices: splits.Indices | None) -> tuple[int, ...]:
    chosen = labels.numbers[:0] if indices is None else labels.numbers[indices]
    return tuple(int(np.count_nonzero(chosen == number)) for number in range(len(labels.classes)))


def _write_split(
    name: str, indices: splits.Indices, first_set: int, samples: Samples, settings: DataSettings, writer: Writer
) -> SplitLayout:
    """Write the shards of one split, whose set numbers begin at `first_set`."""
    sets = first_set + np.arange(len(indices), dtype=np.int64) // settings.samples_per_set
    rows = np.column_stack([sets, samples.origin[indices]])
    shards: list[Shard] = []
    for start in range(0, len(indices), settings.samples_per_shard):
        chosen = slice(start, start + settings.samples_per_shard)
        shard = Shard(name=layout.part(name, len(shards) + 1), rows=len(indices[chosen]))
        arrays = {
            "x": samples.values[indices[chosen]],
            "y": samples.labels.numbers[indices[chosen]].astype(DTYPES[samples.labels.kind], copy=False),
            "rows": rows[chosen],
        }
        for kind, array in arrays.items():
            with writer.open(f"{shard.name}.{kind}.npy") as file:
                npy.write(file, array)
        shards.append(shard)
    whole, rest = divmod(len(indices), settings.samples_per_set)
    runs = []
    if whole:
        runs.append(Sets(first=first_set, count=whole, samples=settings.samples_per_set))
    if rest:
        runs.append(Sets(first=first_set + whole, count=1, samples=rest))
    return SplitLayout(shards=tuple(shards), sets=tuple(runs))
