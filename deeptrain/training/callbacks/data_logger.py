"""What was fit, iteration by iteration: batches, sets, samples, and digests of the arrays."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deeptrain.loading.arrays import Arrays
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.position import Position
from deeptrain.training.callbacks.files_beside import FilesBeside

if TYPE_CHECKING:
    from deeptrain.training.results import Results
    from deeptrain.training.trainer import Trainer


class DataLogger:
    """Writes `live/data_logger/epoch-0001.parquet` at the end of each epoch, one row an iteration that was fit.

    Columns: `epoch`, `iteration` (from 0 since the training began), `batch`, `window`, `name` of the batch, `sets`
    (their numbers), `samples` (indices in the split; of data that is not cut into windows), `loss`; and with `digests`
    `x` and `y`, xxh3 of 128 bits over dtype, shape and bytes of what the model was fed. These are known of iterations
    that this process fit; iterations are not fused then.

    Attributes:
        rows: of the newest epoch that ended, by column.
    """

    def __init__(self, digests: bool = False, directory: str | Path | None = None) -> None:
        """Choose what is noted.

        Args:
            digests: whether arrays are digested.
            directory: for the files, instead of the run's `live/data_logger`.
        """
        self._files = FilesBeside("data_logger", directory)
        self._digests: dict[int, tuple[str, str]] = {}
        self._wanted = digests
        self.rows: dict[str, list[Any]] = {}
        if digests:
            self.iteration_end = self._digest

    def epoch_end(self, trainer: "Trainer", results: "Results") -> None:
        """Note the epoch."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        feed, history = trainer.train_data, trainer.state.history
        found = zip(history.batch.tolist(), history.iteration.tolist(), history.window.tolist(), strict=True)
        places = [Position(results.epoch, *one) for one in found]
        self.rows = {
            "epoch": [results.epoch] * len(places),
            "iteration": [at.iteration for at in places],
            "batch": [at.batch for at in places],
            "window": [at.window for at in places],
            "name": [feed.name(at) for at in places],
            "sets": [feed.sets(at) for at in places],
            "loss": history.loss.tolist(),
        }
        if isinstance(feed, BatchFeed):
            self.rows["samples"] = [feed.batches.indices(at.epoch, at.batch).tolist() for at in places]
        if self._wanted:
            digests = [self._digests.get(at.iteration, (None, None)) for at in places]
            self.rows |= {"x": [one[0] for one in digests], "y": [one[1] for one in digests]}
            self._digests.clear()
        data = pa.BufferOutputStream()
        pq.write_table(pa.table(self.rows), data, compression="zstd")
        self._files.write(trainer, f"epoch-{results.epoch:04}.parquet", bytes(data.getvalue()))

    def _digest(self, trainer: "Trainer") -> None:
        if trainer.newest is not None:
            group = trainer.newest.group
            self._digests[trainer.newest.at.iteration] = _digest(group.x), _digest(group.y)


def _digest(arrays: Arrays) -> str:
    """Of the only iteration of a group."""
    import xxhash

    hashed = xxhash.xxh3_128()
    parts = arrays if isinstance(arrays, Mapping) else {"": arrays}
    for name, array in sorted(parts.items()):
        one = np.ascontiguousarray(array[0])
        hashed.update(f"{name} {one.dtype.str} {list(one.shape)} ".encode())
        hashed.update(one.data)
    return hashed.hexdigest()
