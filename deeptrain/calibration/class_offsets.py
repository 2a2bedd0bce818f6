"""Offsets of the log-probabilities of classes, so that deciding for the greatest makes a metric best.

A model that is trained on few members of a class hardly ever decides for it, as a binary one does at 0.5; an offset a
class is what a threshold is to two. One offset at a time is moved to the best of all places there are: a decision about
a sample changes where its log-probability meets that of the best other class, so that a line has at most as many
places as there are samples. The end is a place where no single offset can do better; it need not be the best of all.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration import evaluation, intervals
from deeptrain.calibration import folds as dealing
from deeptrain.calibration.record import Record
from deeptrain.calibration.threshold import FEW
from deeptrain.errors import DataError
from deeptrain.metrics import checks, class_counts
from deeptrain.metrics.checks import Integers, Labels, Scores
from deeptrain.metrics.class_counts import ClassCounts
from deeptrain.metrics.counts import Values
from deeptrain.metrics.metric import Metric

FARTHEST = 500.0
"""No offset is farther from 0: exp(500) is still a number, and probabilities below exp(-500) say nothing."""

MOST_SWEEPS = 100
"""Each sweep makes the metric better, and few are needed; so many end a search that gains next to nothing each time."""

BLOCK = 1 << 20
"""Places times classes that are looked at together: 8 MiB an array."""


MOST_NAMED = 8
"""How many classes a warning names."""


@dataclass(frozen=True)
class ClassOffsets(Record):
    """What is added to the log-probability of each class before the greatest decides, and what is known about it.

    Attributes:
        classes: names of the classes.
        offsets: (classes,) natural logarithms; the least in size of them is 0, as only differences matter.
        metric: name of the metric that was made best.
        in_sample: the metric with the offsets on the samples they were chosen on; too good, see `cross_fitted`.
        value_without: the metric without offsets on the same samples.
        cross_fitted: the metric of all decisions when those about each fold are by the offsets of the other folds.
        gain: of the cross-fitted decisions over those without offsets, with its confidence interval.
        of_class: how many samples each class has.
        samples: number of samples.
        warnings: sentences a user should read before trusting the offsets.
    """

    classes: tuple[str, ...]
    offsets: tuple[float, ...]
    metric: str
    in_sample: float
    value_without: float
    cross_fitted: float
    gain: intervals.Gain
    of_class: tuple[int, ...]
    samples: int
    warnings: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check what a reader relies on."""
        if not all(math.isfinite(offset) for offset in self.offsets):
            raise ValueError(f"offsets must be finite, got {self.offsets}")
        if not len(self.classes) == len(self.offsets) == len(self.of_class):
            raise ValueError(f"offsets must be one for each of {len(self.classes)} classes, got {len(self.offsets)}")


def weighed(probabilities: ArrayLike, offsets: ArrayLike) -> Scores:
    """(n, classes) probabilities times exp(offset of the class): the greatest of a row decides, the first among equals.

    Args:
        probabilities: (n, classes).
        offsets: (classes,), finite; of zeros the decisions are those without.
    """
    found: Scores = np.asarray(probabilities, np.float64) * np.exp(np.asarray(offsets, np.float64))
    return found


def choose(
    labels: ArrayLike,
    probabilities: ArrayLike,
    metric: str = "f1_score_macro",
    folds: int = 5,
    seed: int = 0,
    called: Sequence[str] | None = None,
    weights: ArrayLike | None = None,
) -> ClassOffsets:
    """The offsets that a search along one after the other ends at; on these samples never worse than none.

    The search begins at zeros, and again where every class has the weight its samples lack, and takes the better end.
    Among equally good places on a line it takes the one nearest to where the offset was. A class without samples keeps
    the offset 0. The order of the samples does not matter. It takes O(sweeps · classes · (n log n + n classes)).

    Args:
        labels: (n,) class numbers, of at least two classes.
        probabilities: (n, classes), each row a distribution.
        metric: a metric of class decisions, such as f1_score_macro, balanced_accuracy, accuracy, mcc.
        folds: parts of the cross-fitting, at least 2.
        seed: decides which sample falls into which part.
        called: names of the classes; by default their numbers.
        weights: (n,) what each sample counts for; one of weight 0 is as if it were not there.

    Raises:
        DataError: when labels, probabilities or weights are not that, or names are not one for each class.
        SettingsError: for an unknown metric, or one that is none of class decisions.
    """
    measure = class_counts.metric(metric)
    truth, values = checks.classes(labels, probabilities)
    checks.probabilities(values, "probabilities")
    number = values.shape[1]
    told = tuple(map(str, range(number))) if called is None else tuple(called)
    if len(told) != number:
        raise DataError(f"names of classes must be one for each of {number} columns of probabilities, got {len(told)}")
    truth, values, given = checks.counting(truth, values, weights)
    of_class = np.bincount(truth, minlength=number)
    there = np.count_nonzero(of_class)
    if there < 2:
        raise DataError(f"cannot calibrate: {there} of {number} classes among {len(truth)} samples; two are needed")
    # In an order of their own, whatever order they come in: samples that are alike may be exchanged.
    order = np.lexsort((*values.T, truth) if given is None else (given, *values.T, truth))
    truth, values, given = truth[order], values[order], None if given is None else given[order]

    offsets = _search(truth, values, measure, given)
    plain, moved = values.argmax(axis=1), weighed(values, offsets).argmax(axis=1)
    cross = _cross_fitted(truth, values, measure, folds, seed, given)
    in_sample, without, cross_fitted = (_value(measure, truth, said, number, given) for said in (moved, plain, cross))
    gain = evaluation.gain_of_classes(measure, truth, plain, cross, number, seed, given)
    return ClassOffsets(
        classes=told,
        offsets=tuple(offsets.tolist()),
        metric=measure.name,
        in_sample=in_sample,
        value_without=without,
        cross_fitted=cross_fitted,
        gain=gain,
        of_class=tuple(of_class.tolist()),
        samples=len(truth),
        warnings=(
            *_poor(of_class, told),
            *_over_fit(measure, in_sample, without, gain, bool(offsets.any())),
        ),
    )


