"""A raw data set as one object, whatever its layout: its sets, its inputs, where its labels are, its samples."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeptrain.errors import DataError
from deeptrain.formats import labelling, places
from deeptrain.formats.cells import shown
from deeptrain.formats.format import Chunk, Field, Format
from deeptrain.formats.labelling import LabelSource
from deeptrain.formats.region import empty
from deeptrain.formats.sets import RawSet

if TYPE_CHECKING:  # a plan imports this file and must not load NumPy for it
    import numpy as np
    from numpy.typing import NDArray

    from deeptrain.formats.labelling import Cells


@dataclass(frozen=True)
class RawChunk:
    """Consecutive samples of one set.

    Attributes:
        inputs: by name (samples, *shape), of a sequence the steps of all samples, (steps, *shape[1:]).
        lengths: of each sequence (samples,) int64.
        labels: one a sample, or one a step of it, None where `LabelSource.kind` is "none" or "input".
        groups: one word a sample, None where no group column was named.
        origin: (samples, 3) int64: index of the set in `RawData.sets`, raw file number, row in the raw file.
    """

    inputs: "Mapping[str, NDArray[Any]]"
    lengths: "Mapping[str, NDArray[np.int64]]"
    labels: "Cells | None"
    groups: Sequence[str] | None
    origin: "NDArray[np.int64]"

    @property
    def samples(self) -> int:
        """How many samples it has."""
        return len(self.origin)


@dataclass(frozen=True)
class RawData:
    """Raw files of one format that together are one data set. Made by `discovery.open`.

    Samples are numbered from 0 over all sets in order.

    Attributes:
        path: the file or directory that was opened.
        format: what reads the files.
        files: in natural order; a raw file's *number* is its index here.
        inputs: what a sample is made of, as stored; an only input is called "x". The feature columns of a table are
            one input of shape (columns,).
        sources: for each input the key or column in the files; None for the feature columns of a table, and where
            keys or columns are sets.
        columns: names of a table's features, else ().
        sets: in the order of their numbers.
        labels: where the labels are.
        group: the column of groups, of the data or of their table of labels (`LabelSource.group`), or "folder", or
            None.
        rows_per_set: 0, or how many samples each row of the array has that is a set.
        notes: what a user should be told: missing set numbers, labels without data.
        allow_missing: whether inputs of a float dtype may hold NaN; labels, groups and weights never do.
        group_level: which folder below the path is the group of a file, 1 the first; 0 where groups are a column.
    """

    path: Path
    format: Format
    files: tuple[Path, ...]
    inputs: tuple[Field, ...]
    sources: tuple[str | None, ...]
    columns: tuple[str, ...]
    sets: tuple[RawSet, ...]
    labels: LabelSource
    group: str | None = None
    rows_per_set: int = 0
    notes: tuple[str, ...] = ()
    allow_missing: bool = False
    group_level: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files relative to the path, with "/", the same on every machine."""
        root = self.path if self.path.is_dir() else self.path.parent
        return tuple(file.relative_to(root).as_posix() for file in self.files)

    @property
    def samples(self) -> int | None:
        """How many there are, None when only reading it all tells (text); see `counted`."""
        counts = [found.samples for found in self.sets if found.samples is not None]
        return sum(counts) if len(counts) == len(self.sets) else None

    @functools.cached_property
    def random_access(self) -> bool:
        """Whether `take` works: samples can be read in any order, without reading those before them."""
        if self.rows_per_set or any(field.is_sequence for field in self.inputs):
            return False
        firsts = self.files[:1] if self.format.single else self.files
        return all(self.format.random_access(file) for file in firsts)

    def counted(self) -> "RawData":
        """The same with the number of samples of each set known; reads all of a text file, if need be."""
        if self.samples is not None:
            return self
        sets = []
        for found in self.sets:
            field = self._asked(found, {field.name: self._wanted(field, None) for field in self.inputs})[-1]
            chunks = self.format.chunks(self.files[found.file], [field], COUNTED)
            sets.append(dataclasses.replace(found, samples=sum(chunk.samples for chunk in chunks)))
        return dataclasses.replace(self, sets=tuple(sets))

    def chunks(self, rows: int, dtype: str | Mapping[str, str] | None = None) -> Iterator[RawChunk]:
        """All samples in order, at most `rows` at once, in bounded memory; chunks never cross sets.

        Where a row of an array is a set, a chunk has at least one set.

        Args:
            rows: most samples of a chunk.
            dtype: of the inputs, or of those that are named; of others, as they are stored. Numbers are checked: finite
                (see `allow_missing`), and held exactly by a whole-number dtype.

        Raises:
            DataError: naming file and place of what cannot be read or does not fit, and when there are more or fewer
                labels than samples.
        """
        apart = labelling.read(self) if self.labels.kind == "apart" else None
        groups = self.group_cells() if self.labels.group is not None else None
        wanted = {field.name: self._wanted(field, dtype) for field in self.inputs}
        done = 0
        for number, found in enumerate(self.sets):
            for chunk in self._of_set(number, found, rows, wanted):
                last = done + chunk.samples
                if apart is not None and last <= len(apart):
                    told = None if groups is None else groups[done:last]
                    yield dataclasses.replace(chunk, labels=apart[done:last], groups=told or chunk.groups)
                elif apart is None:
                    yield chunk
                done = last
        if apart is not None:
            labelling.check_count(self, len(apart), done)

    def label_cells(self) -> "Cells | None":
        """The labels of all samples in order, without reading the inputs where the format allows it.

        Words are as in the file; numbers (samples, ...) of the dtype they are stored in; `labelling.Steps` where each
        step has one. None if there are none, or if they are the input.

        Raises:
            DataError: when a set or a sample has none, or there are more or fewer than samples.
        """
        return labelling.read(self)

    def group_cells(self) -> list[str] | None:
        """The group of each sample in order, None without a group column."""
        if self.group is None:
            return None
        return labelling.groups(self)

    def take(self, indices: "NDArray[np.int64]", out: "Mapping[str, NDArray[Any]]") -> None:
        """Put the samples of these numbers into `out`: for each input (len(indices), *shape). See `random_access`.

        Raises:
            DataError: naming file and place of a number that is not finite or does not fit the dtype of `out`.
        """
        import numpy as np

        ends = np.cumsum([found.samples for found in self.sets])
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < int(ends[-1]):
            raise IndexError(f"samples have the numbers 0 to {int(ends[-1]) - 1}, asked for is {indices.max()}")
        of = np.searchsorted(ends, indices, side="right")
        order = np.argsort(of, kind="stable")
        numbers_of, firsts = np.unique(of[order], return_index=True)
        for number, first, last in zip(numbers_of.tolist(), firsts, [*firsts[1:], len(order)], strict=True):
            found = self.sets[number]
            chosen = order[first:last]
            rows = indices[chosen] - (ends[number] - (found.samples or 0))
            for field, source in zip(self.inputs, self.sources, strict=True):
                # `chosen` ascends: where it is a run, the samples are read to where they belong
                run = slice(chosen[0], chosen[-1] + 1)
                if len(chosen) == run.stop - run.start:
                    self._take(found, field, source, rows, out[field.name][run])
                    continue
                part = empty((len(chosen), *field.step), out[field.name].dtype)
                self._take(found, field, source, rows, part)
                out[field.name][chosen] = part

    def _take(
        self, found: RawSet, field: Field, source: str | None, rows: "NDArray[np.int64]", out: "NDArray[Any]"
    ) -> None:
        import numpy as np

        path = self.files[found.file]
        field = dataclasses.replace(field, missing=self.allow_missing)
        if self.format.single:
            for place, row in enumerate(rows.tolist()):
                self.format.take(self.files[found.file + row], field, np.zeros(1, np.int64), out[place : place + 1])
        elif found.key is None and source is None:
            for index, column in enumerate(self.columns):
                part = np.empty(len(rows), out.dtype)
                self.format.take(path, Field(column, out.dtype.name, (), self.allow_missing), rows, part)
                out[:, index] = part
        else:
            name = source if found.key is None else found.key
            self.format.take(path, dataclasses.replace(field, name=name or field.name), rows, out)

    def place(self, file: int, row: int) -> str:
        """Name of a raw file and where in it a row is, for messages: "digits/digits-2.csv: line 7"."""
        path = self.files[file]
        keys = [found for found in self.sets if found.file == file and found.key is not None and found.first <= row]
        if keys and not self.rows_per_set:
            found = max(keys, key=lambda key: key.first)
            return f"{path}: {shown(found.key)}: {self.format.place(path, row - found.first)}"
        told = self.format.place(path, row)
        return f"{path}: {told}" if told else str(path)

    def where(self, index: int) -> str:
        """Name of the raw file of sample `index`, and where it is in it; sizes of sets must be known."""
        for found in self.sets:
            if index < (found.samples or 0):
                return (
                    self.place(found.file + index, 0)
                    if self.format.single
                    else self.place(found.file, found.first + index)
                )
            index -= found.samples or 0
        raise IndexError(f"{self.path}: has no sample of that number")

    def _wanted(self, field: Field, dtype: str | Mapping[str, str] | None) -> Field:
        """An input as it is asked for."""
        named = dtype if isinstance(dtype, str) else (dtype or {}).get(field.name, field.dtype)
        return dataclasses.replace(field, dtype=named, missing=self.allow_missing)

    def _asked(self, found: RawSet, wanted: Mapping[str, Field]) -> list[Field]:
        """The fields of the file that are read for the inputs of a set, which are wanted so."""
        fields: list[Field] = []
        for name, source in zip(wanted, self.sources, strict=True):
            field = wanted[name]
            if found.key is not None:
                fields.append(dataclasses.replace(field, name=found.key))
            elif self.rows_per_set:
                fields.append(dataclasses.replace(field, name=source or name, shape=(self.rows_per_set, *field.shape)))
            elif source is None:
                fields += [dataclasses.replace(field, name=column, shape=()) for column in self.columns]
            else:
                fields.append(dataclasses.replace(field, name=source))
        return fields

    def _of_set(self, number: int, found: RawSet, rows: int, wanted: Mapping[str, Field]) -> Iterator[RawChunk]:
        if self.format.single:
            yield from self._of_single_files(number, found, rows, wanted)
            return
        if self.rows_per_set:
            if number == 0:  # the rows of an only file, each a set
                yield from self._of_rows(rows, wanted)
            return
        path = self.files[found.file]
        fields = self._asked(found, wanted)
        group = None if self.labels.group is not None or self.group_level else self.group
        apart = [name for name in (self._label_column, group) if name is not None]
        fields += [labelling.field_of(self, name) for name in apart]
        done = 0
        for chunk in self.format.chunks(path, fields, rows):
            yield RawChunk(
                self._inputs(chunk, found, path),
                self._lengths(chunk, found),
                None if self._label_column is None else labelling.cells(chunk, self._label_column),
                self._folders([path] * chunk.samples)
                if group is None
                else labelling.words(labelling.cells(chunk, group)),
                _origin(number, found.file, found.first + chunk.first, chunk.samples),
            )
            done += chunk.samples
        if found.samples is not None and done != found.samples:
            raise DataError(
                f"{path}: has {done:,} samples where it had {found.samples:,} when it was opened; did the file change?"
            )

    def _of_rows(self, rows: int, wanted: Mapping[str, Field]) -> Iterator[RawChunk]:
        import numpy as np

        per = self.rows_per_set
        fields = self._asked(self.sets[0], wanted)
        for chunk in self.format.chunks(self.files[0], fields, max(1, rows // per)):
            samples = np.arange(chunk.first * per, (chunk.first + chunk.samples) * per)
            yield RawChunk(
                {
                    field.name: chunk.arrays[read.name].reshape(-1, *field.step)
                    for field, read in zip(self.inputs, fields, strict=True)
                },
                {},
                None,
                None,
                np.stack([samples // per, np.zeros_like(samples), samples], axis=1),
            )

    def _of_single_files(
        self, number: int, found: RawSet, rows: int, wanted: Mapping[str, Field]
    ) -> Iterator[RawChunk]:
        import numpy as np

        (field,) = wanted.values()
        for start in range(0, found.files, rows):
            numbers_of = range(found.file + start, found.file + min(start + rows, found.files))
            parts = [next(iter(self.format.chunks(self.files[file], [field], 1))) for file in numbers_of]
            for file, part in zip(numbers_of, parts, strict=True):
                self._check_shape(field, part.arrays[field.name], self.files[file])
            origin = np.zeros((len(parts), 3), np.int64)
            origin[:, 0] = number
            origin[:, 1] = numbers_of
            files = [self.files[file] for file in numbers_of]
            classes = [places.folder_of(self.path, file, self.labels.level) for file in files if self.labels.classes]
            yield RawChunk(
                {field.name: np.concatenate([part.arrays[field.name] for part in parts])},
                {name: np.concatenate([part.lengths[name] for part in parts]) for name in parts[0].lengths},
                classes or None,
                self._folders(files),
                origin,
            )

    def _folders(self, files: Sequence[Path]) -> list[str] | None:
        """The groups of samples of these files, where folders are."""
        if not self.group_level:
            return None
        return [places.folder_of(self.path, file, self.group_level) for file in files]

    @property
    def _label_column(self) -> str | None:
        return self.labels.column if self.labels.kind == "column" else None

    def _inputs(self, chunk: Chunk, found: RawSet, path: Path) -> "dict[str, NDArray[Any]]":
        import numpy as np

        arrays = {}
        for field, source in zip(self.inputs, self.sources, strict=True):
            name = source if found.key is None else found.key
            if name is not None:
                array = chunk.arrays[name]
            elif chunk.table is not None:
                array = np.ascontiguousarray(chunk.table[:, : len(self.columns)])
            else:
                array = np.stack([chunk.arrays[column] for column in self.columns], axis=1)
            self._check_shape(field, array, path)
            arrays[field.name] = array
        return arrays

    def _lengths(self, chunk: Chunk, found: RawSet) -> "dict[str, NDArray[np.int64]]":
        names = {(source if found.key is None else found.key): field.name for field, source in self._paired}
        return {names[name]: lengths for name, lengths in chunk.lengths.items() if name in names}

    @property
    def _paired(self) -> Sequence[tuple[Field, str | None]]:
        return tuple(zip(self.inputs, self.sources, strict=True))

    def _check_shape(self, field: Field, array: "NDArray[Any]", path: Path) -> None:
        if array.shape[1:] != field.step:
            raise DataError(
                f"{path}: has {'steps' if field.is_sequence else 'samples'} of shape {array.shape[1:]} where the "
                f"others have {field.step}; did the file change since it was opened?"
            )


COUNTED = 1 << 16  # samples at once where they are only counted


def _origin(number: int, file: int, first: int, samples: int) -> "NDArray[np.int64]":
    import numpy as np

    origin = np.empty((samples, 3), np.int64)
    origin[:, 0] = number
    origin[:, 1] = file
    origin[:, 2] = np.arange(first, first + samples)
    return origin
