"""Statistics of values that come piece by piece, the same bits however they are cut into pieces.

The values of a shard are summed in *runs* of a fixed number, counted from the shard's first value; the runs' sums are
added exactly (`math.fsum`), and so are the shards'. So neither the size of buffers nor the number of processes, nor the
order in which parts are made, changes a bit. Squares are summed about each run's own mean and moved to the common one
(Chan, Golub and LeVeque 1983, "Algorithms for computing the sample variance"). NaN is counted, and in no sum.
"""

import math
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from deeptrain.shards.info import Statistics

Floats = NDArray[np.float64]

RUN = 1 << 16  # values
LEAST_ROWS = 256  # of a run, however many columns are told apart


class Sums(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is kept of some values: enough to join them with others. Where all are NaN, numbers are 0.

    Attributes:
        count: how many, NaN not included.
        total: their sum.
        squares: the sum of their squared distances from their mean.
        min: the least.
        max: the largest.
        nan: how many are NaN.
    """

    count: int
    total: float
    squares: float
    min: float
    max: float
    nan: int = 0


class Moments:
    """Sums over the rows of one shard."""

    def __init__(self, columns: int | None = None) -> None:
        """Begin with no value.

        Args:
            columns: values of a row that are told apart; None takes all values together.
        """
        self._columns = 1 if columns is None else columns
        self._rows = RUN if columns is None else max(RUN // columns, LEAST_ROWS)
        self._pending: NDArray[Any] | None = None
        self._runs: list[NDArray[np.float64]] = []  # (6, columns) each: count, total, squares, min, max, NaN

    def add(self, rows: NDArray[Any]) -> None:
        """Take more rows, finite numbers or NaN, of any shape whose product is a multiple of the columns."""
        values = np.ascontiguousarray(rows).reshape(-1, self._columns)
        if self._pending is not None:
            missing = self._rows - len(self._pending)
            run = np.concatenate([self._pending, values[:missing]])
            values = values[missing:]
            if len(run) < self._rows:
                self._pending = run
                return
            self._take(run)
        whole = len(values) // self._rows * self._rows
        for start in range(0, whole, self._rows):
            self._take(values[start : start + self._rows])
        self._pending = values[whole:].copy() if whole < len(values) else None

    def sums(self) -> tuple[Sums, ...]:
        """Of each column, or one of all values; nothing can be added any more."""
        if self._pending is not None:
            self._take(self._pending)
            self._pending = None
        runs = np.stack(self._runs, axis=1)
        return tuple(_joined(*runs[:, :, column]) for column in range(self._columns))

    def _take(self, run: NDArray[Any]) -> None:
        values = run.astype(np.float64)  # a run fits into the processor's cache, so memory is read once
        found = np.empty((6, self._columns))
        found[0], found[5] = len(values), 0
        total = values.sum(axis=0, out=found[1])
        if np.isnan(total).any():
            self._runs.append(_without_nan(values))
            return
        values -= total / len(values)
        np.einsum("ij,ij->j", values, values, out=found[2])
        flat = run.reshape(-1) if self._columns == 1 else run  # NumPy is faster over one axis
        found[3], found[4] = flat.min(axis=0), flat.max(axis=0)
        self._runs.append(found)


def joined(parts: Iterable[Sums]) -> Sums:
    """The sums of all values of several; at least one."""
    table = np.array([[one.count, one.total, one.squares, one.min, one.max, one.nan] for one in parts], np.float64)
    return _joined(*table.T)


def statistics(sums: Sums) -> Statistics:
    """Mean and standard deviation; of at least one value that is not NaN."""
    return Statistics(
        count=sums.count,
        min=sums.min,
        max=sums.max,
        mean=sums.total / sums.count,
        std=math.sqrt(sums.squares / sums.count),
        nan=sums.nan,
    )


def _without_nan(values: Floats) -> Floats:
    """What is kept of a run (rows, columns) with NaN in it."""
    missing = np.isnan(values)
    counts = len(values) - missing.sum(axis=0)
    totals = np.where(missing, 0.0, values).sum(axis=0)
    distances = np.where(missing, 0.0, values - totals / np.maximum(counts, 1))
    least, most = np.where(missing, np.inf, values).min(axis=0), np.where(missing, -np.inf, values).max(axis=0)
    squares = np.einsum("ij,ij->j", distances, distances)
    return np.stack([counts, totals, squares, least, most, missing.sum(axis=0)])


def _joined(counts: Floats, totals: Floats, squares: Floats, least: Floats, most: Floats, missing: Floats) -> Sums:
    nan, there = int(missing.sum()), counts > 0
    if not there.any():
        return Sums(count=0, total=0.0, squares=0.0, min=0.0, max=0.0, nan=nan)
    counts, totals, squares = counts[there], totals[there], squares[there]
    count, total = int(counts.sum()), math.fsum(totals)
    about_mean = counts * (totals / counts - total / count) ** 2
    return Sums(
        count=count,
        total=total,
        squares=math.fsum(np.concatenate([squares, about_mean])),
        min=float(least[there].min()),
        max=float(most[there].max()),
        nan=nan,
    )
