"""Which sets may be chosen together: so many of all, and at most so many of each group."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeptrain.calibration.operating_points import Integers


@dataclass(frozen=True, eq=False)
class Room:
    """A number of sets, of which at most `most` may be of one group.

    What may be chosen is a matroid: to make a sum of terms greatest, taking the greatest terms first that still fit is
    exact. Source: J. Edmonds, "Matroids and the greedy algorithm", Mathematical Programming 1, 1971.

    Attributes:
        size: how many are chosen, from 1 to `fits`.
        groups: (n,) int64 the group of each set, or None where there are none.
        most: of one group.
    """

    size: int
    groups: Integers | None = None
    most: int = 1

    def greatest(self, terms: Integers) -> Integers:
        """(rows,) the greatest sum of terms that a choice has, in each row of (rows, n)."""
        if self.groups is not None:
            terms = self._of_groups(terms, self.groups)
        left_out = terms.shape[1] - self.size
        if left_out > 0:
            terms = np.partition(terms, left_out, axis=1)[:, left_out:]
        sums: Integers = terms.sum(axis=1)
        return sums

    def _of_groups(self, terms: Integers, groups: Integers) -> Integers:
        """The terms that are not beyond the `most` greatest of their group."""
        kept = []
        for group in np.unique(groups):
            members = terms[:, groups == group]
            beyond = members.shape[1] - self.most
            kept.append(np.partition(members, beyond, axis=1)[:, beyond:] if beyond > 0 else members)
        return np.concatenate(kept, axis=1)

    def first(self, order: Integers) -> Integers:
        """The first of an order of all sets that fit, ascending; (size,)."""
        if self.groups is None:
            return np.sort(order[: self.size])
        return np.sort(order[_rank(self.groups[order]) < self.most][: self.size])

    def may_replace(self, chosen: Integers, others: Integers) -> NDArray[np.bool_] | None:
        """(chosen, others) whether one of the others fits in the place of a chosen one; None where all do."""
        if self.groups is None:
            return None
        out, into = self.groups[chosen], self.groups[others]
        count = np.array([np.count_nonzero(out == group) for group in into], np.int64)
        return np.asarray((count[None, :] < self.most) | (out[:, None] == into[None, :]))


def fits(sets: int, groups: Integers | None = None, most: int = 1) -> int:
    """How many of `sets` may be chosen at most."""
    return sets if groups is None else int(np.minimum(np.unique(groups, return_counts=True)[1], most).sum())


def _rank(groups: Integers) -> Integers:
    """How many of the same group come before each."""
    order = np.argsort(groups, kind="stable")
    grouped = groups[order]
    starts = np.flatnonzero(np.append(True, grouped[1:] != grouped[:-1]))
    rank = np.empty(len(groups), np.int64)
    rank[order] = np.arange(len(groups)) - np.repeat(starts, np.diff(np.append(starts, len(groups))))
    return rank
