"""Raw files are taken in: labels, groups, origins and, where they cannot be read at random, values are written.

What is written, and under which names, is told in `samples`.
"""

import functools
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError
from deeptrain.files import readable_json
from deeptrain.formats import labelling
from deeptrain.formats.cells import listed, shown
from deeptrain.formats.data import RawChunk, RawData
from deeptrain.formats.format import Field
from deeptrain.formats.labelling import Steps
from deeptrain.shards import labels, layout, npy, outputs, sources
from deeptrain.shards.info import Shape
from deeptrain.shards.labels import Cells, Labels
from deeptrain.shards.samples import NAME, Described, StoredInput, StoredSource, row_checks
from deeptrain.shards.settings import ONLY, DataSettings, Dtype
from deeptrain.shards.writing import Writer, smallest

CHUNK_BYTES = 8 << 20
SEQUENCES_AT_ONCE = 16  # their size is known when they are read
MOST_WAITING = 2  # chunks that are read and not yet written

LabelCells = Sequence[str] | NDArray[Any] | Steps


def write(
    writer: Writer, settings: DataSettings, base: Path, memory: int, watch: Callable[[int, int | None], None]
) -> None:
    """Read all raw files that the settings name and write what is known of each sample.

    Args:
        writer: takes the files.
        settings: `[data]`.
        base: directory of the TOML file.
        memory: bytes of values that may be held at once; some tens of bytes a sample come on top.
        watch: is told how many samples were read, and of how many if that is known.

    Raises:
        DataError: for whatever is wrong with raw files or labels.
    """
    raw = sources.open(settings, base)
    fields = _fields(raw, settings)
    staged = any(not one.random_access or one.samples is None for one in raw.values()) or any(
        field.is_sequence for field in fields
    )
    known = _Known(raw, settings)
    if staged:
        with _Values(writer, fields, raw, settings) as values:
            for name, one in raw.items():
                for chunk in one.chunks(_rows(fields, settings, memory), _dtypes(fields, settings)):
                    values.add(chunk)
                    known.add(name, chunk.labels, chunk.groups, chunk.origin)
                    watch(len(known), None)
    else:
        values = None
        for name, one in raw.items():
            known.add(name, one.label_cells(), one.group_cells(), _origin(one))
    for output, of in sources.open_labels(settings, base).items():
        for name, one in of.items():
            known.add_labels(name, one, output)
    _write_known(writer, settings, raw, fields, known, values)
    watch(len(known), len(known))


class _Known:
    """Labels, groups and origins as they come."""

    def __init__(self, raw: Mapping[str, RawData], settings: DataSettings) -> None:
        self.raw = raw
        self.cells = {output: Cells(values=told.kind == "values") for output, told in settings.told.items()}
        self.samples = dict.fromkeys(raw, 0)
        self._groups: dict[str, int] = {}
        self._codes: list[NDArray[np.int32]] = []
        self._origins: list[NDArray[Any]] = []
        counts = [len(one.files) for one in raw.values()]
        self._first = dict(zip(raw, np.cumsum([0, *counts]).tolist(), strict=False))
        self._numbers = {name: np.array([one.number or 0 for one in of.sets], np.int64) for name, of in raw.items()}

    def __len__(self) -> int:
        return sum(self.samples.values())

    def add(self, name: str, cells: LabelCells | None, groups: Sequence[str] | None, at: NDArray[np.int64]) -> None:
        origin = at.copy()
        origin[:, 0] = self._numbers[name][at[:, 0]]
        origin[:, 1] += self._first[name]
        self._origins.append(smallest(origin))
        if cells is not None:
            one = self.raw[name]
            self._add(name, cells, ONLY, len(at), lambda sample: one.place(int(at[sample, 1]), int(at[sample, 2])))
        if groups is not None:
            number = self._groups
            codes = (number.setdefault(cell, len(number)) for cell in groups)
            self._codes.append(np.fromiter(codes, np.int32, len(groups)))
        self.samples[name] += len(at)

    def add_labels(self, name: str, raw: RawData, output: str) -> None:
        """Labels of one of several outputs, once all samples are known."""
        names = list(self.samples)
        first = sum(self.samples[before] for before in names[: names.index(name)])
        cells = raw.label_cells()
        if cells is None:
            raise DataError(f"{raw.path}: no labels were found for the output {output}; name labels.{output}.column")
        self._add(name, cells, output, self.samples[name], lambda sample: self.place(first + sample))

    def _add(self, name: str, cells: LabelCells, output: str, samples: int, place: Callable[[int], str]) -> None:
        told = f"{self.raw[name].path}: has {{:,}} labels {f'of {output} ' if output else ''}for {{:,}} samples"
        if len(cells) != samples:
            raise DataError(told.format(len(cells), samples))
        values = cells.values if isinstance(cells, Steps) else cells
        if isinstance(values, np.ndarray) and values.dtype.kind == "f" and not np.isfinite(values).all():
            bad = int(np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))[0])
            if isinstance(cells, Steps):
                bad = int(np.searchsorted(np.cumsum(cells.lengths), bad, side="right"))
            raise DataError(f"{place(bad)}: the label is not finite; repair it or drop the row")
        self.cells[output].add(cells, f"{self.raw[name].path}: labels{f' of {output}' if output else ''}")

    def origin(self) -> NDArray[Any]:
        return np.concatenate(self._origins)

    def groups(self) -> NDArray[np.int32] | None:
        """Numbers in the order of the groups' names."""
        if not self._codes:
            return None
        rank = {name: index for index, name in enumerate(sorted(self._groups))}
        return np.array([rank[name] for name in self._groups], np.int32)[np.concatenate(self._codes)]

    def place(self, index: int) -> str:
        """Where sample `index` of all is, for messages."""
        _, file, row = self.origin()[index].tolist()
        name = max((first, name) for name, first in self._first.items() if first <= file)[1]
        one = self.raw[name]
        place = one.place(file - self._first[name], row)
        return f"{listed([str(path) for path in one.labels.files], 1)}: for {place}" if one.labels.files else place

    def place_of_label(self, output: str, index: int) -> str:
        """Where label `index` of an output is: its sample and, where it is one of a step, which."""
        lengths = self.cells[output].lengths
        if lengths is None:
            return self.place(index)
        ends = np.cumsum(lengths)
        sample = int(np.searchsorted(ends, index, side="right"))
        return f"{self.place(sample)}: step {index - int(ends[sample] - lengths[sample])}"


