"""The sets on which a model does best: the best k of n, at a given threshold or jointly with the best one."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration import operating_points, ratio_search, swap_search
from deeptrain.calibration.operating_points import Integers
from deeptrain.calibration.record import Record
from deeptrain.calibration.set_counts import SetCounts
from deeptrain.errors import DataError
from deeptrain.metrics import checks, names
from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.counts import Values
from deeptrain.metrics.metric import Metric, Ratio


@dataclass(frozen=True)
class SetValue(Record):
    """What a metric is on one set: its number, samples, positives, and the value, nan where undefined."""

    number: int
    samples: int
    positives: int
    value: float


@dataclass(frozen=True)
class Subset(Record):
    """The best sets. Their value is in-sample: they were chosen for it, and other data will not reach it.

    Attributes:
        sets: the numbers of the chosen sets, ascending.
        threshold: a sample is called positive if its score is greater.
        value: the metric over all samples of the chosen sets together.
        metric: its name.
        certified: whether the search proves that no other choice is better.
        per_set: every set, chosen or not, by number.
        all_sets: the metric over the samples of all sets at the threshold.
    """

    sets: tuple[int, ...]
    threshold: float
    value: float
    metric: str
    certified: bool
    per_set: tuple[SetValue, ...]
    all_sets: float

    def __post_init__(self) -> None:
        """Check what a reader relies on."""
        if not math.isfinite(self.threshold):
            raise ValueError(f"threshold must be finite, got {self.threshold}")
        if list(self.sets) != sorted(set(self.sets)) or not self.sets:
            raise ValueError(f"sets must be distinct numbers, ascending, at least one, got {list(self.sets)}")
        missing = set(self.sets) - {one.number for one in self.per_set}
        if missing:
            raise ValueError(f"sets must be among those of per_set, got {min(missing)}")


def best(
    labels: ArrayLike,
    scores: ArrayLike,
    sets: ArrayLike,
    size: int,
    metric: names.Named = "f1_score",
    threshold: float | None = None,
) -> Subset:
    """The `size` sets on which a metric over their samples together is best.

    Exact and certified for a ratio of sums of counts (accuracy, F1, precision, recall, specificity, Jaccard), and when
    all sets are taken; otherwise a swap search from several starts, the same every time, that proves nothing.

    Args:
        labels: (n,) of 0 and 1, both present.
        scores: (n,) finite, in [0, 1].
        sets: (n,) the number of each sample's set, any integers; sets may differ in size.
        size: how many sets to choose.
        metric: name of a metric of counts.
        threshold: the threshold, or None to choose it jointly with the sets: among equals as `threshold.choose` does
            for the samples of the chosen sets.

    Raises:
        DataError: when labels, scores or sets are not that, there are fewer sets than `size`, or the metric is
            undefined for every choice.
        SettingsError: for an unknown metric, or one that no threshold changes.
    """
    measure = names.count_metric(metric)
    truth, values = checks.binary(labels, scores)
    numbers = checks.set_numbers(sets, len(truth))
    checks.both_classes(truth, "choose a subset")
    if threshold is not None and not math.isfinite(threshold):
        raise DataError(f"threshold must be finite, got {threshold}")
    search = _Search(truth, values, numbers, measure)
    count = len(search.sets.numbers)
    if not 1 <= size <= count:
        raise DataError(
            f"the best {size} of {count} sets cannot be chosen: subset_size must be between 1 and {count}; "
            f"lower calibration.subset_size or raise the number of sets"
        )
    if size == count:
        chosen = np.arange(count)
        at = search.best_threshold(chosen) if threshold is None else threshold
    elif measure.ratio is not None:
        chosen, at = search.exactly(measure.ratio, size, threshold)
    else:
        chosen, at = search.by_swaps(size, threshold)
    result = search.result(chosen, at, certified=size == count or measure.ratio is not None)
    if math.isnan(result.value):
        raise DataError(
            f"{measure.name} is undefined for every {size} of the {count} sets at threshold {at}: none has both "
            f"classes; choose a larger subset_size"
        )
    return result


class _Search:
    """The samples in the forms that the searches read."""

    def __init__(self, labels: Labels, scores: Scores, sets: Integers, metric: Metric) -> None:
        self.labels, self.scores, self.metric = labels, scores, metric
        self.sets = SetCounts.of(labels, scores, sets)
        self.index = np.searchsorted(self.sets.numbers, sets)

    def objective(self, tp: Integers, fp: Integers, fn: Integers, tn: Integers) -> Values:
        return operating_points.oriented(self.metric.at_counts(tp, fp, fn, tn), self.metric)

    def best_threshold(self, chosen: Integers) -> float:
        within = np.isin(self.index, chosen)
        points = operating_points.of(self.labels[within], self.scores[within])
        return points.threshold(operating_points.best(points, self.metric))

    def candidates(self) -> Scores:
        """Thresholds among which a best one is, for any choice of sets; those nearest to 0.5 first.

        More true positives and fewer false ones never make a count metric worse where it is best. So it is best just
        below the score of some positive, or where none is called positive: it need not be sought below the negatives.
        """
        cuts = np.append(np.unique(self.scores[self.labels]), np.inf)
        thresholds = np.nextafter(cuts, -np.inf)
        nearest: Scores = thresholds[np.argsort(np.abs(thresholds - 0.5), kind="stable")]
        return nearest

    def exactly(self, ratio: Ratio, size: int, threshold: float | None) -> tuple[Integers, float]:
        thresholds = self.candidates() if threshold is None else np.array([threshold], np.float64)

        def fractions(points: Integers) -> tuple[Integers, Integers]:
            at = self.sets.at(thresholds[points])
            return _weighted(ratio.numerator, at), _weighted(ratio.denominator, at)

        preference = np.arange(len(thresholds))
        _, chosen = ratio_search.best(fractions, preference, len(self.sets.numbers), size)
        return chosen, self.best_threshold(chosen) if threshold is None else threshold

    def by_swaps(self, size: int, threshold: float | None) -> tuple[Integers, float]:
        if threshold is not None:
            return swap_search.best(self._counts(threshold), self.objective, size), threshold
        thresholds = self.candidates()
        spread = np.linspace(0, len(thresholds) - 1, min(len(thresholds), 8)).astype(np.int64)
        ends = [self._alternate(size, start) for start in (0.5, *thresholds[np.unique(spread)].tolist())]
        return ends[int(np.argmax([self._value(chosen, at) for chosen, at in ends]))]

    def _alternate(self, size: int, start: float) -> tuple[Integers, float]:
        """Swaps at a threshold, then the threshold best for those sets, in turn until neither is better."""
        at, chosen, value = start, swap_search.best(self._counts(start), self.objective, size), -math.inf
        while True:
            moved = self.best_threshold(chosen)
            if not self._value(chosen, moved) > value:
                return chosen, at
            at, value = moved, self._value(chosen, moved)
            chosen = swap_search.improve(self._counts(at), self.objective, chosen)

    def _counts(self, threshold: float) -> Integers:
        return np.concatenate(self.sets.at(np.array([threshold])))

    def _value(self, chosen: Integers, threshold: float) -> float:
        tp, fp, fn, tn = self._counts(threshold)[:, chosen].sum(axis=1)
        return float(self.objective(tp, fp, fn, tn))

    def result(self, chosen: Integers, threshold: float, certified: bool) -> Subset:
        at = self._counts(threshold)
        function = self.metric.at_counts
        alone = function(*at).tolist()
        sizes = (self.sets.positives + self.sets.negatives).tolist()
        per_set = zip(self.sets.numbers.tolist(), sizes, self.sets.positives.tolist(), alone, strict=True)
        return Subset(
            sets=tuple(self.sets.numbers[chosen].tolist()),
            threshold=float(threshold),
            value=float(function(*at[:, chosen].sum(axis=1))),
            metric=self.metric.name,
            certified=certified,
            per_set=tuple(SetValue(*one) for one in per_set),
            all_sets=float(function(*at.sum(axis=1))),
        )


def _weighted(weights: tuple[int, ...], at: tuple[Integers, ...]) -> Integers:
    # Where every weight is 0 there is nothing to add; a metric has at least one that is not.
    return sum((weight * count for weight, count in zip(weights, at, strict=True) if weight), np.int64(0) * at[0])
