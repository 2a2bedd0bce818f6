"""Series cut along time: which windows they have, their steps with padding, and their predictions put together."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.loading.settings import LinearWeights, Weights, WindowSettings


@dataclass(frozen=True)
class Cut:
    """Where the windows of a batch of series lie. Window w holds the steps from start + w * step on.

    Attributes:
        settings: how they are cut.
        start: steps left out at the beginning of each series.
        lengths: (series,) int64, steps of each.
    """

    settings: WindowSettings
    start: int
    lengths: NDArray[np.int64]

    @functools.cached_property
    def counts(self) -> NDArray[np.int64]:
        """(series,) windows of each series."""
        return counts(self.lengths, self.start, self.settings)

    @functools.cached_property
    def windows(self) -> int:
        """How many iterations the batch takes: the windows of its longest series."""
        return int(self.counts.max())

    def valid(self, window: int) -> NDArray[np.bool_]:
        """(series, size): which steps of a window are of the series; a series that has ended has none."""
        return np.asarray(np.arange(self.settings.size) < self._real(window)[:, None])

    def steps(self, series: Sequence[NDArray[Any]], window: int) -> NDArray[Any]:
        """(series, size, ...): a window of each series, zeros where `valid` is False."""
        valid = self._real(window).tolist()
        begin = self.start + window * self.settings.step
        first = np.asarray(series[0])
        cut = np.empty((len(series), self.settings.size, *first.shape[1:]), first.dtype)
        for row, one, steps in zip(cut, series, valid, strict=True):
            row[:steps] = one[begin : begin + steps]
            row[steps:] = 0
        return cut

    def _real(self, window: int) -> NDArray[np.int64]:
        """(series,): how many steps of a window are of the series."""
        left = self.lengths - (self.start + window * self.settings.step)
        return np.where(window < self.counts, np.minimum(np.maximum(left, 0), self.settings.size), 0)

    def weights(self, given: Weights | None, window: int) -> NDArray[np.float64]:
        """(series,): the weight of a window of each series; 0 where the series has ended."""
        return np.where(window < self.counts, weights(given, window, self.counts), 0.0)

    def mean(self, outputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """The predictions for whole series: (series, ...), the weighted mean over the windows of each.

        Args:
            outputs: of each window, (series, ...).
        """
        weight = np.stack([self.weights(self.settings.prediction_weights, w) for w in range(len(outputs))])
        total = np.zeros(outputs[0].shape, np.float64)
        for part, given in zip(outputs, weight, strict=True):
            # Not multiplied by 0: what a model says of padding may not even be finite.
            given = given.reshape(-1, *[1] * (part.ndim - 1))
            total += np.where(given > 0, part.astype(np.float64) * given, 0.0)
        mean = total / weight.sum(axis=0).reshape(-1, *[1] * (total.ndim - 1))
        return np.asarray(mean, outputs[0].dtype)

    def mean_by_step(self, outputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """The predictions for all steps, series after series: (steps, ...), the weighted mean where windows overlap.

        Args:
            outputs: of each window, (series, size, ...).
        """
        starts = np.concatenate([[0], np.cumsum(self.lengths)])
        steps_in_all, inner = int(starts[-1]), outputs[0].shape[2:]
        total, weight = np.zeros((steps_in_all, *inner)), np.zeros((steps_in_all, *[1] * len(inner)))
        for window, part in enumerate(outputs):
            valid = self.valid(window)
            begin = self.start + window * self.settings.step
            given = self.weights(self.settings.prediction_weights, window)
            for row, steps in enumerate(valid.sum(axis=1)):
                if steps:
                    where = slice(starts[row] + begin, starts[row] + begin + steps)
                    total[where] += part[row, :steps].astype(np.float64) * given[row]
                    weight[where] += given[row]
        return np.asarray(total / weight, outputs[0].dtype)


def counts(lengths: NDArray[np.integer[Any]], start: int, settings: WindowSettings) -> NDArray[np.int64]:
    """(series,) int64: how many windows series of those lengths have, at least one each.

    Args:
        lengths: (series,) steps.
        start: steps left out at the beginning.
        settings: with "drop" only whole windows count; with "pad" as many as it takes to reach the end.
    """
    left = np.asarray(lengths, np.int64) - start
    size, step = settings.size, settings.step
    if settings.remainder == "drop":
        return np.maximum(1 + (left - size) // step, 0)
    needed = 1 + np.maximum(-((size - left) // step), 0)
    # With a slide larger than the window, the next one may begin behind the end.
    return np.where(left > 0, np.minimum(needed, -(-left // step)), 0)


def weights(given: Weights | None, window: int, windows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(series,): the weight of window number `window` in series of as many `windows`."""
    if given is None:
        return np.ones(len(windows))
    if isinstance(given, LinearWeights):
        along = window / np.maximum(windows - 1, 1)
        return np.asarray(given.first + (given.last - given.first) * np.minimum(along, 1.0))
    return np.full(len(windows), float(given[min(window, len(given) - 1)]))
