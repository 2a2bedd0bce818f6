"""The family of counts against scikit-learn, its own laws, and what DeepTrain gave where it was right."""

import math
from fractions import Fraction

import numpy as np
import pytest
import sklearn.metrics as peer
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deeptrain.errors import DataError, SettingsError
from deeptrain.metrics import counts, names

COUNT = st.integers(0, 40)
CONFUSION = st.tuples(COUNT, COUNT, COUNT, COUNT)

PEERS = {
    "accuracy": peer.accuracy_score,
    "f1_score": peer.f1_score,
    "f_beta": peer.f1_score,
    "precision": lambda labels, decisions: peer.precision_score(labels, decisions, zero_division=0),
    "recall": peer.recall_score,
    "specificity": lambda labels, decisions: peer.recall_score(labels, decisions, pos_label=0),
    "jaccard": peer.jaccard_score,
    "balanced_accuracy": peer.balanced_accuracy_score,
    "informedness": lambda labels, decisions: peer.balanced_accuracy_score(labels, decisions, adjusted=True),
    "mcc": peer.matthews_corrcoef,
    "kappa": peer.cohen_kappa_score,
    "cost": peer.zero_one_loss,
}

# Outputs of DeepTrain 0.6.0 (2020, MIT), its own functions run unmodified: scores, labels, threshold, and in this order
# f1_score, tpr, tnr, binary_informedness, binary_accuracy.
MIXED = ([0, 0, 1, 0, 0, 0, 1, 1], [0.01, 0.93, 0.42, 0.61, 0.15, 0.0, 1.0, 0.5])
LARGER = (
    [int(label) for label in "01110000000101010010110000000000"],
    [
        *(0.3182, 0.7582, 0.6929, 0.7211, 0.2192, 0.3241, 0.5068, 0.6487, 0.0982, 0.6528, 0.6192, 0.8063, 0.4029),
        *(0.5872, 0.6416, 0.999, 0.7103, 0.613, 0.7215, 0.1083, 0.6491, 0.7813, 0.0923, 0.429, 0.436, 0.4892),
        *(0.1132, 0.2177, 0.2627, 0.116, 0.6979, 0.2508),
    ],
)
SEPARABLE = ([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
NO_NEGATIVES = ([1, 1, 1, 1, 1, 1], [0.1, 0.2, 0.3, 0.65, 0.7, 0.8])
ORIGINAL = [
    (MIXED, 0.01, (0.66666667, 1.0, 0.4, 0.4, 0.625)),
    (MIXED, 0.1, (0.66666667, 1.0, 0.4, 0.4, 0.625)),
    (MIXED, 0.3, (0.75, 1.0, 0.6, 0.6, 0.75)),
    (MIXED, 0.5, (0.33333333, 0.33333333, 0.6, -0.06666667, 0.5)),
    (MIXED, 0.7, (0.4, 0.33333333, 0.8, 0.13333333, 0.625)),
    (MIXED, 0.9, (0.4, 0.33333333, 0.8, 0.13333333, 0.625)),
    (MIXED, 0.99, (0.5, 0.33333333, 1.0, 0.33333333, 0.75)),
    (LARGER, 0.0, (0.43902439, 1.0, 0.0, 0.0, 0.28125)),
    (LARGER, 0.25, (0.52941176, 1.0, 0.30434783, 0.30434783, 0.5)),
    (LARGER, 0.5, (0.69230769, 1.0, 0.65217391, 0.65217391, 0.75)),
    (LARGER, 1.0, (0.0, 0.0, 1.0, 0.0, 0.71875)),
    (SEPARABLE, 0.5, (1.0, 1.0, 1.0, 1.0, 1.0)),
    (NO_NEGATIVES, 0.5, (0.66666667, 0.5, math.nan, math.nan, 0.5)),
    (NO_NEGATIVES, 0.9, (0.0, 0.0, math.nan, math.nan, 0.0)),
    (([0, 0, 1, 1], [0.0, 0.2, 0.9, 1.0]), 0.0, (0.8, 1.0, 0.5, 0.5, 0.75)),  # its f1_score, .667, counted the 0 too
]


@pytest.mark.parametrize(("data", "threshold", "expected"), ORIGINAL)
def test_values_are_those_of_the_original_where_it_was_right(data, threshold, expected):
    found = counts.counts_at(*data, threshold)
    functions = (counts.f1_score, counts.recall, counts.specificity, counts.informedness, counts.accuracy)
    np.testing.assert_allclose([function(*found) for function in functions], expected, atol=1e-8)


def test_f_beta_weighs_recall_by_the_square_of_beta_as_the_original_did_at_one_threshold():
    found = counts.counts_at(*LARGER, 0.5)
    assert counts.f_beta(*found, beta=0.5) == pytest.approx(0.5844155844155844, abs=1e-12)
    labels, decisions = np.array(LARGER[0]), np.array(LARGER[1]) > 0.5
    assert counts.f_beta(*found, beta=2.0) == pytest.approx(peer.fbeta_score(labels, decisions, beta=2.0), abs=1e-12)


@pytest.mark.parametrize("beta", [0, -1.0, math.nan, math.inf])
def test_f_beta_refuses_a_beta_that_weighs_nothing(beta):
    with pytest.raises(SettingsError, match=r"^beta must be a finite number above 0, got "):
        counts.f_beta(1, 1, 1, 1, beta=beta)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=30))
