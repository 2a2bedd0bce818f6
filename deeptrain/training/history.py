"""The per-iteration history of an epoch: each epoch artifact holds its own slice, as Parquet."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deeptrain.errors import ArtifactError

COLUMNS = {"iteration": np.int64, "batch": np.int64, "window": np.int64, "samples": np.int64, "loss": np.float32}


@dataclass(frozen=True)
class History:
    """Columns of equal length, one row an iteration.

    Attributes:
        iteration: counted from 0 since the training began, int64.
        batch: the batch's number in its epoch, from 0, int64.
        window: the window's number in its batch, or the piece's, from 0; 0 where a batch is one iteration, int64.
        samples: labels that the loss is a mean over: samples of the batch, or of the window without padding, int64.
        loss: before the iteration's update, float32.
    """

    iteration: np.ndarray
    batch: np.ndarray
    window: np.ndarray
    samples: np.ndarray
    loss: np.ndarray

    @classmethod
    def empty(cls) -> "History":
        """No iterations yet."""
        return cls(**{name: np.empty(0, dtype) for name, dtype in COLUMNS.items()})

    @classmethod
    def joined(cls, parts: list["History"]) -> "History":
        """Several slices as one."""
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS})

    def __len__(self) -> int:
        """Number of iterations."""
        return len(self.iteration)


def encode(history: History) -> bytes:
    """The bytes of a Parquet file; the same columns give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array(np.asarray(getattr(history, name), dtype)) for name, dtype in COLUMNS.items()})
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return bytes(buffer.getvalue())


def decode(data: bytes, path: Path) -> History:
    """The history in the bytes of a Parquet file.

    Raises:
        ArtifactError: when it is none, or has other columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data), columns=list(COLUMNS), page_checksum_verification=True)
        return History(**{name: table[name].to_numpy().astype(dtype) for name, dtype in COLUMNS.items()})
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError, KeyError) as error:
        raise ArtifactError(f"{path}: not a history: {error}") from error
