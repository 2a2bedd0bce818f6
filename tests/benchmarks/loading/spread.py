"""How well an order mixes classes: the spread of their numbers in batches against independent draws."""

import math
from collections.abc import Iterable

import numpy as np


class Spread:
    """Class counts of batches of one size, gathered batch by batch."""

    def __init__(self, labels: np.ndarray, batch: int) -> None:
        """Take all labels of the data, from which the expectation follows.

        Args:
            labels: (samples,) whole numbers from 0.
            batch: batches of another size (the last one) are not counted.
        """
        self._totals = np.bincount(labels)
        self._batch = batch
        self._squares = 0.0
        self.batches = 0

    def add(self, labels: Iterable[int]) -> None:
        """Take the labels of a batch."""
        counts = np.bincount(np.asarray(labels), minlength=len(self._totals))
        if counts.sum() == self._batch:
            self._squares += float(np.square(counts - self._expected).sum())
            self.batches += 1

    @property
    def _expected(self) -> np.ndarray:
        return self._batch * self._totals / self._totals.sum()

    @property
    def ratio(self) -> float:
        """Root mean square deviation of class counts over that of draws without replacement: 1 is as good as random."""
        samples = self._totals.sum()
        share = self._totals / samples
        variance = self._batch * share * (1 - share) * (samples - self._batch) / (samples - 1)
        return math.sqrt(self._squares / max(1, self.batches) / variance.sum()) if variance.sum() else math.nan
