""".npz: several named arrays in one file, compressed or not, read in parts and never unpickled."""

import contextlib
import dataclasses
import functools
import zipfile
import zlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeptrain.errors import DataError, said
from deeptrain.formats import npy, numbers
from deeptrain.formats.cells import listed, shown
from deeptrain.formats.format import Chunk, Field
from deeptrain.formats.region import REMEMBERED, Region, into

if TYPE_CHECKING:  # a plan imports this file and must not load NumPy for it
    import numpy as np
    from numpy.typing import NDArray

LOCAL_HEADER = 30  # bytes before a member's name, its last four the lengths of the name and of what follows it


@dataclass(frozen=True)
class Npz:
    """Files of named arrays; a `Format`."""

    name: str = "npz"
    extensions: tuple[str, ...] = (".npz",)
    tabular: bool = False
    single: bool = False

    def fields(self, path: Path) -> tuple[Field, ...]:
        """One field an array."""
        with _opened(path) as archive:
            found = [(key, _header(archive, path, key)) for key in _keys(archive, path)]
        return tuple(numbers.field_of(key, at.dtype, at.shape[1:], f"{path}: {shown(key)}") for key, at in found)

    def samples(self, path: Path, field: str) -> int | None:
        """Length of the array's first axis."""
        with _opened(path) as archive:
            return _header(archive, path, field).shape[0]

    def chunks(self, path: Path, fields: Sequence[Field], rows: int) -> Iterator[Chunk]:
        """See `Format.chunks`; the sums of the archive are checked where its arrays end."""
        with _opened(path) as archive, contextlib.ExitStack() as stack:
            parts = [stack.enter_context(contextlib.closing(_parts(archive, path, field, rows))) for field in fields]
            for together in zip(*parts, strict=True):
                chunks = list(together)
                yield Chunk(
                    chunks[0].first,
                    chunks[0].samples,
                    {name: array for chunk in chunks for name, array in chunk.arrays.items()},
                    {name: words for chunk in chunks for name, words in chunk.text.items()},
                    {},
                )

    def random_access(self, path: Path) -> bool:
        """Where nothing in the file is compressed."""
        with _opened(path) as archive:
            return all(member.compress_type == zipfile.ZIP_STORED for member in archive.infolist())

    def take(self, path: Path, field: Field, rows: "NDArray[np.int64]", out: "NDArray[Any]") -> None:
        """See `Format.take`."""
        now = path.stat()
        _stored(path, field.name, now.st_ino, now.st_size, now.st_mtime_ns).take(rows, out, field.missing)

    def place(self, path: Path, row: int) -> str:  # noqa: ARG002
        """The row."""
        return f"row {row:,}"

    def trait(self, path: Path) -> str:  # noqa: ARG002
        """Nothing."""
        return ""


NPZ = Npz()


@functools.lru_cache(REMEMBERED)
def _stored(path: Path, key: str, inode: int, size: int, changed: int) -> Region:  # noqa: ARG001
    """Where the array of a key is in a file without compression; the last arguments say which file this was."""
    with _opened(path) as archive, path.open("rb") as file:
        region = _header(archive, path, key)
        begin = archive.getinfo(f"{key}.npy").header_offset
        file.seek(begin)
        local = file.read(LOCAL_HEADER)
    begin += LOCAL_HEADER + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    return dataclasses.replace(region, offset=begin + region.offset)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, KeyError) as error:
        raise DataError(f"{path}: is damaged or no npz: {said(error)}; write it again with numpy.savez") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or said(error)}") from error


def _keys(archive: zipfile.ZipFile, path: Path) -> list[str]:
    names = [member.filename for member in archive.infolist()]
    others = [name for name in names if not name.endswith(".npy")]
    if others:
        raise DataError(f"{path}: holds {listed([shown(name) for name in others], 3)}, which is no array of an npz")
    doubled = [name for index, name in enumerate(names) if name in names[:index]]
    if doubled:
        raise DataError(
            f"{path}: holds the array {shown(doubled[0].removesuffix('.npy'))} twice; write it again with numpy.savez"
        )
    if not names:
        raise DataError(f"{path}: no samples: it holds no arrays")
    return [name.removesuffix(".npy") for name in names]


def _header(archive: zipfile.ZipFile, path: Path, key: str) -> Region:
    """The array of a key; the offset counts from the beginning of the member."""
    what = f"{path}: {shown(key)}"
    member = archive.getinfo(f"{key}.npy")
    with archive.open(member) as file:
        region = npy.header(file, path, what)
    npy.check_size(region, member.file_size - region.offset, what)
    return region


def _parts(archive: zipfile.ZipFile, path: Path, field: Field, rows: int) -> Generator[Chunk, None, None]:
    import numpy as np

    what = f"{path}: {shown(field.name)}"
    region = _header(archive, path, field.name)
    if region.fortran and len(region.shape) > 1:
        raise DataError(f"{what}: lies in Fortran order, in which samples cannot be read in parts; save it in C order")
    with archive.open(f"{field.name}.npy") as file:
        file.seek(region.offset)
        for first in range(0, region.shape[0], rows):
            part = np.empty((min(rows, region.shape[0] - first), *region.shape[1:]), region.dtype)
            into(part, file, f"{what}: is cut off: it has fewer bytes than the archive says")
            yield npy.as_chunk(first, part, field, what)
        if file.read(1):  # reading on to the end also checks the sum
            raise DataError(f"{what}: has more bytes than the archive says")
