"""Scores made into probabilities by the map that cross-fitting finds best, leaving them as they are among the choices.

Every method is fitted on the other folds to judge a fold, so the comparison is about samples a map has not seen; the
one with the least mean log loss is fitted again on all samples. Source of the idea: M. Stone, "Cross-validatory choice
and assessment of statistical predictions", 1974.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration import folds as dealing
from deeptrain.calibration import quality
from deeptrain.calibration.maps import methods as ready
from deeptrain.calibration.maps.score_map import Map, targets
from deeptrain.calibration.quality import Quality
from deeptrain.calibration.record import Record
from deeptrain.errors import DataError, SettingsError
from deeptrain.metrics import checks
from deeptrain.metrics.checks import Integers, Scores

FEW = 30
"""Of fewer samples of a class even the mean of a map is known to 0.09 at best."""

NOISE = 2.0
"""A gain below so many of its standard errors is within noise."""


@dataclass(frozen=True)
class Candidate(Record):
    """A method that was compared.

    Attributes:
        method: its name.
        cross_fitted: mean log loss of all samples, each by the map of the other folds.
        in_sample: mean log loss by the map of all samples; too low.
        gain: how much less than that of the scores as they are is `cross_fitted`.
        error: standard error of `gain`, from the differences sample by sample.
    """

    method: str
    cross_fitted: float
    in_sample: float
    gain: float
    error: float


@dataclass(frozen=True)
class Probabilities(Record):
    """How scores become probabilities, and what is known about it.

    Attributes:
        map: the chosen map as plain numbers; `fitted` makes it usable.
        candidates: what was compared, the chosen one among them.
        before: quality of the scores as they are.
        cross_fitted: quality of the probabilities, each by the chosen method's map of the other folds.
        samples: number of samples by class; of two classes negatives and positives.
        warnings: sentences a user should read before trusting the probabilities.
    """

    map: Mapping[str, Any]
    candidates: tuple[Candidate, ...]
    before: Quality
    cross_fitted: Quality
    samples: tuple[int, ...]
    warnings: tuple[str, ...]

    @property
    def method(self) -> str:
        """Name of the chosen method."""
        return str(self.map["method"])

    @property
    def fitted(self) -> Map:
        """The chosen map; a law: it gives the same bytes before and after JSON.

        Raises:
            ArtifactError: when `map` is none.
        """
        return ready.restored(self.map)


@dataclass(frozen=True)
class Change(Record):
    """What a map is worth on samples that had no part in it.

    Attributes:
        before: quality of the scores as they are.
        after: quality of the probabilities.
        gain: how much less the log loss is after.
        error: standard error of `gain`, from the differences sample by sample.
    """

    before: Quality
    after: Quality
    gain: float
    error: float


def applicable(classes: bool) -> tuple[str, ...]:
    """The methods for several classes, or for two that are scored by one number.

    Platt, beta and isotonic are about two classes: of several, each class is taken against the rest by itself and the
    rows are brought to a sum of 1. A vector of temperatures is for several classes: of two it is beta calibration.
    """
    return tuple(name for name in ready.METHODS if classes or name != "vector")


def choose(
    labels: ArrayLike,
    outputs: ArrayLike,
    methods: Sequence[str] = (),
    folds: int = 5,
    seed: int = 0,
    weights: ArrayLike | None = None,
) -> Probabilities:
    """The map to probabilities with the least cross-fitted log loss; imports SciPy.

    Never worse than leaving the scores as they are in that loss, since "none" is always among the methods; of equally
    good ones the one with the fewest numbers is chosen. The order of the samples changes no byte of the result.

    Maps are fitted to targets that stand off 0 and 1 by what one more sample of each side would change, and scores
    nearer than 2^-24 to 0 and 1 count as that near, so separable data, scores of exactly 0 and 1 and classes without a
    sample have finite maps: see `maps.score_map`.

    Args:
        labels: (n,) of 0 and 1, both present; or class numbers, at least two present.
        outputs: (n,) scores of label 1 in [0, 1]; or (n, classes), rows that sum to 1.
        methods: names of those to compare; none for all that are `applicable`.
        folds: parts of the cross-fitting, at least 2; as many as there are samples where there are fewer.
        seed: decides which sample falls into which part.
        weights: (n,) what each sample counts for, in fits, losses and quality; only their ratios matter.

    Raises:
        DataError: when labels, outputs or weights are not that, with counts.
        SettingsError: for a method that is unknown or does not apply, or fewer than 2 folds.
    """
    if folds < 2:
        raise SettingsError(f"folds must be at least 2, got {folds}")
    truth, scores, weighed = _in_one_order(*_counting(*checked(labels, outputs), weights))
    _two(truth, scores)
    names = _names(methods, scores.ndim == 2)
    classes = scores.shape[1] if scores.ndim == 2 else 2
    fold = dealing.dealt(truth, min(folds, len(truth)), seed)
    aside = {name: _cross_fitted(name, truth, scores, weighed, fold, classes) for name in names}
    loss = {name: quality.losses(truth, found) for name, found in aside.items()}
    fitted = {name: _fitted(name, truth, scores, weighed, classes) for name in names}
    candidates = tuple(
        Candidate(
            method=name,
            cross_fitted=float(np.mean(weighed * loss[name])),
            in_sample=float(np.mean(weighed * quality.losses(truth, fitted[name].apply(scores)))),
            gain=float(np.mean(weighed * (loss["none"] - loss[name]))),
            error=_error(loss["none"] - loss[name], weighed),
        )
        for name in names
    )
    best = min(candidates, key=lambda one: one.cross_fitted)
    counts = np.bincount(truth, minlength=classes)
    return Probabilities(
        map=ready.plain(fitted[best.method]),
        candidates=candidates,
        before=quality.of(truth, scores, weighed),
        cross_fitted=quality.of(truth, aside[best.method], weighed),
        samples=tuple(counts.tolist()),
        warnings=(*_few(counts), *_gain(best)),
    )


def score(labels: ArrayLike, outputs: ArrayLike, found: Map, weights: ArrayLike | None = None) -> Change:
    """What a map is worth on samples that had no part in it; one class alone is no error here.

    Args:
        labels: as `choose`.
        outputs: as `choose`.
        found: the map.
        weights: (n,) what each sample counts for.

    Raises:
        DataError: when labels, outputs or weights are not that, with counts.
    """
    truth, scores, weighed = _counting(*checked(labels, outputs), weights)
    after = found.apply(scores)
    better = quality.losses(truth, scores) - quality.losses(truth, after)
    gain = float(np.mean(weighed * better))
    return Change(quality.of(truth, scores, weighed), quality.of(truth, after, weighed), gain, _error(better, weighed))


def checked(labels: ArrayLike, outputs: ArrayLike) -> tuple[Integers, Scores]:
    """Labels as int64 (n,) and outputs as float64 (n,) or (n, classes), clean.

    Args:
        labels: of samples.
        outputs: of the same samples.

    Raises:
        DataError: when they are not that: how many break which rule, of how many, and the first.
    """
    values = np.asarray(outputs)
    if values.dtype.kind in "biuf" and values.ndim in (1, 2) and len(values):
        _all(np.isfinite(values), values, "scores are not finite")
        span = f"scores lie outside [0, 1], from {values.min():.6g} to {values.max():.6g}"
        cure = '; if these are logits, say model.outputs = "logits", or put a sigmoid or softmax behind the model'
        _all((values >= 0) & (values <= 1), values, span, cure)
        if values.ndim == 2:
            sums = values.sum(axis=1, dtype=np.float64)
            _all(np.abs(sums - 1) <= checks.SUM_TOLERANCE, sums, "rows do not sum to 1", "; put a softmax behind them")
    given = np.asarray(labels)
    classes = values.shape[1] if values.ndim == 2 else 2
    if given.ndim == 1 and given.dtype.kind in "biuf" and len(given) == len(values):
        _all(np.isin(given, np.arange(classes)), given, f"labels are none of the class numbers 0 to {classes - 1}")
    if values.ndim == 2:
        return checks.classes(labels, outputs)
    of_two, scores = checks.binary(labels, outputs)
    return of_two.astype(np.int64), scores


def _two(labels: Integers, scores: Scores) -> None:
    there = np.unique(labels)
    if scores.ndim == 1:
        checks.both_classes(labels == 1)
    elif len(there) < 2:
        raise DataError(f"cannot calibrate: all {len(labels)} samples are of class {there[0]}; two are needed")


def _counting(labels: Integers, scores: Scores, weights: ArrayLike | None) -> tuple[Integers, Scores, Scores]:
    """The samples that count for something, and for how much, 1 on average."""
    labels, scores, weighed = checks.counting(labels, scores, weights)
    each = np.ones(len(labels)) if weighed is None else weighed / weighed.max()
    return labels, scores, each / each.mean()


def _all(good: Any, found: Any, what: str, cure: str = "") -> None:
    if not good.all():
        place = np.unravel_index(int(np.argmin(good)), good.shape)
        raise DataError(
            f"cannot calibrate: {np.size(good) - np.count_nonzero(good)} of {np.size(good)} {what}; "
            f"the first is {found[place]} in row {place[0]} (counted from 0){cure}"
        )


def _in_one_order(labels: Integers, scores: Scores, weights: Scores) -> tuple[Integers, Scores, Scores]:
    """The samples sorted by score, label and weight, so that sums are of the same numbers in the same order.

    Samples that are alike may stand in any order, since they are alike.
    """
    order = np.lexsort((weights, labels, *np.atleast_2d(scores.T)))
    return labels[order], scores[order], weights[order]


def _names(methods: Sequence[str], classes: bool) -> tuple[str, ...]:
    fitting = applicable(classes)
    for name in methods:
        if name not in fitting:
            what = "several classes" if classes else "two classes"
            raise SettingsError(f"methods for {what} are {', '.join(fitting)}, got {name!r}")
    return tuple(name for name in fitting if not methods or name in methods or name == "none")


def _fitted(name: str, labels: Integers, scores: Scores, weights: Scores, classes: int) -> Map:
    wanted = targets(labels, classes, weights)
    return ready.fit(name, scores, wanted if scores.ndim == 2 else wanted[:, 1], weights)


def _cross_fitted(name: str, labels: Integers, scores: Scores, weights: Scores, fold: Integers, classes: int) -> Scores:
    """The probability of each sample by the map of the other folds."""
    found = np.empty_like(scores)
    for number in np.unique(fold):
        out = fold == number
        made = _fitted(name, labels[~out], scores[~out], weights[~out], classes)
        found[out] = made.apply(scores[out])
    return found


def _error(differences: Scores, weights: Scores) -> float:
    """Standard error of their mean, as that of a ratio of sums; nan of a single one."""
    count = len(differences)
    if count < 2:
        return math.nan
    return float((weights * (differences - np.mean(weights * differences))).std(ddof=1) / math.sqrt(count))


def _few(counts: Integers) -> Iterator[str]:
    least = int(counts.min())
    if least < FEW:
        which = ("negatives", "positives")[int(counts.argmin())] if len(counts) == 2 else f"class {counts.argmin()}"
        among = f"{least} {which}" if len(counts) == 2 else f"{least} of {which}"
        yield (
            f"There {'is' if least == 1 else 'are'} only {among} among {counts.sum()} samples: "
            "what is made of so few is uncertain, and drawn towards one half by the targets of the fit."
        )


def _gain(best: Candidate) -> Iterator[str]:
    if best.method == "none":
        yield "No method has a lower cross-fitted log loss than the scores themselves, so they are left as they are."
    elif not best.gain > NOISE * best.error:
        yield (
            f"The cross-fitted gain of {best.gain:.4f} in log loss by {best.method} is within noise "
            f"(standard error {best.error:.4f})."
        )