def _search(truth: Integers, probabilities: Scores, metric: Metric, weights: Scores | None) -> Scores:
    """(classes,) the offsets of the better of two ends."""
    there = np.bincount(truth, minlength=probabilities.shape[1]) > 0
    expected = probabilities.sum(axis=0) if weights is None else weights @ probabilities
    # What evens out how much of each class the model expects.
    even = np.where(there & (expected > 0), np.log(expected.mean() / np.where(expected > 0, expected, 1.0)), 0.0)
    ends = [_climb(truth, probabilities, metric, start, there, weights) for start in (np.zeros(len(there)), even)]
    values = [_objective(metric, truth, probabilities, end, weights) for end in ends]
    best = ends[int(np.argmax(values))]
    # Only differences matter: where every class has moved, one need not, unless rounding makes that worse.
    shifted = best - best[np.argmin(np.abs(best))]
    return shifted if _objective(metric, truth, probabilities, shifted, weights) >= max(values) else best


def _climb(
    truth: Integers, probabilities: Scores, metric: Metric, start: Scores, there: Labels, weights: Scores | None
) -> Scores:
    offsets, value = start, _objective(metric, truth, probabilities, start, weights)
    for _ in range(MOST_SWEEPS):
        before = value
        for number in np.flatnonzero(there):
            moved = offsets.copy()
            moved[number] = _best_place(truth, probabilities, metric, offsets, int(number), weights)
            # What was found on the line is looked at as it will be decided, so that rounding makes nothing worse.
            found = _objective(metric, truth, probabilities, moved, weights)
            if found > value:
                offsets, value = moved, found
        if value == before:
            break
    return offsets


def _best_place(
    truth: Integers, probabilities: Scores, metric: Metric, offsets: Scores, number: int, weights: Scores | None
) -> float:
    """The best offset of one class, the others being given."""
    scores = weighed(probabilities, offsets)
    own = probabilities[:, number]
    scores[:, number] = -1.0
    rival = scores.argmax(axis=1)
    against = scores[np.arange(len(scores)), rival]
    with np.errstate(divide="ignore"):
        place = np.log(against) - np.log(own)  # above it the class is said, below it its rival
    order = np.argsort(place, kind="stable")
    order = order[np.isfinite(place[order])]
    if not len(order):
        return float(offsets[number])
    always = ~np.isfinite(place) & (own > 0)
    said = np.where(always, number, rival)
    begin = class_counts.counted(truth, said, probabilities.shape[1], weights)
    last = np.flatnonzero(np.append(np.diff(place[order]) > 0, True))
    each = None if weights is None else weights[order]
    values = _along(metric, begin, truth[order], rival[order], number, last, each)
    distinct = place[order][last]
    lower, upper = np.append(-FARTHEST, distinct), np.append(distinct, FARTHEST)
    values[(lower < -FARTHEST) | (upper > FARTHEST) | (lower >= upper)] = -np.inf
    equals = np.flatnonzero(values == values.max())
    return _nearest(lower[equals], upper[equals], float(offsets[number]))


def _nearest(lower: Scores, upper: Scores, now: float) -> float:
    """In the interval that holds a number or comes nearest to it: the number itself, or the middle of the interval."""
    distance = np.maximum(np.maximum(lower - now, now - upper), 0)
    index = int(np.argmin(distance))
    if lower[index] < now < upper[index]:
        return now
    # At the ends of the line a step of 1 is enough.
    low, high = max(float(lower[index]), float(upper[index]) - 2), min(float(upper[index]), float(lower[index]) + 2)
    return low + (high - low) / 2