def test_every_metric_agrees_with_scikit_learn(pairs):
    labels, decisions = np.array(pairs).T
    assume(labels.any() and not labels.all())
    found = counts.counted(labels, decisions)
    assert sum(found) == len(labels)
    for name, function in counts.BY_NAME.items():
        assert function(*found) == pytest.approx(PEERS[name](labels, decisions), abs=1e-12), name


@settings(deadline=None)
@given(st.lists(CONFUSION, min_size=1, max_size=8))
def test_arrays_give_what_the_single_counts_give(confusions):
    columns = np.array(confusions).T
    for function in counts.BY_NAME.values():
        together = function(*columns)
        assert together.dtype == np.float64
        assert together.shape == (len(confusions),)
        np.testing.assert_array_equal(together, [function(*one) for one in confusions])


def test_counts_broadcast():
    assert counts.f1_score(np.arange(3)[:, None], np.arange(4), 1, 7).shape == (3, 4)
    assert counts.precision(np.arange(3), 1, 1, 7).shape == (3,)


@settings(deadline=None)
@given(CONFUSION)
def test_with_both_classes_every_metric_is_a_number(confusion):
    tp, fp, fn, tn = confusion
    values = [function(tp, fp, fn, tn) for function in counts.BY_NAME.values()]
    if tp + fn and fp + tn:
        assert np.isfinite(values).all()
    assert (np.isnan(values) | (np.abs(values) <= 1)).all()


@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 2)] * 4))
def test_a_metric_is_undefined_where_what_it_needs_is_missing_and_nowhere_else(confusion):
    tp, fp, fn, tn = confusion
    there = {
        "nothing": True,
        "samples": sum(confusion) > 0,
        "a positive or a call": tp + fp + fn > 0,
        "positives": tp + fn > 0,
        "negatives": fp + tn > 0,
        "both classes": tp + fn > 0 and fp + tn > 0,
    }
    for metric in names.of_counts():
        assert np.isnan(metric.at_counts(*confusion)) != there[metric.needs], metric.name


def test_the_direction_of_each_is_that_of_a_better_decision():
    for metric in names.of_counts():
        worse, better = metric.at_counts(2, 2, 2, 2), metric.at_counts(4, 0, 0, 4)
        assert (better > worse) == metric.maximize, metric.name


def test_cost_weighs_each_kind_of_mistake_by_its_price():
    metric = names.with_arguments(names.get("cost"), {"false_positive": 0.5, "false_negative": 10})
    assert metric.at_counts(3, 4, 2, 1) == pytest.approx((0.5 * 4 + 10 * 2) / 10)
    assert metric([1, 1, 0, 0], [0.9, 0.1, 0.8, 0.2]) == pytest.approx(10.5 / 4)
    with pytest.raises(SettingsError, match=r"^false_positive must be a finite number, at least 0, got -1$"):
        counts.cost(1, 1, 1, 1, false_positive=-1)


def test_a_metric_that_is_not_made_of_counts_says_so():
    with pytest.raises(SettingsError, match=r"^metric brier is no function of confusion counts$"):
        names.get("brier").at_counts(1, 1, 1, 1)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=20),
    st.lists(st.integers(-1, 5), max_size=5),
)
def test_counts_at_many_thresholds_are_those_at_each(samples, cuts):
    labels, quarters, weights = np.array(samples).T
    thresholds = np.array(cuts, float).reshape(-1, 1) / 4
    assume(weights.any())
    found = counts.counts_at_thresholds(labels, quarters / 4, thresholds, weights)
    for (row, _), threshold in np.ndenumerate(thresholds):
        assert [part[row, 0] for part in found] == list(
            counts.weighed(labels > 0, quarters / 4 > threshold, weights.astype(float))
        )
    if not cuts:
        assert found[0].shape == (0, 1)


