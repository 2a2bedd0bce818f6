"""HDF5: each data set in a file is a key, its rows the samples. A file cannot lead out of itself.

Refused: links (soft and external), virtual data sets, data kept in external files, filters that are plug-ins, types
that are neither numbers nor words, and data sets whose data were never written (they read as fill values). Scalars
are taken for notes and left out.
"""

import contextlib
import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeptrain.errors import DataError, said
from deeptrain.formats import numbers
from deeptrain.formats.cells import shown
from deeptrain.formats.format import TEXT, Chunk, Field
from deeptrain.formats.region import REMEMBERED, Region

if TYPE_CHECKING:  # a plan imports this file and must not load NumPy for it
    import h5py
    import numpy as np
    from numpy.typing import NDArray

FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})
"""Numbers of the filters that come with HDF5 and h5py: deflate, shuffle, fletcher32, szip, nbit, scaleoffset, lzf."""
BLOCK_ROWS = 256  # that are read at once for scattered rows of a data set without chunks


@dataclass(frozen=True)
class Hdf5:
    """Files of named data sets; a `Format`. The field of a data set in a group is called "group/name"."""

    name: str = "hdf5"
    extensions: tuple[str, ...] = (".h5", ".hdf5", ".hdf")
    tabular: bool = False
    single: bool = False

    def fields(self, path: Path) -> tuple[Field, ...]:
        """One field a data set, in the order of the names."""
        with _opened(path) as file:
            found = tuple(_field(data, path, key) for key, data in _walk(file, path, "", set()))
        if not found:
            raise DataError(f"{path}: no samples: it holds no data sets")
        return found

    def samples(self, path: Path, field: str) -> int | None:
        """Length of the data set's first axis."""
        with _opened(path) as file:
            return int(_data(file, path, field).shape[0])

    def chunks(self, path: Path, fields: Sequence[Field], rows: int) -> Iterator[Chunk]:
        """See `Format.chunks`; data sets of several fields must be equally long."""
        with _opened(path) as file:
            data = {field.name: _data(file, path, field.name) for field in fields}
            lengths = {int(found.shape[0]) for found in data.values()}
            if len(lengths) > 1:
                told = ", ".join(f"{shown(name)} {found.shape[0]:,}" for name, found in data.items())
                raise DataError(f"{path}: its data sets differ in length: {told}")
            most = max((found.chunks[0] for found in data.values() if found.chunks), default=1)
            step = rows if rows < most else rows - rows % most  # a chunk is decompressed once
            for first in range(0, lengths.pop(), step):
                yield _chunk(path, fields, data, first, step)

    def random_access(self, path: Path) -> bool:  # noqa: ARG002
        """Always."""
        return True

    def take(self, path: Path, field: Field, rows: "NDArray[np.int64]", out: "NDArray[Any]") -> None:
        """See `Format.take`. A chunk is read whole, and once a call."""
        import numpy as np

        now = path.stat()
        region = _contiguous(path, field.name, now.st_ino, now.st_size, now.st_mtime_ns)
        if region is not None:
            region.take(rows, out, field.missing)
            return
        with _opened(path) as file:
            data = _data(file, path, field.name)
            order = np.argsort(rows, kind="stable")
            size = data.chunks[0] if data.chunks else BLOCK_ROWS
            blocks = rows[order] // size
            for block in np.unique(blocks).tolist():
                chosen = order[np.searchsorted(blocks, block) : np.searchsorted(blocks, block, side="right")]
                values = data[block * size : (block + 1) * size][rows[chosen] - block * size]

                def where(i: int, chosen: "NDArray[np.int64]" = chosen) -> str:
                    return f"{path}: {shown(field.name)}: row {int(rows[chosen[i]]):,}"

                out[chosen] = numbers.cast(values, out.dtype.name, where, field.missing)

    def place(self, path: Path, row: int) -> str:  # noqa: ARG002
        """The row."""
        return f"row {row:,}"

    def trait(self, path: Path) -> str:  # noqa: ARG002
        """Nothing."""
        return ""


HDF5 = Hdf5()


@contextlib.contextmanager
def _opened(path: Path) -> "Iterator[h5py.File]":
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{path}: is damaged or no HDF5: {said(error)}") from error