def _along(
    metric: Metric,
    begin: ClassCounts,
    truth: Integers,
    rival: Integers,
    number: int,
    last: Integers,
    weights: Scores | None,
) -> Values:
    """(places + 1,) the metric as the decisions about samples, in order, change from the rival to the class.

    Args:
        metric: of class decisions.
        begin: the counts before any changes.
        truth: (n,) class numbers.
        rival: (n,) class numbers.
        number: of the class that they change to.
        last: (places,) index of the last sample that changes at each place.
        weights: (n,) what each sample counts for.
    """
    classes = len(begin.true)
    dtype: type[Any] = np.int64 if weights is None else np.float64
    right, said = (count.astype(dtype) for count in (begin.right, begin.said))
    values = [oriented(metric, ClassCounts(right, said, begin.true))[None]]
    rows = max(1, BLOCK // classes)
    for start in range(0, len(truth), rows):
        block = slice(start, start + rows)
        true, other = truth[block], rival[block]
        index = np.arange(len(true))
        calls, hits = (np.zeros((len(true), classes), dtype) for _ in range(2))
        each: Any = 1 if weights is None else weights[block]
        calls[:, number] = each
        calls[index, other] -= each
        hits[:, number] = (true == number) * each
        hits[index, other] -= (true == other) * each
        calls, hits = said + np.cumsum(calls, axis=0), right + np.cumsum(hits, axis=0)
        said, right = calls[-1], hits[-1]
        here = last[(last >= start) & (last < start + len(true))] - start
        values.append(oriented(metric, ClassCounts(hits[here], calls[here], begin.true)))
    return np.concatenate(values)


def oriented(metric: Metric, found: ClassCounts) -> Values:
    """A metric of class decisions so that more is better, and what is undefined is worst."""
    values = class_counts.at(metric, found)
    return np.where(np.isnan(values), -np.inf, values if metric.maximize else -values)


def _objective(
    metric: Metric, truth: Integers, probabilities: Scores, offsets: Scores, weights: Scores | None
) -> float:
    said = weighed(probabilities, offsets).argmax(axis=1)
    return float(oriented(metric, class_counts.counted(truth, said, probabilities.shape[1], weights)))


def _value(metric: Metric, truth: Integers, said: Integers, classes: int, weights: Scores | None) -> float:
    return float(class_counts.at(metric, class_counts.counted(truth, said, classes, weights)))


def _cross_fitted(
    truth: Integers, probabilities: Scores, metric: Metric, folds: int, seed: int, weights: Scores | None
) -> Integers:
    """(n,) the classes that are said by the offsets of the other folds, which have as many of each class as can be."""
    fold = dealing.dealt(truth, folds, seed)
    said = np.empty(len(truth), np.int64)
    for number in range(min(folds, len(truth))):
        held_out = fold == number
        of_others = None if weights is None else weights[~held_out]
        offsets = _search(truth[~held_out], probabilities[~held_out], metric, of_others)
        said[held_out] = weighed(probabilities[held_out], offsets).argmax(axis=1)
    return said


def _poor(of_class: Integers, called: Sequence[str]) -> Iterator[str]:
    samples = int(of_class.sum())
    none = [name for number, name in zip(of_class.tolist(), called, strict=True) if number == 0]
    few = [f"{name} ({number})" for number, name in zip(of_class.tolist(), called, strict=True) if 0 < number < FEW]
    if none:
        yield f"None of the {samples} samples is of {_listed(none)}: an offset without samples stays as it is."
    if few:
        yield (
            f"Fewer than {FEW} of the {samples} samples are of {_listed(few)}: the standard error of a rate is "
            f"{0.5 / math.sqrt(FEW):.2f} or more."
        )


def _listed(told: Sequence[str]) -> str:
    more = len(told) - MOST_NAMED
    return ", ".join(told[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _over_fit(metric: Metric, in_sample: float, without: float, gain: intervals.Gain, moved: bool) -> Iterator[str]:
    told = (in_sample - without) * (1 if metric.maximize else -1)
    if not moved or math.isnan(gain.value):
        return
    if gain.value < 0:
        yield (
            f"The offsets are over-fit: in sample they gain {told:.4f} in {metric.name}, cross-fitted they lose "
            f"{-gain.value:.4f}. On samples they have not seen they do not pay."
        )
    elif not gain.low > 0:
        yield (
            f"The cross-fitted gain of {gain.value:.4f} in {metric.name} is within noise ({gain.low:.4f} to "
            f"{gain.high:.4f}); in sample it is {told:.4f}."
        )
