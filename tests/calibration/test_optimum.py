"""The best threshold against brute force: ties, weights, bounds, one class; and what does not change it."""

import itertools
import random as generators

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from deeptrain.calibration import contenders, operating_points, optimum, threshold_curve
from deeptrain.errors import DataError, SettingsError
from deeptrain.metrics import counts, names

METRICS = [metric.name for metric in names.of_counts()]
SCORE = st.one_of(
    st.integers(0, 6).map(lambda sixth: sixth / 6), st.sampled_from([0.5, float(np.nextafter(0.5, 1)), 0.49, 0.51])
)
SAMPLES = st.lists(st.tuples(st.booleans(), SCORE), min_size=2, max_size=16)
WEIGHTED = st.lists(st.tuples(st.booleans(), SCORE, st.integers(0, 3)), min_size=2, max_size=12)
BOUNDS = st.none() | st.tuples(SCORE, SCORE).map(lambda pair: (min(pair), max(pair)))


def columns(samples):
    return [np.array(column) for column in zip(*samples, strict=True)]


def both_classes(samples):
    labels, scores = columns(samples)
    assume(labels.any() and not labels.all())
    return labels, scores


def every_threshold(scores, bounds=None):
    """A threshold for each decision that any threshold makes: below, between and at all scores, and at the bounds."""
    distinct = sorted({-1.0, *scores.tolist(), 2.0, *(bounds or ())})
    found = distinct + [(low + high) / 2 for low, high in itertools.pairwise(distinct)]
    return found if bounds is None else [at for at in found if bounds[0] <= at <= bounds[1]]


def value_at(name, labels, scores, at, weights=None):
    return float(counts.BY_NAME[name](*counts.weighed(labels, scores > at, weights)))


def best_of(name, values):
    values = [value for value in values if not np.isnan(value)]
    return (max if names.get(name).maximize else min)(values)


@settings(deadline=None)
@given(SAMPLES, st.sampled_from(METRICS), BOUNDS)
@example([(False, 0.2), (True, 0.9)], "accuracy", (1.0, 1.0))
def test_no_threshold_is_better(samples, name, bounds):
    labels, scores = both_classes(samples)
    found = optimum.of(labels, scores, name, bounds=bounds)
    all_there_are = [value_at(name, labels, scores, at) for at in every_threshold(scores, bounds)]
    assert found.in_sample == best_of(name, all_there_are)
    assert value_at(name, labels, scores, found.value) == found.in_sample
    assert bounds is None or bounds[0] <= found.value <= bounds[1]


@settings(deadline=None)
@given(WEIGHTED, st.sampled_from(METRICS), st.randoms(use_true_random=False))
@example([(False, 0.0, 3), (False, 0.0, 3), (True, 1 / 6, 3)], "mcc", generators.Random(1))
def test_a_sample_of_weight_two_counts_as_two_and_one_of_weight_zero_as_none(samples, name, random):
    labels, scores, weights = columns(samples)
    each = np.repeat(np.arange(len(labels)), weights)
    assume(labels[each].any() and not labels[each].all())
    found = optimum.of(labels, scores, name, weights=weights)
    repeated = optimum.of(labels[each], scores[each], name)
    if name in ("mcc", "kappa"):  # roots and products of whole numbers, and of floats, differ in the last digit
        assert found.in_sample == pytest.approx(repeated.in_sample, abs=1e-12)
        again = value_at(name, labels[each], scores[each], found.value)
        assert again == pytest.approx(repeated.in_sample, abs=1e-12)
    else:
        assert found == repeated
    order = random.sample(range(len(labels)), len(labels))
    assert optimum.of(labels[order], scores[order], name, weights=weights[order]) == found


@settings(deadline=None)
@given(WEIGHTED, st.sampled_from(METRICS))
def test_weights_of_any_size_leave_no_threshold_that_is_better(samples, name):
    labels, scores, weights = columns(samples)
    weights = np.where(weights == 0, 0.1, weights / 3)
    assume(labels.any() and not labels.all())
    found = optimum.of(labels, scores, name, weights=weights)
    best = best_of(name, [value_at(name, labels, scores, at, weights) for at in every_threshold(scores)])
    assert found.in_sample == pytest.approx(best, abs=1e-12)
    assert value_at(name, labels, scores, found.value, weights) == pytest.approx(best, abs=1e-12)