def test_a_threshold_that_is_no_number_is_refused():
    with pytest.raises(DataError, match=r"^thresholds must be finite, got nan$"):
        counts.counts_at_thresholds([0, 1], [0.1, 0.9], [0.5, math.nan])


def test_predicting_nothing_is_worth_nothing_and_not_undefined():
    assert counts.precision(0, 0, 2, 3) == 0
    assert counts.mcc(0, 0, 2, 3) == 0
    assert counts.mcc(2, 3, 0, 0) == 0


def test_f1_of_no_positives_is_undefined_only_if_none_is_predicted():
    assert np.isnan(counts.f1_score(0, 0, 0, 3))
    assert np.isnan(counts.jaccard(0, 0, 0, 3))
    assert counts.f1_score(0, 1, 0, 3) == 0


@settings(deadline=None)
@given(CONFUSION, st.integers(1, 1000))
def test_equal_fractions_are_equal_floats(confusion, factor):
    many = tuple(factor * count for count in confusion)
    for name, function in counts.BY_NAME.items():
        if name != "mcc":  # has a square root
            np.testing.assert_array_equal(function(*confusion), function(*many), err_msg=name)


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30), st.integers(1, 30))
def test_a_better_decision_never_makes_a_metric_worse_where_it_is_of_use(tp, fp, more_positives, more_negatives):
    fn, tn = more_positives, more_negatives
    for metric in names.of_counts():
        function, sign = metric.at_counts, 1 if metric.maximize else -1
        if (value := function(tp, fp, fn, tn)) >= 0:
            assert sign * function(tp + 1, fp, fn - 1, tn) >= sign * value - 1e-12, metric.name
            if fp:
                assert sign * function(tp, fp - 1, fn, tn + 1) >= sign * value - 1e-12, metric.name


@settings(deadline=None)
@given(CONFUSION)
def test_the_coefficients_of_a_ratio_give_the_metric(confusion):
    f2, f_half = (names.with_arguments(names.get("f_beta"), {"beta": beta}) for beta in (2, 0.5))
    assert f2.ratio == ((5, 0, 0, 0), (5, 1, 4, 0))
    assert f_half.ratio == ((5, 0, 0, 0), (5, 4, 1, 0))
    assert names.with_arguments(names.get("f_beta"), {"beta": 0.1}).ratio is None
    for metric in (*names.of_counts(), f2, f_half):
        if metric.ratio:
            over, under = (sum(a * c for a, c in zip(part, confusion, strict=True)) for part in metric.ratio)
            if under:
                assert metric.from_counts(*confusion) == float(Fraction(over, under)), metric.name


def test_a_score_at_the_threshold_is_negative():
    assert counts.counts_at([1, 0, 1], [0.5, 0.5, 0.75], 0.5) == (1, 0, 1, 1)


def test_labels_may_be_of_any_number_type():
    for kind in (np.bool_, np.int8, np.uint64, np.float32):
        found = counts.counts_at(np.array([1, 0, 1], kind), np.array([0.9, 0.8, 0.1], np.float32), 0.5)
        assert found == (1, 1, 1, 0)
        assert all(type(count) is int for count in found)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1, 2], [0.1, 0.2, 0.3], r"labels must be 0 or 1, got 2 in row 2 \(counted from 0\)"),
        ([0, math.nan], [0.1, 0.2], r"labels must be 0 or 1, got nan in row 1 "),
        (
            [0, 1],
            [0.1, 1.2],
            r"scores must lie in \[0, 1\], got 1.2 in row 1 \(counted from 0\); if these are ",
        ),
        ([0, 1], [-0.5, 0.5], r"scores must lie in \[0, 1\], got -0.5 in row 0 "),
        ([0, 1, 1], [0.1, math.nan, 0.4], r"scores must be finite, got nan in row 1 \(counted from 0\)"),
        ([0, 1, 1], [0.1, 0.4, -math.inf], r"scores must be finite, got -inf in row 2 "),
        ([0, 1, 1], [0.1, 0.4], r"labels and scores must be equally many, got 3 and 2"),
        ([], [], r"labels and scores must have at least one sample, got none"),
        ([[0], [1]], [0.1, 0.4], r"labels must have the shape \(samples,\), got \(2, 1\)"),
        ([0, 1], [[0.1], [0.4]], r"scores must have the shape \(samples,\), got \(2, 1\)"),
        ([0, 1], ["a", "b"], r"scores must be numbers, got <U1"),
        (["a", "b"], [0.1, 0.2], r"labels must be 0 or 1, got a in row 0 "),
    ],
)
def test_bad_input_is_told_with_its_row_and_value(labels, scores, message):
    with pytest.raises(DataError, match=f"^{message}"):
        counts.counts_at(labels, scores, 0.5)
