"""What was watched while training, as rows: a Parquet file an epoch in `live/watch/` of a training.

`epoch-0003.parquet` holds the rows of an epoch that has ended, `epoch-0003.part.parquet` those of one that has not, up
to its newest checkpoint. Columns: `epoch`; `iteration`, how many were fit since the training began; `quantity`, such as
"weights"; `layer` and `weight` ("" where there is none), such as "dense" and "kernel"; `statistic`, such as "norm";
`value`, NaN where it is no number; and of the statistic "histogram" `low`, `high` and `counts` of equal bins between
them, with an empty `value`. The file's metadata say the version of these columns.
"""

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeptrain import tables
from deeptrain.errors import ArtifactError

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "watch"
VERSION = "1"
KEY = b"deeptrain.watched"
TEXTS = ("quantity", "layer", "weight", "statistic")


@dataclass(frozen=True)
class Watched:
    """One number, or one histogram.

    Attributes:
        quantity: what was watched.
        layer: whose, "" where it is no layer's.
        weight: which of its weights, "" where it is none's.
        statistic: of its values; "value" where it is one number.
        value: that number; None of a histogram.
        low: where its first bin begins; None of a number.
        high: where its last bin ends.
        counts: of its bins.
    """

    quantity: str
    layer: str
    weight: str
    statistic: str
    value: float | None
    low: float | None = None
    high: float | None = None
    counts: tuple[int, ...] | None = None


def table(epoch: int, iteration: int, found: Iterable[Watched]) -> "pa.Table":
    """The rows of one look."""
    import pyarrow as pa

    rows = list(found)
    columns: dict[str, list[Any]] = {"epoch": [epoch] * len(rows), "iteration": [iteration] * len(rows)}
    columns |= {name: [getattr(row, name) for row in rows] for name in (*TEXTS, "value", "low", "high", "counts")}
    return pa.table(columns, _schema())


def joined(tables: Sequence["pa.Table"]) -> "pa.Table":
    """All rows as one table; none of no tables."""
    import pyarrow as pa

    return pa.concat_tables([_schema().empty_table(), *tables]).combine_chunks()


def encode(rows: "pa.Table") -> bytes:
    """The bytes of a Parquet file; the same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = pa.BufferOutputStream()
    pq.write_table(rows, buffer, compression="zstd", write_page_checksum=True)
    return bytes(buffer.getvalue())


def decode(data: bytes, path: Path) -> "pa.Table":
    """The rows in the bytes of a Parquet file.

    Raises:
        ArtifactError: when it is none, or another version wrote it.
    """
    rows = tables.decode(data, path, "rows that were watched")
    version = (rows.schema.metadata or {}).get(KEY, b"").decode(errors="replace")
    if version != VERSION or not rows.schema.equals(_schema()):
        raise ArtifactError(
            f"{path}: expected watched rows of version {VERSION}, got {version or 'none'!r}: written by another "
            "version of deeptrain, which reads it"
        )
    return rows


def file(epoch: int, *, ended: bool) -> str:
    """The name of an epoch's file."""
    return f"epoch-{epoch:04}{'' if ended else '.part'}.parquet"


def matches(pattern: str, layer: str, weight: str) -> bool:
    """Whether a pattern such as "dense*" is of a layer or of one of its weights, "dense/kernel"."""
    return fnmatch.fnmatchcase(layer, pattern) or fnmatch.fnmatchcase(f"{layer}/{weight}", pattern)


def _schema() -> "pa.Schema":
    import pyarrow as pa

    types = {"epoch": pa.int32(), "iteration": pa.int64(), **dict.fromkeys(TEXTS, pa.string())}
    types |= dict.fromkeys(("value", "low", "high"), pa.float64()) | {"counts": pa.list_(pa.int64())}
    return pa.schema(list(types.items()), metadata={KEY: VERSION.encode()})