class _Values:
    """Files of values, hashed and written by a thread of their own while the next chunk is parsed."""

    def __init__(
        self, writer: Writer, fields: Sequence[Field], raw: Mapping[str, RawData], settings: DataSettings
    ) -> None:
        self._fields = {field.name: field for field in fields}
        self._paths = listed([str(one.path) for one in raw.values()])
        self._dtypes = {name: np.dtype(of).newbyteorder("<") for name, of in _dtypes(fields, settings).items()}
        self._opened = {field.name: writer.open(f"{field.name}.values") for field in fields}
        self._files: dict[str, npy.Sink] = {}
        self._thread = ThreadPoolExecutor(1, "write values")
        self._waiting: deque[Future[None]] = deque()
        self.rows = dict.fromkeys(self._fields, 0)
        self.lengths: dict[str, list[NDArray[np.int64]]] = {name: [] for name in self._fields}
        self.checks: dict[str, list[NDArray[np.uint64]]] = {name: [] for name in self._fields}

    def __enter__(self) -> "_Values":
        self._files = {name: opened.__enter__() for name, opened in self._opened.items()}
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            if error[0] is None:
                self._wait(0)
        finally:
            self._thread.shutdown(cancel_futures=True)
            for opened in self._opened.values():
                opened.__exit__(*error)

    def add(self, chunk: RawChunk) -> None:
        self._wait(MOST_WAITING - 1)
        self._waiting.append(self._thread.submit(self._write, chunk))

    def _wait(self, most: int) -> None:
        while len(self._waiting) > most:
            self._waiting.popleft().result()

    def _write(self, chunk: RawChunk) -> None:
        for name, field in self._fields.items():
            rows = np.ascontiguousarray(chunk.inputs[name], self._dtypes[name])
            if rows.shape[1:] != field.step:
                raise DataError(f"{self._paths}: {name} has rows of {rows.shape[1:]} where the first had {field.step}")
            lengths = np.ones(chunk.samples, np.int64)
            if field.is_sequence:
                lengths = np.asarray(chunk.lengths[name], np.int64)
                self.lengths[name].append(lengths)
            data = rows.reshape(-1).view(np.uint8)
            self._files[name].write(data.data)
            step = math.prod(field.step) * self._dtypes[name].itemsize
            self.checks[name].append(row_checks(data.data, np.cumsum([0, *(lengths * step)])))
            self.rows[name] += len(rows)