def test_the_cost_of_each_sample_is_its_weight():
    labels, scores = np.array([0, 0, 1, 1], bool), np.array([0.2, 0.6, 0.4, 0.8])
    dear_miss, dear_alarm = np.array([1, 1, 9, 1]), np.array([1, 9, 1, 1])
    assert optimum.of(labels, scores, "cost", weights=dear_miss).value == pytest.approx(0.3)
    assert optimum.of(labels, scores, "cost", weights=dear_alarm).value == pytest.approx(0.7)
    misses = names.with_arguments(names.get("cost"), {"false_negative": 5})
    assert optimum.of(labels, scores, misses).value == pytest.approx(0.3)
    assert optimum.of(labels, scores, misses).in_sample == pytest.approx(1 / 4)


@settings(deadline=None)
@given(SAMPLES, st.sampled_from(METRICS))
def test_the_plateau_is_exactly_where_the_value_holds(samples, name):
    labels, scores = both_classes(samples)
    found = optimum.of(labels, scores, name)
    low, high = found.plateau
    for t in every_threshold(scores):
        if low <= t < high:
            assert value_at(name, labels, scores, t) == found.in_sample
    for outside in (np.nextafter(low, -2), high):
        if scores.min() <= outside < scores.max():
            assert value_at(name, labels, scores, outside) != found.in_sample


