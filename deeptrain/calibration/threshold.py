"""The threshold to decide by: chosen so that it does well on other samples, beside what it is worth on those."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration import bootstrap, constraint, cross_fitting, intervals, operating_points, optimum, promise
from deeptrain.calibration.constraint import Constraint
from deeptrain.calibration.operating_points import OperatingPoints
from deeptrain.calibration.optimum import Bounds, Optimum
from deeptrain.calibration.record import Record
from deeptrain.calibration.weighted_blocks import WeightedBlocks
from deeptrain.errors import SettingsError
from deeptrain.metrics import checks, counts, names
from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.metric import Metric
from deeptrain.metrics.names import Named

FEW = 30
"""A rate measured on p members of a class has a standard error of up to 0.5 / sqrt(p): 0.09 for 30, more for fewer."""

NOISE = 2.0
"""A gain below so many of its standard errors is within noise."""

Rule = Literal["median", "optimum", "constraint"]
"""How a threshold was chosen: as the median of the best ones of resamples, as the best one, or as a constraint asks."""


@dataclass(frozen=True)
class Promise(Record):
    """What became of a constraint.

    Attributes:
        constraint: what was asked, such as "precision >= 0.8".
        confidence: with which it is kept on other samples, if it is met.
        met: whether the threshold keeps it; if not, the threshold is the one without a constraint.
        bound: what the rate is at least with that confidence: at the threshold, or where it is greatest, if not met.
        hits: how many were right there.
        cases: of how many.
        naive: the best threshold of those where the constraint holds on these samples alone; nan if there is none.
            Other samples break it half of the time.
        naive_in_sample: the metric there.
    """

    constraint: str
    confidence: float
    met: bool
    bound: float
    hits: int
    cases: int
    naive: float
    naive_in_sample: float


@dataclass(frozen=True)
class Threshold(Record):
    """A threshold, "positive if score > value", and what is known about it.

    Attributes:
        value: midway between neighbouring distinct scores, so that > and >= agree; outside [0, 1] only where it calls
            all samples alike and a score is exactly 0 or 1.
        rule: how it was chosen.
        interval: the middle part of the best thresholds of resamples; None where there are no resamples.
        metric: name of the metric it was chosen for.
        arguments: of the metric, such as its beta.
        in_sample: the metric at the threshold on the samples it was chosen on; too good, see `cross_fitted`.
        value_at_half: the metric at 0.5 on the same samples.
        cross_fitted: the metric of all decisions when those about each fold are by the threshold that the other folds
            lead to, by the same rule; nan when a class has a single member.
        cross_fitted_interval: where the metric lies on other samples; nan when a class has hardly any member.
        plateau: (low, high); every threshold t with low <= t < high gives `in_sample` too.
        optimum: the best threshold on these samples, and its value: the most that any threshold has here.
        optimum_interval: where the metric at the optimum lies, taken as if it had not been chosen for it.
        confidence: of the intervals.
        promise: what became of the constraint; None without one.
        positives: number of samples with label 1.
        samples: number of all samples.
        warnings: sentences a user should read before trusting the threshold.
    """

    value: float
    rule: Rule
    interval: tuple[float, float] | None
    metric: str
    arguments: Mapping[str, Any]
    in_sample: float
    value_at_half: float
    cross_fitted: float
    cross_fitted_interval: tuple[float, float]
    plateau: tuple[float, float]
    optimum: Optimum
    optimum_interval: tuple[float, float]
    confidence: float
    promise: Promise | None
    positives: int
    samples: int
    warnings: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check what a reader relies on."""
        low, high = self.plateau
        if not -1 <= low <= self.value < high <= 2:
            raise ValueError(f"value must lie on its plateau within -1 and 2, got {self.value} on [{low}, {high})")
        if not 0 <= self.positives <= self.samples:
            raise ValueError(f"positives must be between 0 and {self.samples} samples, got {self.positives}")


@dataclass(frozen=True, eq=False)
class _Chosen:
    """What a rule chose: among all operating points, or those within the bounds."""

    at: Optimum
    best: Optimum
    rule: Rule
    interval: tuple[float, float] | None
    promise: Promise | None


