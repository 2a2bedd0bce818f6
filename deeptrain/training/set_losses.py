"""What a training's history says of each set: the losses of the batches that held it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from deeptrain.loading.feed import Feed
from deeptrain.loading.position import Position
from deeptrain.training.history import History
from deeptrain.training.results import Results


class SetLosses(NamedTuple):
    """One row for each set of each batch, in the order they were fit; what `calibration.set_means` takes.

    Attributes:
        losses: (rows,) float32, of the batch; where it held several sets it is told of each.
        sets: (rows,) int64 numbers.
        samples: (rows,) int64, how many samples the loss is a mean over.
    """

    losses: np.ndarray
    sets: np.ndarray
    samples: np.ndarray


def of(history: History, results: Sequence[Results], data: Callable[[int], Feed], epochs: Sequence[int]) -> SetLosses:
    """The losses of each set in some epochs that have ended.

    Args:
        history: every iteration since the training began.
        results: of the epochs.
        data: what was fit in an epoch.
        epochs: which, from 1.
    """
    ends = np.array([one.iterations for one in results], np.int64)
    rows: list[tuple[float, int, int]] = []
    for epoch in epochs:
        begin = int(ends[epoch - 2]) if epoch > 1 else 0
        feed = data(epoch)
        for row in np.flatnonzero((history.iteration >= begin) & (history.iteration < ends[epoch - 1])):
            at = Position(epoch, int(history.batch[row]), int(history.iteration[row]), int(history.window[row]))
            rows += [(float(history.loss[row]), number, int(history.samples[row])) for number in feed.sets(at)]
    losses, sets, samples = zip(*rows, strict=True) if rows else ((), (), ())
    return SetLosses(np.array(losses, np.float32), np.array(sets, np.int64), np.array(samples, np.int64))
