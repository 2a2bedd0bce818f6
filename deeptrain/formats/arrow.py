"""Arrow IPC, files and streams (Feather 2 is such a file): tables in record batches, read through a memory map."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeptrain.errors import DataError, said
from deeptrain.formats import arrow_columns
from deeptrain.formats.format import Chunk, Field

if TYPE_CHECKING:  # a plan imports this file and must not load NumPy for it
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray

MAGIC = b"ARROW1"


@dataclass(frozen=True)
class Arrow:
    """Files of record batches; a `Format`. Memory is that of a batch where batches are compressed."""

    name: str = "arrow"
    extensions: tuple[str, ...] = (".arrow", ".arrows", ".feather", ".ipc")
    tabular: bool = True
    single: bool = False

    def fields(self, path: Path) -> tuple[Field, ...]:
        """One field a column."""
        with _mapped(path) as source:
            return arrow_columns.fields(_schema(source, path), path)

    def samples(self, path: Path, field: str) -> int | None:  # noqa: ARG002
        """Rows of all batches."""
        with _mapped(path) as source:
            return sum(int(batch.num_rows) for batch in _batches(source, path))

    def chunks(self, path: Path, fields: Sequence[Field], rows: int) -> Iterator[Chunk]:
        """See `Format.chunks`."""
        first = 0
        with _mapped(path) as source:
            for batch in _batches(source, path):
                chosen = batch.select([field.name for field in fields])
                chosen.validate(full=True)  # offsets that lead out of the file would crash
                for start in range(0, batch.num_rows, rows):
                    yield arrow_columns.chunk(chosen.slice(start, rows), fields, first + start, path)
                first += batch.num_rows
        if not first:
            raise DataError(f"{path}: no samples: it has columns and no rows")

    def random_access(self, path: Path) -> bool:
        """Where batches are not compressed: then they are views of the memory map."""
        with _mapped(path) as source:
            begin, size = source.address, source.size
            for batch in _batches(source, path):
                used = [buffer for column in batch.columns for buffer in column.buffers() if buffer and buffer.size]
                return all(begin <= buffer.address < begin + size for buffer in used)
        return False

    def take(self, path: Path, field: Field, rows: "NDArray[np.int64]", out: "NDArray[Any]") -> None:
        """See `Format.take`."""
        import numpy as np
        import pyarrow

        with _mapped(path) as source:
            batches = [batch.select([field.name]) for batch in _batches(source, path)]
            ends = np.cumsum([batch.num_rows for batch in batches])
            of = np.searchsorted(ends, rows, side="right")
            wanted = dataclasses.replace(field, dtype=out.dtype.name)
            for number in np.unique(of).tolist():
                chosen = np.flatnonzero(of == number)
                local = rows[chosen] - (ends[number] - batches[number].num_rows)
                part = batches[number].take(pyarrow.array(local))
                try:
                    out[chosen] = arrow_columns.chunk(part, [wanted], 0, path).arrays[field.name]
                except DataError:  # say the row in the file instead of the one among those that were taken
                    for row in rows[chosen].tolist():
                        one = batches[number].slice(row - (ends[number] - batches[number].num_rows), 1)
                        arrow_columns.chunk(one, [wanted], row, path)
                    raise

    def place(self, path: Path, row: int) -> str:  # noqa: ARG002
        """The row."""
        return f"row {row:,}"

    def trait(self, path: Path) -> str:  # noqa: ARG002
        """Nothing."""
        return ""


ARROW = Arrow()


@contextlib.contextmanager
def _mapped(path: Path) -> "Iterator[pyarrow.Buffer]":
    import pyarrow

    try:
        if not path.stat().st_size:
            raise DataError(f"{path}: no samples: the file is empty")
        with pyarrow.memory_map(str(path)) as file:
            yield file.read_buffer()
    except (pyarrow.ArrowException, EOFError, ValueError, KeyError) as error:
        raise DataError(f"{path}: is damaged or no Arrow IPC: {said(error)}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or said(error)}") from error


def _schema(source: "pyarrow.Buffer", path: Path) -> "pyarrow.Schema":
    return _reader(source, path).schema


def _reader(source: "pyarrow.Buffer", path: Path) -> Any:
    from pyarrow import ipc

    if source.size < len(MAGIC):
        raise DataError(f"{path}: is no Arrow IPC: it has {source.size} bytes")
    return ipc.open_file(source) if source.slice(0, len(MAGIC)).to_pybytes() == MAGIC else ipc.open_stream(source)


def _batches(source: "pyarrow.Buffer", path: Path) -> "Iterator[pyarrow.RecordBatch]":
    reader = _reader(source, path)
    if hasattr(reader, "num_record_batches"):
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
    else:
        yield from reader