def _write_known(
    writer: Writer,
    settings: DataSettings,
    raw: Mapping[str, RawData],
    fields: Sequence[Field],
    known: _Known,
    values: _Values | None,
) -> None:
    first = next(iter(raw.values()))
    if not len(known):
        raise DataError(f"{first.path}: no samples: the raw files are empty")
    found = _labels(raw, settings, known)
    arrays: dict[str, NDArray[Any] | None] = {
        "origin": known.origin(),
        **{outputs.array_name(output): one.numbers for output, one in found.items()},
        "groups": known.groups(),
        "weights": _weights(settings, known),
    }
    if values is not None:
        for field in fields:
            arrays[f"{field.name}.checks"] = np.concatenate(values.checks[field.name])
            if field.is_sequence:
                arrays[f"{field.name}.lengths"] = lengths = np.concatenate(values.lengths[field.name])
                if lengths.min() < 1:
                    raise DataError(f"{known.place(int(lengths.argmin()))}: the sequence has no step; drop it")
    per_step = _per_step(known, {field.name: arrays.get(f"{field.name}.lengths") for field in fields})
    told: dict[str, Any] = {}
    for name, array in arrays.items():
        if array is not None:
            with writer.open(f"{name}.npy") as file:
                npy.write(file, array)
            told[name] = (array.dtype.name, array.shape)
    described = Described(
        inputs=tuple(
            StoredInput(
                name=field.name,
                dtype=settings.dtype_of(field.name),
                shape=_shape(field, settings),
                raw=field.shape,
                rows=len(known) if values is None else values.rows[field.name],
            )
            for field in fields
        ),
        sources=tuple(
            StoredSource(name=name, files=one.names, samples=known.samples[name]) for name, one in raw.items()
        ),
        columns=first.columns,
        kind=outputs.whole({output: one.kind for output, one in found.items()}) or "values",
        classes=outputs.whole({output: one.classes for output, one in found.items()}) or (),
        labels_are_input=not found,
        numbered=sources.numbered(raw),
        staged=values is not None,
        arrays=told,
        per_step=per_step,
    )
    writer.write(NAME, readable_json(described.plain()))


def _labels(raw: Mapping[str, RawData], settings: DataSettings, known: _Known) -> dict[str, Labels]:
    """The labels of all samples by output, none where they are the input."""
    if settings.labels == "input":
        return {}
    for one in raw.values():
        if one.labels.kind in ("none", "input") and not settings.outputs:
            raise DataError(
                f'{one.path}: no labels were found; name labels.column or labels.path, or set labels = "input" '
                f"for samples that are their own labels"
            )
    first = next(iter(raw.values())).labels
    found = {}
    for output, told in settings.told.items():
        cells = known.cells[output]
        if cells.lengths is None and len(cells) != len(known):
            raise DataError(f"{_paths(raw)}: has {len(cells):,} labels for {len(known):,} samples")
        column = told.column if output else first.column
        if not output and told.column is None and first.kind == "apart":
            column = first.files[0].name  # the name of an array that nobody gave says nothing
        of = (f" of {output}" if output else "") + ("" if column is None else f" {shown(column)}")
        place = functools.partial(known.place_of_label, output)
        found[output] = labels.interpret(cells, told, f"{_paths(raw)}: labels{of}", place)
    return found


def _per_step(known: _Known, lengths: Mapping[str, NDArray[np.int64] | None]) -> bool:
    """Whether labels are one a step: of all outputs, and as many as the steps of every sequence.

    Raises:
        DataError: when they are not.
    """
    of_steps = [output for output, cells in known.cells.items() if cells.lengths is not None]
    if not of_steps:
        return False
    others = sorted(set(known.cells) - set(of_steps))
    if others:
        raise DataError(
            f"{_paths(known.raw)}: the labels of {', '.join(of_steps)} are one a step, those of {', '.join(others)} "
            f"one a sample; give all outputs labels of one of these"
        )
    steps = {name: of for name, of in lengths.items() if of is not None}
    if not steps:
        raise DataError(f"{_paths(known.raw)}: labels are one a step, but the samples are no sequences")
    for output in of_steps:
        given = known.cells[output].lengths
        for name, wanted in steps.items():
            bad = np.flatnonzero(given != wanted)
            if given is not None and bad.size:
                at = int(bad[0])
                of = f" of {output}" if output else ""
                raise DataError(
                    f"{known.place(at)}: has {given[at]:,} labels{of} for the {wanted[at]:,} steps of {name}; "
                    f"give one a step"
                )
    return True


