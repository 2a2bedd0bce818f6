"""A metric and its counts against the threshold: an exact step function, and the file of an artifact that holds it.

`curve.parquet` has one row a step, by ascending threshold: `threshold`, `value`, `tp`, `fp`, `fn`, `tn`. A row is true
of all t from its threshold up to the next row's, the last up to and with 1. Where there are more than MOST steps, the
first, the least and the greatest value of each stretch of them are kept, and what was asked for: each row is exact, and
no peak is lost, but what lies between two rows of a stretch is not told. ROC and precision against recall follow from
the counts.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain import tables
from deeptrain.calibration import operating_points, optimum
from deeptrain.errors import MISSHAPEN, ArtifactError, said
from deeptrain.metrics import names
from deeptrain.metrics.checks import Scores
from deeptrain.metrics.counts import Values
from deeptrain.metrics.names import Named

FILE = "curve.parquet"
MOST = 6000
COLUMNS = ("threshold", "value", "tp", "fp", "fn", "tn")


@dataclass(frozen=True, eq=False)
class Curve:
    """A metric and the counts it is made of at all thresholds, or some.

    Attributes:
        threshold: (steps,) float64, ascending from 0; what holds there holds up to the next one.
        value: (steps,) float64, nan where undefined.
        tp: (steps,) true positives, int64, or float64, the sum of their weights.
        fp: the same of false positives.
        fn: the same of false negatives.
        tn: the same of true negatives.
    """

    threshold: Scores
    value: Values
    tp: NDArray[Any]
    fp: NDArray[Any]
    fn: NDArray[Any]
    tn: NDArray[Any]

    def taken(self, steps: NDArray[np.int64]) -> "Curve":
        """Some of its steps."""
        return Curve(*(getattr(self, name)[steps] for name in COLUMNS))


def of(labels: ArrayLike, scores: ArrayLike, metric: Named = "f1_score", weights: ArrayLike | None = None) -> Curve:
    """All steps: one at 0, and one at every distinct score from there on.

    Args:
        labels: (n,) of 0 and 1.
        scores: (n,) finite, in [0, 1].
        metric: of counts, or its name.
        weights: (n,) what each sample counts for.

    Raises:
        DataError: when labels, scores or weights are not that.
        SettingsError: for an unknown metric, or one that no threshold changes.
    """
    measure = names.count_metric(metric)
    points = operating_points.of(*optimum.weighted(labels, scores, weights))
    # From the greatest threshold to the least; below 0 there is only the point that calls a score of 0.
    columns = (points.lower, points.values(measure), *points.counts)
    steps = slice(None, None, -1) if points.lower[-1] >= 0 else slice(-2, None, -1)
    return Curve(*(np.ascontiguousarray(column[steps]) for column in columns))


def thinned(curve: Curve, keep: Collection[float] = (), most: int = MOST) -> Curve:
    """At most about `most` of the steps, with the least and the greatest value of every stretch.

    Args:
        curve: all steps.
        keep: thresholds whose steps stay.
        most: at least 3.
    """
    size = len(curve.threshold)
    if size <= most:
        return curve
    stretches = np.array_split(np.arange(size), most // 3)
    kept = {0, size - 1}
    for stretch in stretches:
        part = curve.value[stretch]
        kept.add(int(stretch[0]))
        if not np.isnan(part).all():
            kept |= {int(stretch[np.nanargmin(part)]), int(stretch[np.nanargmax(part)])}
    kept |= {max(int(np.searchsorted(curve.threshold, at, side="right")) - 1, 0) for at in keep}
    return curve.taken(np.array(sorted(kept)))


def encode(curve: Curve) -> bytes:
    """The bytes of a Parquet file; the same curve gives the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array(getattr(curve, name)) for name in COLUMNS})
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return bytes(buffer.getvalue())


def decode(data: bytes, path: Path) -> Curve:
    """The curve in the bytes of a Parquet file.

    Raises:
        ArtifactError: when it is none.
    """
    table = tables.decode(data, path, "a curve")
    try:
        return Curve(*(table[name].to_numpy() for name in COLUMNS))
    except MISSHAPEN as error:
        raise ArtifactError(f"{path}: not a curve: {said(error)}") from error
