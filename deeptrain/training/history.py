"""The per-iteration history of an epoch: each epoch artifact holds its own slice, as Parquet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from deeptrain import tables
from deeptrain.errors import MISSHAPEN, ArtifactError, said

COLUMNS = {"iteration": np.int64, "batch": np.int64, "window": np.int64, "samples": np.int64, "loss": np.float32}

METRIC = "metric."
"""Before the names of columns that are metrics."""


@dataclass(frozen=True)
class History:
    """Columns of equal length, one row an iteration.

    Attributes:
        iteration: counted from 0 since the training began, int64.
        batch: the batch's number in its epoch, from 0, int64.
        window: the window's number in its batch, or the piece's, from 0; 0 where a batch is one iteration, int64.
        samples: labels that the loss is a mean over: samples of the batch, or of the window without padding, int64.
        loss: before the iteration's update, float32.
        metrics: other columns by name, float32, NaN where an iteration has none: metrics that are made of counts, the
            losses of several outputs, and what a step of the user's own told.
    """

    iteration: np.ndarray
    batch: np.ndarray
    window: np.ndarray
    samples: np.ndarray
    loss: np.ndarray
    metrics: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> "History":
        """No iterations yet."""
        columns: dict[str, Any] = {name: np.empty(0, dtype) for name, dtype in COLUMNS.items()}
        return cls(**columns)

    @classmethod
    def joined(cls, parts: list["History"]) -> "History":
        """Several slices as one."""
        names = sorted({name for part in parts for name in part.metrics})
        metrics = {name: np.concatenate([part._metric(name) for part in parts]) for name in names}
        columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS}
        return cls(**columns, metrics=metrics)

    def _metric(self, name: str) -> np.ndarray:
        return self.metrics[name] if name in self.metrics else np.full(len(self), np.nan, np.float32)

    def __len__(self) -> int:
        """Number of iterations."""
        return len(self.iteration)


def encode(history: History) -> bytes:
    """The bytes of a Parquet file; the same columns give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: np.asarray(getattr(history, name), dtype) for name, dtype in COLUMNS.items()}
    columns |= {f"{METRIC}{name}": np.asarray(history.metrics[name], np.float32) for name in sorted(history.metrics)}
    table = pa.table({name: pa.array(column) for name, column in columns.items()})
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return bytes(buffer.getvalue())


def decode(data: bytes, path: Path) -> History:
    """The history in the bytes of a Parquet file.

    Raises:
        ArtifactError: when it is none, or has other columns.
    """
    import pyarrow as pa

    table = tables.decode(data, path, "a history")
    try:
        metrics = {
            name.removeprefix(METRIC): table[name].to_numpy().astype(np.float32)
            for name in table.column_names
            if name.startswith(METRIC)
        }
        columns: dict[str, Any] = {name: table[name].to_numpy().astype(dtype) for name, dtype in COLUMNS.items()}
        return History(**columns, metrics=metrics)
    except (pa.ArrowException, *MISSHAPEN) as error:
        raise ArtifactError(f"{path}: not a history: {said(error)}") from error
