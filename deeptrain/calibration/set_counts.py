"""The confusion counts of every set at any thresholds."""

from dataclasses import dataclass

import numpy as np

from deeptrain.calibration.operating_points import Integers
from deeptrain.metrics.checks import Labels, Scores


@dataclass(frozen=True, eq=False)
class SetCounts:
    """Samples by set, ready to be counted at many thresholds.

    Attributes:
        numbers: (n,) int64, the set numbers, ascending.
        positives: (n,) int64, samples with label 1 in each set.
        negatives: (n,) int64, samples with label 0 in each set.
    """

    numbers: Integers
    positives: Integers
    negatives: Integers
    _of_positives: tuple[Scores, ...]
    _of_negatives: tuple[Scores, ...]

    @classmethod
    def of(cls, labels: Labels, scores: Scores, sets: Integers) -> "SetCounts":
        """Of labels (samples,) bool, scores (samples,) float64 and set numbers (samples,) int64."""
        numbers, index = np.unique(sets, return_inverse=True)
        order = np.lexsort((scores, index))
        labels, scores, index = labels[order], scores[order], index[order]
        ends = np.arange(1, len(numbers))
        positives = np.split(scores[labels], np.searchsorted(index[labels], ends))
        negatives = np.split(scores[~labels], np.searchsorted(index[~labels], ends))
        return cls(numbers, _lengths(positives), _lengths(negatives), tuple(positives), tuple(negatives))

    def at(self, thresholds: Scores) -> tuple[Integers, Integers, Integers, Integers]:
        """Arrays of tp, fp, fn, tn, each (thresholds, n) int64: positive if score > threshold."""
        tp = self.positives - _at_most(self._of_positives, thresholds)
        tn = _at_most(self._of_negatives, thresholds)
        return tp, self.negatives - tn, self.positives - tp, tn


def _lengths(parts: list[Scores]) -> Integers:
    return np.array([len(part) for part in parts], np.int64)


def _at_most(parts: tuple[Scores, ...], thresholds: Scores) -> Integers:
    counted = np.empty((len(parts), len(thresholds)), np.int64)
    for row, part in zip(counted, parts, strict=True):
        row[:] = np.searchsorted(part, thresholds, side="right")
    return counted.T