def _walk(group: "h5py.Group", path: Path, prefix: str, above: set[int]) -> "Iterator[tuple[str, h5py.Dataset]]":
    import h5py

    above = above | {h5py.h5o.get_info(group.id).addr}
    for name in group:
        key = f"{prefix}{name}"
        _check_link(group, name, path, key)
        if not key.isprintable():
            raise DataError(f"{path}: the key {key!r} has characters that cannot be printed; rename it")
        found = group[name]
        if isinstance(found, h5py.Group):
            if h5py.h5o.get_info(found.id).addr in above:
                raise DataError(f"{path}: the group {shown(key)} lies in itself")
            yield from _walk(found, path, f"{key}/", above)
        elif isinstance(found, h5py.Dataset) and found.shape != ():
            yield key, found


def _check_link(group: "h5py.Group", name: str, path: Path, key: str) -> None:
    import h5py

    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        kind = "an external link" if isinstance(link, h5py.ExternalLink) else "a soft link"
        raise DataError(f"{path}: {shown(key)} is {kind}, which is not followed; copy the data themselves to here")


def _data(file: "h5py.File", path: Path, key: str) -> "h5py.Dataset":
    import h5py

    group = file
    parts = key.split("/")
    for depth, name in enumerate(parts):
        if not isinstance(group, h5py.Group) or name not in group:
            raise DataError(f"{path}: has no key {shown(key)}; did the file change since it was opened?")
        _check_link(group, name, path, "/".join(parts[: depth + 1]))
        group = group[name]
    if not isinstance(group, h5py.Dataset):
        raise DataError(f"{path}: {shown(key)} is no data set; did the file change since it was opened?")
    _check(group, path, key)
    return group


def _field(data: "h5py.Dataset", path: Path, key: str) -> Field:
    import h5py

    _check(data, path, key)
    if h5py.check_string_dtype(data.dtype) is not None and len(data.shape) == 1:
        return Field(key, TEXT)
    return numbers.field_of(key, data.dtype, data.shape[1:], f"{path}: {shown(key)}")


def _check(data: "h5py.Dataset", path: Path, key: str) -> None:
    """Refuse data that lie elsewhere, that need foreign code, or that are not there."""
    what = f"{path}: {shown(key)}"
    made = data.id.get_create_plist()
    if data.is_virtual:
        raise DataError(f"{what}: is a virtual data set, whose data lie in other files; copy the data to here")
    if made.get_external_count():
        raise DataError(f"{what}: keeps its data in external files, which is refused; copy the data to here")
    foreign = {made.get_filter(i)[0] for i in range(made.get_nfilters())} - FILTERS
    if foreign:
        raise DataError(f"{what}: needs the filter {min(foreign)}, a plug-in; store it with gzip, lzf or none")
    if 0 in data.shape:
        raise DataError(f"{what}: no samples: its shape is {data.shape}")
    if data.chunks:
        if math.prod(data.chunks) * data.dtype.itemsize > numbers.MOST_SAMPLE_BYTES:
            raise DataError(f"{what}: its chunks of shape {data.chunks} are too large to be read one by one")
        expected = math.prod(-(-size // chunk) for size, chunk in zip(data.shape, data.chunks, strict=True))
        if data.id.get_num_chunks() != expected:
            raise DataError(
                f"{what}: is not whole: {data.id.get_num_chunks():,} of {expected:,} chunks for its shape {data.shape} "
                f"were ever written"
            )
    elif data.id.get_storage_size() != math.prod(data.shape) * data.dtype.itemsize and not _variable(data):
        raise DataError(f"{what}: is not whole: its shape {data.shape} was never written")


def _variable(data: "h5py.Dataset") -> bool:
    import h5py

    kind = h5py.check_string_dtype(data.dtype)
    return kind is not None and kind.length is None


@functools.lru_cache(REMEMBERED)
def _contiguous(path: Path, key: str, inode: int, size: int, changed: int) -> Region | None:  # noqa: ARG001
    """Where the data of a key lie if they lie in one piece as they are; the last arguments say which file this was."""
    with _opened(path) as file:
        data = _data(file, path, key)
        offset = None if data.chunks or file.userblock_size else data.id.get_offset()
        return None if offset is None else Region(path, offset, data.dtype, data.shape, f"{path}: {shown(key)}")


def _chunk(path: Path, fields: Sequence[Field], data: "dict[str, h5py.Dataset]", first: int, rows: int) -> Chunk:
    arrays, text = {}, {}
    samples = 0
    for field in fields:
        part = data[field.name][first : first + rows]
        samples = len(part)

        def where(row: int, key: str = field.name) -> str:
            return f"{path}: {shown(key)}: row {first + row:,}"

        if field.is_text:
            text[field.name] = numbers.words(part, where)
        else:
            arrays[field.name] = numbers.cast(part, field.dtype, where, field.missing)
    return Chunk(first, samples, arrays, text, {})
