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
    def of(cls, labels: Labels, scores: Scores, sets: Integers, numbers: Integers | None = None) -> "SetCounts":
        """Of labels (samples,) bool, scores (samples,) float64 and set numbers (samples,) int64.

        Args:
            labels: what is true.
            scores: what is said.
            sets: the set of each sample.
            numbers: all sets, ascending, those of no sample too; by default those that have samples.
        """
        numbers = np.unique(sets) if numbers is None else numbers
        index = np.searchsorted(numbers, sets)
        positives, negatives = (_by_set(index[of], scores[of], len(numbers)) for of in (labels, ~labels))
        return cls(numbers, _lengths(positives), _lengths(negatives), positives, negatives)

    @property
    def samples(self) -> Integers:
        """(n,) int64, the size of each set."""
        return self.positives + self.negatives

    def only(self, which: Integers) -> "SetCounts":
        """The sets at some indices, ascending."""
        return SetCounts(
            self.numbers[which],
            self.positives[which],
            self.negatives[which],
            tuple(self._of_positives[one] for one in which),
            tuple(self._of_negatives[one] for one in which),
        )

    def called(self, thresholds: Scores) -> tuple[Integers, Integers]:
        """True and false positives, each (thresholds, n) int64: positive if score > threshold."""
        tp = self.positives - _at_most(self._of_positives, thresholds)
        return tp, self.negatives - _at_most(self._of_negatives, thresholds)

    def at(self, thresholds: Scores) -> tuple[Integers, Integers, Integers, Integers]:
        """Arrays of tp, fp, fn, tn, each (thresholds, n) int64: positive if score > threshold."""
        tp, fp = self.called(thresholds)
        return tp, fp, self.positives - tp, self.negatives - fp

    def samples_of(self, which: Integers) -> tuple[Labels, Scores]:
        """Labels and scores of the samples of the sets at some indices."""
        positives, negatives = ([of[one] for one in which] for of in (self._of_positives, self._of_negatives))
        scores = np.concatenate([*positives, *negatives])
        return np.arange(len(scores)) < int(self.positives[which].sum()), scores


def _by_set(index: Integers, scores: Scores, sets: int) -> tuple[Scores, ...]:
    """The scores of each set, ascending."""
    order = np.argsort(index, kind="stable")  # of small integers a radix sort; sorting by score is then a set's own
    parts = np.split(scores[order], np.searchsorted(index[order], np.arange(1, sets)))
    return tuple(np.sort(part) for part in parts)


def _lengths(parts: tuple[Scores, ...]) -> Integers:
    return np.array([len(part) for part in parts], np.int64)


def _at_most(parts: tuple[Scores, ...], thresholds: Scores) -> Integers:
    counted = np.empty((len(parts), len(thresholds)), np.int64)
    for row, part in zip(counted, parts, strict=True):
        row[:] = part.searchsorted(thresholds, "right")
    return counted.T
