"""Parquet: tables in row groups, read in parts; sums of pages are checked where the file has them."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeptrain.errors import DataError, said
from deeptrain.formats import arrow_columns
from deeptrain.formats.format import Chunk, Field

if TYPE_CHECKING:  # a plan imports this file and must not load NumPy for it
    import numpy as np
    from numpy.typing import NDArray
    from pyarrow import parquet


@dataclass(frozen=True)
class Parquet:
    """Files of row groups; a `Format`."""

    name: str = "parquet"
    extensions: tuple[str, ...] = (".parquet", ".pq")
    tabular: bool = True
    single: bool = False

    def fields(self, path: Path) -> tuple[Field, ...]:
        """One field a column."""
        with _opened(path) as file:
            return arrow_columns.fields(file.schema_arrow, path)

    def samples(self, path: Path, field: str) -> int | None:  # noqa: ARG002
        """Rows of all groups."""
        with _opened(path) as file:
            return int(file.metadata.num_rows)

    def chunks(self, path: Path, fields: Sequence[Field], rows: int) -> Iterator[Chunk]:
        """See `Format.chunks`."""
        first = 0
        names = [field.name for field in fields]
        with _opened(path) as file:
            for batch in file.iter_batches(batch_size=rows, columns=names):
                if batch.num_rows:
                    yield arrow_columns.chunk(batch.select(names), fields, first, path)
                first += batch.num_rows
            if first != file.metadata.num_rows:
                raise DataError(f"{path}: has {first:,} rows where its footer says {file.metadata.num_rows:,}")
        if not first:
            raise DataError(f"{path}: no samples: it has columns and no rows")

    def random_access(self, path: Path) -> bool:  # noqa: ARG002
        """Never: pages are encoded and compressed."""
        return False

    def take(self, path: Path, field: Field, rows: "NDArray[np.int64]", out: "NDArray[Any]") -> None:  # noqa: ARG002
        """Not for Parquet."""
        raise ValueError(f"{path}: Parquet has no random access")

    def place(self, path: Path, row: int) -> str:  # noqa: ARG002
        """The row."""
        return f"row {row:,}"

    def trait(self, path: Path) -> str:  # noqa: ARG002
        """Nothing."""
        return ""


PARQUET = Parquet()


@contextlib.contextmanager
def _opened(path: Path) -> "Iterator[parquet.ParquetFile]":
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (pyarrow.ArrowException, EOFError, ValueError, KeyError) as error:
        raise DataError(f"{path}: is damaged or no Parquet: {said(error)}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or said(error)}") from error