def _weights(settings: DataSettings, known: _Known) -> NDArray[np.float32] | None:
    if settings.weights is None:
        return None
    found = Cells(values=True)
    for one in known.raw.values():
        found.add(labelling.column(one, settings.weights), f"{one.path}: weights {shown(settings.weights)}")
    if found.wrong is not None:
        index, fault = found.wrong
        raise DataError(f"{known.place(index)}: the weight {fault}")
    weights = found.numbers.astype(np.float32)
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if bad.size:
        raise DataError(f"{known.place(int(bad[0]))}: a weight must be finite and at least 0, got {weights[bad[0]]:g}")
    if len(weights) != len(known):
        raise DataError(f"{_paths(known.raw)}: has {len(weights):,} weights for {len(known):,} samples")
    if not weights.any():
        raise DataError(f"{_paths(known.raw)}: all weights are 0; there is nothing to train on")
    return weights


def _paths(raw: Mapping[str, RawData]) -> str:
    return listed([str(one.path) for one in raw.values()])


def _fields(raw: Mapping[str, RawData], settings: DataSettings) -> tuple[Field, ...]:
    """The inputs that all raw data sets have."""
    first = next(iter(raw.values()))
    for one in raw.values():
        for field in one.inputs:
            if field.is_text:
                raise DataError(
                    f"{one.path}: {shown(field.name)} holds words; it can only be labels.column or splits.group, or "
                    f"be left out by reading.ignored"
                )
        here, there = ([(field.name, field.shape) for field in of.inputs] for of in (one, first))
        if here != there or one.columns != first.columns:
            raise DataError(
                f"{one.path}: has the inputs {_told(one)}, {first.path} has {_told(first)}; give all the same"
            )
    for field in first.inputs:  # the names of files are made of it: data must not choose where they are written
        if not layout.INPUT.fullmatch(field.name):
            raise DataError(
                f"{first.path}: the input {shown(field.name)} must have a name of letters, digits and _, at most 64; "
                f"rename it, or leave it out by reading.ignored"
            )
    if not first.inputs:
        raise DataError(f"{first.path}: no features: nothing is left for samples beside labels and groups")
    if settings.shape is not None and len(first.inputs) > 1:
        raise DataError(f"{first.path}: data.shape is for one input, there are {len(first.inputs)}: {_told(first)}")
    for field in first.inputs:
        _shape(field, settings, first)
    names = [field.name for field in first.inputs]
    for name in () if isinstance(settings.dtype, str) else settings.dtype:
        if name not in names:
            raise DataError(f"{first.path}: data.dtype names {shown(name)}, which is no input; inputs: {listed(names)}")
    return first.inputs


def _told(raw: RawData) -> str:
    return listed([f"{field.name} {list(field.shape)}" for field in raw.inputs])


def _shape(field: Field, settings: DataSettings, raw: RawData | None = None) -> Shape:
    """Of a sample in shards."""
    own = field.shape or (1,)
    if settings.shape is None or (raw is None and field.is_sequence):
        return own
    size = math.prod(settings.shape)
    if field.is_sequence and raw is not None:
        raise DataError(
            f"{raw.path}: data.shape {list(settings.shape)} is for samples of one size, these are sequences"
        )
    if size != math.prod(field.step) and raw is not None:
        has = f"{len(raw.columns):,} feature columns: {listed(raw.columns)}" if raw.columns else f"shape {list(own)}"
        raise DataError(f"{raw.path}: data.shape {list(settings.shape)} takes {size:,} values, a sample has {has}")
    return settings.shape


def _dtypes(fields: Sequence[Field], settings: DataSettings) -> dict[str, Dtype]:
    return {field.name: settings.dtype_of(field.name) for field in fields}


def _rows(fields: Sequence[Field], settings: DataSettings, memory: int) -> int:
    if any(field.is_sequence for field in fields):
        return SEQUENCES_AT_ONCE
    size = sum(math.prod(field.step) * np.dtype(settings.dtype_of(field.name)).itemsize for field in fields)
    # of this size, one is read, one is cast, one is written, and MOST_WAITING wait; the rest is the reader's
    return max(1, min(CHUNK_BYTES, memory // 16) // size)


def _origin(raw: RawData) -> NDArray[np.int64]:
    """(samples, 3) index of the set, raw file number and row of every sample, from the sets alone."""
    return np.concatenate([*_origins(raw), np.empty((0, 3), np.int64)])


def _origins(raw: RawData) -> Iterator[NDArray[np.int64]]:
    for index, one in enumerate(raw.sets):
        count = np.arange(one.samples or 0)
        files, rows = (one.file + count, 0 * count) if one.files > 1 else (one.file + 0 * count, one.first + count)
        yield np.stack([np.full(len(count), index), files, rows], axis=1).astype(np.int64)
