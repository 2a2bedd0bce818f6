"""The sets on which a model does best: the best k of n, at a given threshold or jointly with the best one."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain.calibration import operating_points, swap_search
from deeptrain.calibration.chosen_sets import Choice, Subset, certificate, per_set
from deeptrain.calibration.operating_points import Integers
from deeptrain.calibration.ratio_search import SLACK, RatioSearch, ratio_of, weighted
from deeptrain.calibration.room import Room
from deeptrain.calibration.set_counts import SetCounts
from deeptrain.calibration.set_rules import Candidates, Rules
from deeptrain.errors import DataError
from deeptrain.metrics import checks, names
from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.counts import Values
from deeptrain.metrics.metric import Ratio

STARTS = 8
"""Thresholds that a search without proof sets out from, beside 0.5."""


def best(
    labels: ArrayLike,
    scores: ArrayLike,
    sets: ArrayLike,
    size: int,
    metric: names.Named = "f1_score",
    threshold: float | None = None,
    *,
    rules: Rules | None = None,
    numbers: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> Subset:
    """The `size` sets on which a metric over their samples together is best.

    Exact and certified for a ratio of sums of counts (accuracy, F-beta, precision, recall, specificity, Jaccard, cost),
    and where there is one choice of sets only; otherwise (informedness, balanced accuracy, MCC, kappa) a swap search
    from several starts, the same every time, that proves nothing. A set without samples is never chosen.

    Args:
        labels: (n,) of 0 and 1, both present.
        scores: (n,) finite, in [0, 1].
        sets: (n,) the number of each sample's set, any integers; sets may differ in size.
        size: how many sets to choose.
        metric: a metric of counts, by name or with its arguments.
        threshold: the threshold, or None to choose it jointly with the sets: among equals the one nearest to 0.5 for
            the samples of the chosen sets, midway between neighbouring scores.
        rules: what a choice must keep to.
        numbers: the numbers of all sets, where some have no samples.
        weights: (n,) what each sample counts for, finite, at least 0; one of 0 is left out. Their sums are rounded:
            what is certified is then that no other choice is better by more than rounding explains.

    Raises:
        DataError: when labels, scores or sets are not that, fewer sets than `size` may be chosen, or the metric is
            undefined for every choice.
        SettingsError: for an unknown metric, or one that no threshold changes.
    """
    search = _Search(labels, scores, sets, metric, threshold, rules, numbers, weights)
    choice = search.choice(size)
    if math.isnan(choice.value):
        raise DataError(
            f"{search.metric.name} is undefined for every {size} of the {len(search.all.numbers)} sets at threshold "
            f"{choice.threshold}: none has {search.metric.needs}; choose a larger subset_size"
        )
    return search.subset(choice)


def every_size(
    labels: ArrayLike,
    scores: ArrayLike,
    sets: ArrayLike,
    metric: names.Named = "f1_score",
    threshold: float | None = None,
    *,
    sizes: Sequence[int] | None = None,
    rules: Rules | None = None,
    numbers: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> tuple[Choice, ...]:
    """The best choice of every size, each with its own best threshold: what `best` finds for that size.

    A certified value never rises with the size. Sizes for which the metric is undefined whatever is chosen are left
    out.

    Args:
        labels: as `best` takes them.
        scores: likewise.
        sets: likewise.
        metric: likewise.
        threshold: likewise; if given, of all sizes.
        sizes: which; by default all from 1 to as many as may be chosen.
        rules: as `best` takes them.
        numbers: likewise.
        weights: likewise.

    Raises:
        DataError: as `best`.
        SettingsError: as `best`.
    """
    search = _Search(labels, scores, sets, metric, threshold, rules, numbers, weights)
    found = [search.choice(size) for size in search.candidates.sizes(sizes)]
    return tuple(choice for choice in found if not math.isnan(choice.value))


class _Search:
    """The samples in the forms that the searches read."""

    def __init__(
        self,
        labels: ArrayLike,
        scores: ArrayLike,
        sets: ArrayLike,
        metric: names.Named,
        threshold: float | None,
        rules: Rules | None,
        numbers: ArrayLike | None,
        weights: ArrayLike | None,
    ) -> None:
        self.metric, self.rules = names.count_metric(metric), rules or Rules()
        self.ratio = ratio_of(self.metric)
        truth, values = checks.binary(labels, scores)
        members = checks.set_numbers(sets, len(truth))
        every = np.unique(members) if numbers is None else _all(numbers, members)
        counted = checks.weights(weights, len(truth))
        if counted is not None:
            some = counted > 0
            truth, values, members, counted = truth[some], values[some], members[some], checks.unequal(counted[some])
        checks.both_classes(truth, "choose a subset")
        if threshold is not None and not math.isfinite(threshold):
            raise DataError(f"threshold must be finite, got {threshold}")
        self.all = SetCounts.of(truth, values, members, every, counted)
        self.candidates = Candidates.of(self.all.numbers, self.all.samples, self.all.positives, self.rules)
        self.sets = self.all.only(self.candidates.which)
        self.given = threshold
        self._thresholds = (
            self._worth_looking(truth, values) if threshold is None else np.array([threshold], np.float64)
        )
        self._exact: RatioSearch | None = None
        self._start: int | None = None

    def _worth_looking(self, labels: Labels, scores: Scores) -> Scores:
        """Thresholds, ascending, among which a best one is for any choice of sets.

        More true positives and fewer false ones never make a count metric worse where it is best. So it is best just
        below the score of some positive, or where none is called positive: it need not be sought below the negatives.
        """
        below: Scores = np.nextafter(np.append(np.unique(scores[labels]), np.inf), -np.inf)
        return below

    def choice(self, size: int) -> Choice:
        room = self.candidates.room(size, len(self.all.numbers))
        if size == len(self.sets.numbers):
            chosen = np.arange(size)
            at = self.best_threshold(chosen) if self.given is None else self.given
        elif self.ratio is not None:
            chosen, at = self.exactly(self.ratio, room)
        else:
            chosen, at = self.by_swaps(room)
        return Choice(
            sets=tuple(self.sets.numbers[chosen].tolist()),
            threshold=float(at),
            value=float(self.metric.at_counts(*self._counts(at)[:, chosen].sum(axis=1))),
            certified=self.ratio is not None or size == len(self.sets.numbers),
        )

    def objective(self, tp: NDArray[Any], fp: NDArray[Any], fn: NDArray[Any], tn: NDArray[Any]) -> Values:
        return operating_points.oriented(self.metric.at_counts(tp, fp, fn, tn), self.metric)

    def best_threshold(self, chosen: Integers) -> float:
        points = operating_points.of(*self.sets.samples_of(chosen))
        return points.threshold(operating_points.best(points, self.metric))

    def exactly(self, ratio: Ratio, room: Room) -> tuple[Integers, float]:
        if self._exact is None:
            self._exact = RatioSearch(self.sets, self._thresholds, ratio)
        found = self._exact.best(room, self._start)
        self._start = found.point
        return found.sets, self.best_threshold(found.sets) if self.given is None else self.given

    def by_swaps(self, room: Room) -> tuple[Integers, float]:
        if self.given is not None:
            return swap_search.best(self._counts(self.given), self.objective, room), self.given
        spread = np.linspace(0, len(self._thresholds) - 1, min(len(self._thresholds), STARTS)).astype(np.int64)
        ends = [self._alternate(room, start) for start in (0.5, *self._thresholds[np.unique(spread)].tolist())]
        return ends[int(np.argmax([self._value(chosen, at) for chosen, at in ends]))]

    def _alternate(self, room: Room, start: float) -> tuple[Integers, float]:
        """Swaps at a threshold, then the threshold best for those sets, in turn until neither is better."""
        at, chosen, value = start, swap_search.best(self._counts(start), self.objective, room), -math.inf
        while True:
            moved = self.best_threshold(chosen)
            if not self._value(chosen, moved) > value:
                return chosen, at
            at, value = moved, self._value(chosen, moved)
            chosen = swap_search.improve(self._counts(at), self.objective, chosen, room)

    def _counts(self, threshold: float) -> NDArray[Any]:
        return np.concatenate(self.sets.at(np.array([threshold])))

    def _value(self, chosen: Integers, threshold: float) -> float:
        tp, fp, fn, tn = self._counts(threshold)[:, chosen].sum(axis=1)
        return float(self.objective(tp, fp, fn, tn))

    def subset(self, choice: Choice) -> Subset:
        """The choice with what is told beside it."""
        at = tuple(count[0] for count in self.all.at(np.array([choice.threshold])))
        ratio = None if self.ratio is None else [weighted(weights, at).tolist() for weights in self.ratio]
        return Subset(
            sets=choice.sets,
            threshold=choice.threshold,
            value=choice.value,
            certified=choice.certified,
            metric=self.metric.name,
            proof=self._proof(choice, ratio),
            joint=self.given is None,
            per_set=per_set(
                self.all.numbers,
                self.all.samples,
                self.all.positives.tolist(),
                self.metric.at_counts(*at),
                self.candidates,
                self.rules,
                ratio,
            ),
            all_sets=float(self.metric.at_counts(*(count.sum() for count in at))),
            most_per_group=None if self.rules.groups is None else self.rules.most_per_group,
        )

    def _proof(self, choice: Choice, ratio: list[list[float]] | None) -> str:
        if ratio is None and choice.certified:
            return "All sets that may be chosen are, so no other choice exists; every threshold was compared."
        if ratio is None:
            return (
                f"Found by swapping sets from several starts: {self.metric.name} is no ratio of sums, so nothing "
                f"proves that no other choice is better."
            )
        places = np.searchsorted(self.all.numbers, choice.sets)
        p, q = (sum(values[place] for place in places) for values in ratio)
        name = self.metric.name if self.metric.maximize else f"1 - {self.metric.name} / the higher price"
        where = "the threshold" if self.given is not None else f"each of {len(self._thresholds):,} thresholds"
        return certificate(
            name, p, q, where, len(choice.sets), self.candidates, slack=SLACK if self.sets.weighted else 0
        )


def _all(numbers: ArrayLike, members: Integers) -> Integers:
    """All set numbers, ascending: those given, which must hold the ones of the samples."""
    given = np.unique(np.asarray(numbers))
    if given.dtype.kind not in "iu":
        raise DataError(f"numbers must be of an integer type, got {given.dtype}")
    strange = np.setdiff1d(members, given)
    if len(strange):
        raise DataError(f"numbers must hold the set of every sample, got none of set {strange[0]}")
    return given.astype(np.int64)
