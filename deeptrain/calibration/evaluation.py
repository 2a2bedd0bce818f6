"""How good decisions and scores are on samples that chose nothing, and how sure that is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration import intervals
from deeptrain.calibration.intervals import Gain, Interval, Statistic
from deeptrain.calibration.record import Record
from deeptrain.errors import DataError
from deeptrain.metrics import averages, checks, class_counts, counts, names
from deeptrain.metrics.checks import Integers, Labels, Scores
from deeptrain.metrics.class_counts import ClassCounts
from deeptrain.metrics.metric import Kind, Metric


@dataclass(frozen=True, eq=False)
class Way:
    """A way of deciding about samples.

    Attributes:
        scores: binary: (n,) in [0, 1]; classes: (n, classes), the greatest decides, the first among equals; several
            labels: (n, labels) in [0, 1].
        threshold: "positive if score > threshold"; of several labels one each, or one for all; of classes unused.
    """

    scores: ArrayLike
    threshold: ArrayLike = 0.5


@dataclass(frozen=True)
class Decided(Record):
    """What one way of deciding is worth.

    Attributes:
        name: of the way: "half", "threshold", "subset", "largest", "offsets", ...
        metrics: value by name, nan where undefined.
        interval: of the key metric, 95 %, the way being given.
        gain: in the key metric over the first way on the same samples; None for the first.
    """

    name: str
    metrics: Mapping[str, float]
    interval: Interval
    gain: Gain | None


@dataclass(frozen=True)
class AtThreshold(Decided):
    """The decisions at one threshold, "positive if score > threshold".

    Attributes:
        threshold: its value.
        tp: true positives.
        fp: false positives.
        fn: false negatives.
        tn: true negatives.
    """

    threshold: float
    tp: int
    fp: int
    fn: int
    tn: int


@dataclass(frozen=True)
class Evaluation(Record):
    """What a model's scores are worth on some samples.

    Attributes:
        metric: the name of the metric that was made best elsewhere, the one to read first.
        samples: how many were scored.
        positives: how many of them have label 1.
        at: the decisions of each way, in the order given.
        without_threshold: the binary metrics that read the scores themselves, by name, nan where undefined.
    """

    metric: str
    samples: int
    positives: int
    at: tuple[AtThreshold, ...]
    without_threshold: Mapping[str, float]


@dataclass(frozen=True)
class ClassEvaluation(Record):
    """What a model's probabilities of several classes are worth on some samples.

    Attributes:
        metric: the name of the metric to read first.
        samples: how many were scored.
        at: the decisions of each way, in the order given.
        without_threshold: the metrics that read the probabilities themselves, by name.
    """

    metric: str
    samples: int
    at: tuple[Decided, ...]
    without_threshold: Mapping[str, float]


@dataclass(frozen=True)
class LabelsDecided(Decided):
    """The decisions about several labels, each at a threshold of its own.

    Attributes:
        thresholds: (labels,).
        per_label: the metric of each label by itself, nan where undefined.
    """

    thresholds: tuple[float, ...]
    per_label: tuple[float, ...]


@dataclass(frozen=True)
class LabelsEvaluation(Record):
    """What scores of several labels are worth on some samples.

    Attributes:
        metric: the name of the averaged metric that was made best elsewhere.
        samples: how many were scored.
        labels: names of the labels.
        positives: how many samples have each label.
        at: the decisions of each way, in the order given.
    """

    metric: str
    samples: int
    labels: tuple[str, ...]
    positives: tuple[int, ...]
    at: tuple[LabelsDecided, ...]


def score(
    labels: ArrayLike,
    scores: ArrayLike,
    metric: names.Named,
    ways: Mapping[str, float | Way],
    seed: int = 0,
    weights: ArrayLike | None = None,
) -> Evaluation:
    """The confusion counts and the usual binary metrics of some samples in named ways; imports scikit-learn.

    One class alone is no error here, but leaves metrics undefined (nan).

    Args:
        labels: (n,) of 0 and 1, n >= 1.
        scores: (n,) finite, in [0, 1].
        metric: name of the metric of counts that the thresholds were chosen for.
        ways: thresholds of these scores, or other scores with theirs, by name: {"half": 0.5, "threshold": 0.31}. A way
            with scores of its own also has those metrics that read scores.
        seed: of the resampling.
        weights: (n,) what each sample counts for in the metrics, which the counts that are told leave out.

    Raises:
        DataError: when labels or scores are not that, or a threshold is not finite.
        SettingsError: for an unknown metric, or one that no threshold changes.
    """
    measure = names.count_metric(metric)
    truth, values = checks.binary(labels, scores)
    weighed = checks.unequal(checks.weights(weights, len(truth)))
    standard = names.standard("binary")
    told = dict.fromkeys([*(one for one in standard if one.of_counts), measure])
    free = [one for one in standard if not one.of_counts]
    at: list[AtThreshold] = []
    first: Labels | None = None
    for name, given in ways.items():
        way = given if isinstance(given, Way) else Way(values, given)
        threshold = float(_finite_thresholds(name, way.threshold, ()))
        same = way.scores is values or way.scores is scores
        own = values if same else checks.binary(truth, way.scores, f"scores of {name!r}")[1]
        decisions = own > threshold
        found = counts.weighed(truth, decisions, weighed)
        metrics = {one.name: float(one.at_counts(*found)) for one in told}
        if own is not values:
            metrics |= {one.name: one(truth, own, weighed) for one in free}
        interval = intervals.of_decisions(measure, truth, decisions, seed, weighed)
        gain = None if first is None else intervals.of_gain(measure, truth, first, decisions, seed, weighed)
        at.append(AtThreshold(name, metrics, interval, gain, threshold, *counts.counted(truth, decisions)))
        first = decisions if first is None else first
    return Evaluation(
        metric=measure.name,
        samples=len(truth),
        positives=int(truth.sum()),
        at=tuple(at),
        without_threshold={one.name: one(truth, values, weighed) for one in free},
    )


def score_classes(
    labels: ArrayLike,
    probabilities: ArrayLike,
    metric: str,
    ways: Mapping[str, Way],
    seed: int = 0,
    weights: ArrayLike | None = None,
) -> ClassEvaluation:
    """The usual metrics of several classes, and how sure the key metric is; imports scikit-learn.

    Args:
        labels: (n,) class numbers, n >= 1.
        probabilities: (n, classes); the first way, "largest", decides for the greatest.
        metric: a metric of class decisions, see `class_counts`.
        ways: further ones by name, with scores of their own.
        seed: of the resampling.
        weights: (n,) what each sample counts for.

    Raises:
        DataError: when labels or scores are not that.
        SettingsError: for an unknown metric, or one that is none of class decisions.
    """
    truth, outputs = checks.classes(labels, probabilities)
    weighed = checks.unequal(checks.weights(weights, len(truth)))
    number = outputs.shape[1]
    standard = names.standard("classes")
    key = class_counts.metric(metric)
    told = dict.fromkeys([*(one for one in standard if class_counts.applies(one)), key])
    at: list[Decided] = []
    first: Integers | None = None
    for name, way in {"largest": Way(outputs), **ways}.items():
        _, scores = checks.classes(truth, way.scores)
        if scores.shape != outputs.shape:
            raise DataError(f"scores of {name!r} must have the shape {outputs.shape}, got {scores.shape}")
        said = scores.argmax(axis=1)
        found = class_counts.counted(truth, said, number, weighed)
        metrics = {one.name: float(class_counts.at(one, found)) for one in told}
        interval = _interval_of_classes(key, truth, said, number, seed, weighed)
        gain = None if first is None else gain_of_classes(key, truth, first, said, number, seed, weighed)
        at.append(Decided(name, metrics, interval, gain))
        first = said if first is None else first
    free = {one.name: one(truth, outputs, weighed) for one in standard if not class_counts.applies(one)}
    return ClassEvaluation(key.name, len(truth), tuple(at), free)


def score_labels(
    labels: ArrayLike,
    scores: ArrayLike,
    metric: str,
    average: str,
    ways: Mapping[str, ArrayLike],
    called: tuple[str, ...],
    seed: int = 0,
    weights: ArrayLike | None = None,
) -> LabelsEvaluation:
    """An averaged metric of several labels at named thresholds, and how sure it is.

    Args:
        labels: (n, labels) of 0 and 1, n >= 1.
        scores: (n, labels) finite, in [0, 1].
        metric: a metric of counts.
        average: "macro", "micro" or "weighted".
        ways: thresholds by name, one for all or (labels,).
        called: names of the labels.
        seed: of the resampling.
        weights: (n,) what each sample counts for.

    Raises:
        DataError: when they are not that.
        SettingsError: for an unknown metric or average.
    """
    truth, values = checks.several(labels, scores)
    weighed = checks.unequal(checks.weights(weights, len(truth)))
    number = truth.shape[1]
    if len(called) != number:
        raise DataError(f"{len(called)} names of labels do not fit {number} columns of labels")
    measure = names.count_metric(metric)
    key = names.with_arguments(measure, {"average": average})
    at: list[LabelsDecided] = []
    first: Labels | None = None
    for name, given in ways.items():
        thresholds = np.broadcast_to(_finite_thresholds(name, given, (number,)), (number,))
        decisions = values > thresholds
        columns = counts.counted_columns(truth, decisions, weighed)
        per_label = measure.at_counts(*columns)
        interval = _interval_of_labels(key, truth, decisions, seed, weighed)
        gain = None if first is None else _gain_of_labels(key, truth, first, decisions, seed, weighed)
        metrics = {key.name: float(_averaged(key, columns))}
        each, alone = tuple(thresholds.tolist()), tuple(per_label.tolist())
        at.append(LabelsDecided(name, metrics, interval, gain, each, alone))
        first = decisions if first is None else first
    return LabelsEvaluation(key.name, len(truth), called, tuple(truth.sum(axis=0).tolist()), tuple(at))


def metrics_of(labels: ArrayLike, outputs: ArrayLike, kind: Kind, weights: ArrayLike | None = None) -> dict[str, Any]:
    """The usual metrics of a kind of task without a threshold, over some samples; imports scikit-learn.

    Args:
        labels: classes: (n,) class numbers; values: (n,) numbers.
        outputs: classes: (n, classes) probabilities; values: as the labels.
        kind: of the task.
        weights: (n,) what each sample counts for.

    Returns:
        `samples` and `metrics`, value by name.
    """
    metrics = {one.name: one(labels, outputs, weights) for one in names.standard(kind)}
    return {"samples": len(np.asarray(labels)), "metrics": metrics}


def _finite_thresholds(name: str, given: ArrayLike, shape: tuple[int, ...]) -> Scores:
    found = np.asarray(given, np.float64)
    if found.shape not in ((), shape):
        raise DataError(f"threshold {name!r} must be one number{' or one a label' if shape else ''}, got {found.shape}")
    wrong = found[~np.isfinite(found)]
    if len(wrong):
        raise DataError(f"threshold {name!r} must be finite, got {wrong[0]}")
    return found


def _interval_of_classes(
    metric: Metric, truth: Integers, said: Integers, classes: int, seed: int, weights: Scores | None
) -> Interval:
    if metric.name == "accuracy" and weights is None:
        return intervals.of_rate(int(np.count_nonzero(truth == said)), len(truth))
    kinds, cells, each = intervals.alike(truth * classes + said, weights)
    statistic = _class_statistic(metric, kinds // classes, kinds % classes, classes)
    return intervals.resampled(cells, lambda drawn: statistic(drawn * each), seed)


def gain_of_classes(
    metric: Metric,
    truth: Integers,
    first: Integers,
    second: Integers,
    classes: int,
    seed: int,
    weights: Scores | None = None,
) -> Gain:
    """What `second` decisions gain over `first` ones about the same samples, all (n,) class numbers.

    Args:
        metric: of class decisions.
        truth: class numbers that are true.
        first: that were said.
        second: that were said otherwise.
        classes: how many there are.
        seed: of the resampling.
        weights: (n,) float64, what each sample counts for.
    """
    kinds, cells, each = intervals.alike((truth * classes + first) * classes + second, weights)
    true, before, after = kinds // classes**2, kinds // classes % classes, kinds % classes
    one, other = (_class_statistic(metric, true, said, classes) for said in (before, after))
    difference = _difference(metric, one, other)
    return intervals.gain(cells, lambda drawn: difference(drawn * each), seed)


def _class_statistic(metric: Metric, true: Integers, said: Integers, classes: int) -> Statistic:
    """A metric of how many samples there are of each kind, kinds being pairs of classes, true and said."""
    said_by, true_by = (np.eye(classes)[of] for of in (said, true))
    right_by = said_by * true_by

    def value(cells: Integers) -> Scores:
        return class_counts.at(metric, ClassCounts(*(cells @ by for by in (right_by, said_by, true_by))))

    return value


def _interval_of_labels(
    metric: Metric, truth: Labels, decisions: Labels, seed: int, weights: Scores | None
) -> Interval:
    kinds, cells, each = _rows_alike((truth, decisions), weights)
    statistic = _label_statistic(metric, *kinds)
    return intervals.resampled(cells, lambda drawn: statistic(drawn * each), seed)


def _gain_of_labels(
    metric: Metric, truth: Labels, first: Labels, second: Labels, seed: int, weights: Scores | None
) -> Gain:
    (labels, before, after), cells, each = _rows_alike((truth, first, second), weights)
    difference = _difference(metric, _label_statistic(metric, labels, before), _label_statistic(metric, labels, after))
    return intervals.gain(cells, lambda drawn: difference(drawn * each), seed)


def _rows_alike(columns: tuple[Labels, ...], weights: Scores | None) -> tuple[tuple[Labels, ...], Integers, Scores]:
    """The kinds of samples there are by labels and decisions, each (kinds, labels); see `intervals.alike`."""
    rows, kind = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    kinds, cells, each = intervals.alike(kind.reshape(-1), weights)
    return tuple(rows[kinds, place] for place in range(len(columns))), cells, each


def _label_statistic(metric: Metric, truth: Labels, decisions: Labels) -> Statistic:
    """A metric of how many samples there are of each kind, kinds being labels and decisions, both (kinds, labels)."""
    by = [(truth & decisions), (~truth & decisions), (truth & ~decisions), (~truth & ~decisions)]

    def value(cells: Integers) -> Scores:
        return _averaged(metric, tuple(cells @ one.astype(np.float64) for one in by))

    return value


def _averaged(metric: Metric, columns: tuple[ArrayLike, ...]) -> Scores:
    tp, fp, fn, tn = columns
    function = counts.BY_NAME[metric.computation]
    return averages.of_columns(metric.average or "macro", function, (tp, fp, fn, tn), metric.arguments)


def _difference(metric: Metric, before: Statistic, after: Statistic) -> Statistic:
    return lambda cells: (after(cells) - before(cells)) * (1 if metric.maximize else -1)
