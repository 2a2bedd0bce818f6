"""The confusion counts of every set at any thresholds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.calibration.operating_points import Integers
from deeptrain.metrics.checks import Labels, Scores


@dataclass(frozen=True, eq=False)
class SetCounts:
    """Samples by set, ready to be counted at many thresholds.

    Attributes:
        numbers: (n,) int64, the set numbers, ascending.
        positives: (n,) int64, samples with label 1 in each set.
        negatives: (n,) int64, samples with label 0 in each set.
        totals: what positives and negatives count for, (n,) each: int64, how many they are, or float64, their weights.
    """

    numbers: Integers
    positives: Integers
    negatives: Integers
    totals: tuple[NDArray[Any], NDArray[Any]]
    _of_positives: tuple[Scores, ...]
    _of_negatives: tuple[Scores, ...]
    _weights: tuple[tuple[Scores, ...], tuple[Scores, ...]] | None = None
    _summed: tuple[tuple[Scores, ...], tuple[Scores, ...]] | None = None
    """Weights of each set's positives and negatives from one on to that of the greatest score, and behind it 0."""

    @classmethod
    def of(
        cls,
        labels: Labels,
        scores: Scores,
        sets: Integers,
        numbers: Integers | None = None,
        weights: Scores | None = None,
    ) -> "SetCounts":
        """Of labels (samples,) bool, scores (samples,) float64 and set numbers (samples,) int64.

        Args:
            labels: what is true.
            scores: what is said.
            sets: the set of each sample.
            numbers: all sets, ascending, those of no sample too; by default those that have samples.
            weights: (samples,) float64, above 0, what each sample counts for.
        """
        numbers = np.unique(sets) if numbers is None else numbers
        index = np.searchsorted(numbers, sets)
        if weights is None:
            positives, negatives = (_by_set(index[of], scores[of], len(numbers)) for of in (labels, ~labels))
            heads = _lengths(positives), _lengths(negatives)
            return cls(numbers, *heads, heads, positives, negatives)
        order = np.lexsort((weights, scores))  # whatever order they come in
        labels, scores, index, weights = labels[order], scores[order], index[order], weights[order]
        positives, negatives = (_parted(index[of], scores[of], len(numbers)) for of in (labels, ~labels))
        over, under = (_parted(index[of], weights[of], len(numbers)) for of in (labels, ~labels))
        summed = tuple(map(_from_the_greatest, over)), tuple(map(_from_the_greatest, under))
        totals = np.array([part[0] for part in summed[0]]), np.array([part[0] for part in summed[1]])
        heads = _lengths(positives), _lengths(negatives)
        return cls(numbers, *heads, totals, positives, negatives, (over, under), summed)

    @property
    def weighted(self) -> bool:
        """Whether samples count differently."""
        return self._weights is not None

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
            (self.totals[0][which], self.totals[1][which]),
            tuple(self._of_positives[one] for one in which),
            tuple(self._of_negatives[one] for one in which),
            None if self._weights is None else (_taken(self._weights[0], which), _taken(self._weights[1], which)),
            None if self._summed is None else (_taken(self._summed[0], which), _taken(self._summed[1], which)),
        )

    def called(self, thresholds: Scores) -> tuple[NDArray[Any], NDArray[Any]]:
        """True and false positives, or their weights, each (thresholds, n): positive if score > threshold."""
        if self._summed is not None:
            over, under = self._summed
            return _above(self._of_positives, over, thresholds), _above(self._of_negatives, under, thresholds)
        tp = self.positives - _at_most(self._of_positives, thresholds)
        return tp, self.negatives - _at_most(self._of_negatives, thresholds)

    def at(self, thresholds: Scores) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Arrays of tp, fp, fn, tn, each (thresholds, n), as `called` has them."""
        tp, fp = self.called(thresholds)
        return tp, fp, self.totals[0] - tp, self.totals[1] - fp

    def samples_of(self, which: Integers) -> tuple[Labels, Scores, Scores | None]:
        """Labels, scores and weights of the samples of the sets at some indices."""
        positives, negatives = ([of[one] for one in which] for of in (self._of_positives, self._of_negatives))
        scores = np.concatenate([*positives, *negatives])
        weights = None
        if self._weights is not None:
            weights = np.concatenate([part[one] for part in self._weights for one in which])
        return np.arange(len(scores)) < int(self.positives[which].sum()), scores, weights


def _by_set(index: Integers, scores: Scores, sets: int) -> tuple[Scores, ...]:
    """The scores of each set, ascending."""
    order = np.argsort(index, kind="stable")  # of small integers a radix sort; sorting by score is then a set's own
    parts = np.split(scores[order], np.searchsorted(index[order], np.arange(1, sets)))
    return tuple(np.sort(part) for part in parts)


def _parted(index: Integers, values: Scores, sets: int) -> tuple[Scores, ...]:
    """The values of each set, in the order they come in."""
    order = np.argsort(index, kind="stable")
    return tuple(np.split(values[order], np.searchsorted(index[order], np.arange(1, sets))))


def _from_the_greatest(weights: Scores) -> Scores:
    return np.append(np.cumsum(weights[::-1])[::-1], 0.0)


def _taken(parts: tuple[Scores, ...], which: Integers) -> tuple[Scores, ...]:
    return tuple(parts[one] for one in which)


def _above(parts: tuple[Scores, ...], weights: tuple[Scores, ...], thresholds: Scores) -> Scores:
    summed = np.empty((len(parts), len(thresholds)))
    for row, part, weight in zip(summed, parts, weights, strict=True):
        row[:] = weight[part.searchsorted(thresholds, "right")]
    return summed.T


def _lengths(parts: tuple[Scores, ...]) -> Integers:
    return np.array([len(part) for part in parts], np.int64)


def _at_most(parts: tuple[Scores, ...], thresholds: Scores) -> Integers:
    counted = np.empty((len(parts), len(thresholds)), np.int64)
    for row, part in zip(counted, parts, strict=True):
        row[:] = part.searchsorted(thresholds, "right")
    return counted.T