@dataclass(frozen=True)
class _Asked:
    """The question, which is the same for all samples and for each fold."""

    metric: Metric
    constraint: Constraint | None
    confidence: float
    bounds: Bounds | None
    preference: float
    resamples: int
    seed: int

    def choose(self, labels: Labels, scores: Scores, weights: Scores | None, fold: int) -> _Chosen:
        """The threshold for samples in ascending order of score; a fold has resamples of its own."""
        # With weights resampling takes no operating points, so that these come after it: there is no room for both.
        found = None if weights is None else self._resampled(labels, scores, weights, fold, None)
        every = operating_points.of_sorted(labels, scores, weights)
        points = every if self.bounds is None else every.within(*self.bounds)
        best = optimum.at(points, self.metric, operating_points.best(points, self.metric, self.preference))
        kept = None
        if self.constraint is not None:
            kept = self._promised(points, self.constraint)
            if kept[0].met:
                return _Chosen(kept[1], best, "constraint", None, kept[0])
        promised = None if kept is None else kept[0]
        if found is None:
            found = self._resampled(labels, scores, weights, fold, every)
        if not len(found):
            return _Chosen(best, best, "optimum", None, promised)
        low, middle, high = np.quantile(found, [(1 - self.confidence) / 2, 0.5, (1 + self.confidence) / 2]).tolist()
        at = optimum.at(points, self.metric, points.point_of(middle))
        return _Chosen(at, best, "median", (low, high), promised)

    def value(self, labels: Labels, scores: Scores, weights: Scores | None, fold: int) -> float:
        """The threshold alone; with weights in less memory."""
        if weights is None:
            return self.choose(labels, scores, None, fold).at.value
        found = self._resampled(labels, scores, weights, fold, None)
        if len(found):
            return operating_points.made_by(scores, float(np.quantile(found, 0.5)), self.bounds)
        points = WeightedBlocks(labels, scores, weights, self.metric, self.bounds).contenders()
        points = points if self.bounds is None else points.within(*self.bounds)
        return points.threshold(operating_points.best(points, self.metric, self.preference))

    def _resampled(
        self, labels: Labels, scores: Scores, weights: Scores | None, fold: int, every: OperatingPoints | None
    ) -> Scores:
        """The best thresholds of resamples; none where there are no resamples."""
        if not self.resamples:
            return np.empty(0)
        generator = np.random.Generator(np.random.Philox([self.seed, fold]))
        return bootstrap.thresholds(
            labels, scores, self.metric, self.resamples, generator, self.preference, self.bounds, weights, every
        )

    def _promised(self, points: OperatingPoints, asked: Constraint) -> tuple[Promise, Optimum]:
        """What can be kept, and the best threshold that keeps it; any other where none does."""
        seeming = promise.seeming(points, asked)
        naive = operating_points.best(points, self.metric, self.preference, seeming) if seeming.any() else None
        tests = promise.tested(points, asked, self.confidence)
        met = bool(tests.kept.any())
        told = operating_points.best(points, self.metric, self.preference, tests.kept) if met else tests.point
        hits, cases = (0, 0)
        if told is not None:
            hits, cases = (int(one[0]) for one in promise.cases(points, asked, [told]))
        bound = float(intervals.lower_bound(np.array(hits), np.array(cases), 1 - self.confidence))
        found = Promise(
            constraint=str(asked),
            confidence=self.confidence,
            met=met,
            bound=bound,
            hits=hits,
            cases=cases,
            naive=math.nan if naive is None else points.threshold(naive),
            naive_in_sample=math.nan if naive is None else points.value(self.metric, naive),
        )
        # A run of equal values is no plateau here: what keeps the constraint was tested point by point.
        point = 0 if told is None else told
        return found, Optimum(points.threshold(point), points.value(self.metric, point), points.span(point))