@settings(deadline=None)
@given(SAMPLES, st.sampled_from(METRICS), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_no_plateau_of_best_values_is_nearer_to_the_preference(samples, name, preference):
    labels, scores = both_classes(samples)
    found = optimum.of(labels, scores, name, preference=preference)
    low, high = found.plateau
    distance = 0 if low <= preference < high else min(abs(low - preference), abs(high - preference))
    if value_at(name, labels, scores, preference) == found.in_sample:
        assert distance == 0
    for t in every_threshold(scores):
        if value_at(name, labels, scores, t) == found.in_sample:
            assert abs(t - preference) >= distance


@pytest.mark.parametrize("power", [0.25, 3])
@settings(deadline=None, max_examples=40)
@given(SAMPLES, st.sampled_from(METRICS))
def test_monotone_maps_of_the_scores_change_no_decision(power, samples, name):
    """Where several points are best, which of them is nearest to a half is another; at a preference of 0 it is not."""
    labels, scores = both_classes(samples)
    mapped = scores**power
    assume(len(set(mapped.tolist())) == len(set(scores.tolist())))
    one, other = (optimum.of(labels, given, name, preference=0) for given in (scores, mapped))
    assert one.in_sample == other.in_sample
    np.testing.assert_array_equal(scores > one.value, mapped > other.value)


def test_one_class_alone_has_an_optimum_where_the_metric_is_defined():
    assert optimum.of([0, 0], [0.2, 0.7], "accuracy").value == pytest.approx(0.85)
    assert optimum.of([1, 1], [0.2, 0.7], "f1").value == pytest.approx(0.1)
    with pytest.raises(DataError, match=r"^recall is undefined for 0 positives and 2 negatives$"):
        optimum.of([0, 0], [0.2, 0.7], "recall")


def separated(generator, samples, saturated):
    labels = generator.random(samples) < 0.1
    logits = 2.0 * labels + generator.normal(size=samples) - 2
    return labels, 1 / (1 + np.exp(-logits * (12 if saturated else 1)))


@pytest.mark.parametrize("saturated", [False, True])
def test_what_is_left_unsorted_holds_no_best_point(saturated):
    generator = np.random.Generator(np.random.Philox(8))
    labels, scores = separated(generator, contenders.BINS + 40_000, saturated)
    points = operating_points.of(labels, scores)
    for name in METRICS:
        for oriented in (labels, ~labels):
            points = operating_points.of(oriented, scores)
            assert optimum.of(oriented, scores, name) == optimum.best(points, names.get(name), None, 0.5)


@pytest.mark.parametrize("saturated", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_of_weighted_samples_neither(saturated, whole):
    generator = np.random.Generator(np.random.Philox(8))
    labels, scores = separated(generator, contenders.BINS + 40_000, saturated)
    weights = generator.exponential(size=len(labels))
    weights = np.ceil(weights) if whole else weights
    order = generator.permutation(len(labels))
    for name in METRICS:
        found = optimum.of(labels, scores, name, weights=weights)
        expected = optimum.best(operating_points.of(labels, scores, weights), names.get(name), None, 0.5)
        if whole:
            assert found == expected
        assert found.in_sample == pytest.approx(expected.in_sample, abs=1e-12)
        assert (found.value, found.plateau) == (expected.value, expected.plateau)
        assert optimum.of(labels[order], scores[order], name, weights=weights[order]) == found


def test_what_all_samples_weigh_is_what_is_left_where_all_are_called():
    labels = np.arange(100_000) % 3 == 0
    scores = np.where(labels, 0.7, 0.2) + np.arange(100_000) * 1e-6
    weights = np.random.Generator(np.random.Philox(10)).exponential(size=100_000)
    for name, perfect in (("cost", 0), ("mcc", 1), ("accuracy", 1), ("f1_score", 1)):
        assert optimum.of(labels, scores, name, weights=weights).in_sample == perfect
    unlike = np.where(np.arange(100_000) < 10, 1e-30, weights)
    assert optimum.of(labels, scores, "cost", weights=unlike).in_sample == 0


@pytest.mark.parametrize("saturated", [False, True])
def test_few_samples_are_sorted_of_many(saturated):
    generator = np.random.Generator(np.random.Philox(9))
    labels, scores = separated(generator, 300_000, saturated)
    assert len(contenders.of(labels, scores, names.get("mcc")).tp) < 30_000
    weights = generator.exponential(size=len(labels))
    assert len(contenders.of(labels, scores, names.get("mcc"), weights).tp) < 60_000


@pytest.mark.parametrize("weighted", [False, True])
def test_operating_points_and_curves_are_those_of_scikit_learn(weighted):
    generator = np.random.Generator(np.random.Philox(3))
    labels, scores = separated(generator, 2000, saturated=True)
    scores = np.round(scores, 3)
    weights = generator.random(2000) if weighted else None
    points = operating_points.of(labels, scores, weights)
    tn, fp, fn, tp, thresholds = peer.confusion_matrix_at_thresholds(labels, scores, sample_weight=weights)
    assert thresholds[-len(points.tp) + 1 :].tolist() == points.upper[1:].tolist()
    for ours, theirs in zip(points.counts, (tp, fp, fn, tn), strict=True):
        np.testing.assert_allclose(ours[1:], theirs[-len(points.tp) + 1 :], rtol=0, atol=1e-9)
    curve = np.trapezoid(points.tp / points.positives, points.fp / points.negatives)
    assert curve == pytest.approx(peer.roc_auc_score(labels, scores, sample_weight=weights), abs=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bounds": (0.6, 0.4)}, r"bounds must be two thresholds between 0 and 1, the lower first, got \[0\.6, 0\.4\]"),
        ({"preference": 1.5}, r"preference must be between 0 and 1, got 1\.5"),
    ],
)
def test_options_out_of_range_are_told(options, message):
    with pytest.raises(SettingsError, match=f"^{message}$"):
        optimum.of([0, 1], [0.1, 0.9], **options)


@settings(deadline=None)
@given(SAMPLES, st.sampled_from(METRICS))
def test_the_curve_is_the_metric_at_every_threshold(samples, name):
    labels, scores = both_classes(samples)
    found = threshold_curve.of(labels, scores, name)
    thresholds, values = found.threshold, found.value
    assert thresholds[0] == 0
    assert (np.diff(thresholds) > 0).all()
    for t in every_threshold(scores):
        if 0 <= t <= 1:
            step = np.searchsorted(thresholds, t, side="right") - 1
            assert values[step] == float(counts.BY_NAME[name](*counts.counted(labels, scores > t)))