def choose(
    labels: ArrayLike,
    scores: ArrayLike,
    metric: Named = "f1_score",
    folds: int = 5,
    seed: int = 0,
    *,
    constraint: str | None = None,
    confidence: float = 0.9,
    bounds: Bounds | None = None,
    preference: float = 0.5,
    resamples: int = 50,
    weights: ArrayLike | None = None,
) -> Threshold:
    """The threshold to decide by about other samples, and what the metric will be worth on those.

    It is the median of the best thresholds of resampled samples, moved to the middle between the scores it falls
    between: on samples it has not seen it does better than the best threshold of these samples, which is told beside
    it. With a constraint it is the best of those thresholds that keep it on other samples too. The order of the samples
    does not matter, for nothing of all this.

    Costs about a sort of the scores a resample at worst, folds + 1 times; 48 bytes a sample at the peak.

    Args:
        labels: (n,) of 0 and 1, both present.
        scores: (n,) finite, in [0, 1].
        metric: of counts, or its name.
        folds: parts of the cross-fitting, at least 2.
        seed: decides which sample falls into which part, and what is resampled.
        constraint: what must be kept, such as "precision >= 0.8"; see `promise`.
        confidence: of the intervals, and of what the constraint promises, between 0 and 1.
        bounds: (least, most), the thresholds to choose from, both included.
        preference: among equally good thresholds the one nearest to it is taken.
        resamples: how many; 0 for the best threshold of the samples themselves.
        weights: (n,) what each sample counts for; see `optimum.of`.

    Raises:
        DataError: when labels, scores or weights are not that: "cannot calibrate: 0 positives among 120 samples".
        SettingsError: for an unknown metric, one that no threshold changes, a constraint that cannot be read, or that
            is asked of samples that count differently; for confidence, bounds or preference out of range.
    """
    measure = names.count_metric(metric)
    given = optimum.weighted(labels, scores, weights)
    asked = _asked(measure, constraint, confidence, bounds, preference, resamples, seed, given[2])
    checks.both_classes(given[0])
    truth, values, weighed = operating_points.sort_weighted(*given)
    del given
    chosen = asked.choose(truth, values, weighed, folds)

    def worth(decided: Labels) -> float:
        return float(measure.at_counts(*counts.weighed(truth, decided, weighed)))

    cross = cross_fitting.decisions(truth, values, asked.value, folds, seed, weighed)
    half, best = values > 0.5, values > chosen.best.value
    decided = (best,) if cross is None else (best, half, cross)
    resampled = cross_fitting.Resamples(truth, decided, measure, seed, weighed)
    at_half, cross_fitted, noise, around = worth(half), math.nan, math.nan, (math.nan, math.nan)
    if cross is not None:
        cross_fitted = worth(cross)
        noise = resampled.error_of_difference(2, 1)
        around = resampled.interval(2, confidence)
    gain = cross_fitted - at_half if measure.maximize else at_half - cross_fitted
    positives = int(np.count_nonzero(truth))
    return Threshold(
        value=chosen.at.value,
        rule=chosen.rule,
        interval=chosen.interval,
        metric=measure.name,
        arguments=dict(measure.arguments),
        in_sample=chosen.at.in_sample,
        value_at_half=at_half,
        cross_fitted=cross_fitted,
        cross_fitted_interval=around,
        plateau=chosen.at.plateau,
        optimum=chosen.best,
        optimum_interval=resampled.interval(0, confidence),
        confidence=confidence,
        promise=chosen.promise,
        positives=positives,
        samples=len(values),
        warnings=(
            *_unkept(chosen.promise),
            *_few(positives, len(values) - positives, measure),
            *_gain(measure, cross_fitted, at_half, gain, noise, chosen.at.in_sample != at_half),
            *_edge(values, chosen.at, bounds),
        ),
    )


def _asked(
    metric: Metric,
    text: str | None,
    confidence: float,
    bounds: Bounds | None,
    preference: float,
    resamples: int,
    seed: int,
    weights: Scores | None,
) -> _Asked:
    optimum.check_bounds(bounds, preference)
    if not 0 < confidence < 1:
        raise SettingsError(f"confidence must be between 0 and 1, got {confidence}")
    if resamples < 0:
        raise SettingsError(f"resamples must be at least 0, got {resamples}")
    if text is not None and weights is not None:
        raise SettingsError(f"constraint {text!r} cannot be promised for weighted samples: leave out one of the two")
    parsed = None if text is None else constraint.parse(text)
    return _Asked(metric, parsed, confidence, bounds, preference, resamples, seed)


def _unkept(kept: Promise | None) -> Iterator[str]:
    if kept is None or kept.met:
        return
    if kept.cases:
        known = f"the most that is sure is {kept.bound:.4f} ({kept.hits} of {kept.cases} right)"
    else:
        known = "there are too few samples for any proof"
    yield (
        f"The constraint {kept.constraint} cannot be promised with a confidence of {kept.confidence:g}: {known}. "
        f"The threshold is the one without the constraint."
    )


def _few(positives: int, negatives: int, metric: Metric) -> Iterator[str]:
    rarer, name = min((positives, "positive"), (negatives, "negative"))
    if rarer < FEW:
        yield (
            f"There {'is' if rarer == 1 else 'are'} only {rarer} {name}{'' if rarer == 1 else 's'} among "
            f"{positives + negatives} samples: a rate of so few has a standard error of up to "
            f"{0.5 / math.sqrt(rarer):.2f}."
        )
    if rarer == 1:
        yield f"With a single {name} {metric.name} cannot be cross-fitted; only its in-sample value is known."


def _gain(metric: Metric, value: float, at_half: float, gain: float, noise: float, moved: bool) -> Iterator[str]:
    if math.isnan(gain):
        return
    if gain < 0:
        yield (
            f"Cross-fitted {metric.name} {value:.4f} is worse than the {at_half:.4f} at 0.5: "
            f"on samples it has not seen this threshold does not pay."
        )
    elif moved and not gain > NOISE * noise:
        yield (
            f"The cross-fitted gain of {gain:.4f} in {metric.name} over the {at_half:.4f} at 0.5 is within noise "
            f"(standard error {noise:.4f})."
        )


def _edge(scores: Scores, at: Optimum, bounds: Bounds | None) -> Iterator[str]:
    if not scores[0] <= at.value < scores[-1]:
        yield f"The threshold is at the edge: it calls {'every' if at.value < scores[0] else 'no'} sample positive."
    elif bounds is not None and (at.plateau[0] <= bounds[0] or at.plateau[1] > bounds[1]):
        yield f"The threshold is at the edge of the bounds {list(bounds)}: a better one may lie beyond."
