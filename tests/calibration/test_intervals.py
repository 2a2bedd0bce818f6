"""Confidence intervals hold what is true about as often as they say."""

import math

import numpy as np
import pytest
import scipy.stats

from deeptrain.calibration import intervals
from deeptrain.calibration.intervals import Interval
from deeptrain.metrics import names
from deeptrain.metrics.counts import Counts


def test_a_rate_has_the_exact_interval_of_scipy():
    for hits, trials in ((0, 10), (3, 10), (10, 10), (140, 500)):
        found, peer = intervals.of_rate(hits, trials), scipy.stats.binomtest(hits, trials).proportion_ci()
        assert (found.low, found.high) == pytest.approx((peer.low, peer.high), abs=1e-12)
    assert math.isnan(intervals.of_rate(0, 0).low)


def test_metrics_that_are_of_one_rate_have_its_interval():
    found = Counts(tp=30, fp=10, fn=20, tn=140)
    for name, hits, trials in (("precision", 30, 40), ("recall", 30, 50), ("accuracy", 170, 200), ("jaccard", 30, 60)):
        assert intervals.of_counts(names.get(name), found) == intervals.of_rate(hits, trials)
    low, high = (2 * rate / (1 + rate) for rate in vars(intervals.of_rate(30, 60)).values())
    assert vars(intervals.of_counts(names.get("f1_score"), found)) == pytest.approx({"low": low, "high": high})


def test_f1_of_nothing_found_is_0_to_what_the_positives_leave_open():
    found = intervals.of_counts(names.get("f1_score"), Counts(tp=0, fp=0, fn=49, tn=500))
    assert found.low == 0
    assert 0.05 < found.high < 0.2


def test_what_is_undefined_has_no_interval():
    for name in ("recall", "mcc", "balanced_accuracy", "f1_score"):
        found = intervals.of_counts(names.get(name), Counts(0, 0, 0, 20))
        assert math.isnan(found.low)
        assert math.isnan(found.high)


@pytest.mark.parametrize("name", ["f1_score", "mcc", "balanced_accuracy", "kappa", "f_beta"])
def test_of_many_samples_about_95_of_100_intervals_hold_the_truth(name):
    metric = names.get(name)
    if name == "f_beta":
        metric = names.with_arguments(metric, {"beta": 2.0})
    chances = np.array([0.08, 0.05, 0.04, 0.83])
    true = float(metric.at_counts(*chances))
    generator = np.random.Generator(np.random.Philox(1))
    held = 0
    for _ in range(100):
        found = intervals.of_counts(metric, Counts(*generator.multinomial(400, chances).tolist()))
        held += found.low <= true <= found.high
    assert held >= 86  # of 95 expected, 4 standard deviations


def test_a_gain_is_paired_and_oriented():
    generator = np.random.Generator(np.random.Philox(2))
    labels = generator.random(500) < 0.2
    first, second = (np.where(generator.random(500) < wrong, ~labels, labels) for wrong in (0.2, 0.1))
    f1, cost = names.get("f1_score"), names.get("cost")
    gain = intervals.of_gain(f1, labels, first, second)
    assert gain.value == pytest.approx(f1(labels, second.astype(float)) - f1(labels, first.astype(float)))
    assert 0 < gain.low < gain.value < gain.high
    back = intervals.of_gain(f1, labels, second, first)
    assert (back.value, back.low, back.high) == (-gain.value, pytest.approx(-gain.high, abs=0.02), back.high)
    saved = intervals.of_gain(cost, labels, first, second)
    assert saved.value == pytest.approx(np.mean(first != labels) - np.mean(second != labels))
    same = intervals.of_gain(f1, labels, first, first)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert intervals.of_gain(f1, labels, first, second) == gain


def test_the_interval_of_a_mean_is_students():
    values = np.random.Generator(np.random.Philox(3)).normal(size=50)
    peer = scipy.stats.ttest_1samp(values, 0).confidence_interval()
    found = intervals.of_mean(values)
    assert (found.low, found.high) == pytest.approx((peer.low, peer.high), abs=1e-12)
    assert math.isnan(intervals.of_mean([1.0]).high)


def test_an_interval_comes_back_from_its_plain_values():
    assert Interval.from_plain(Interval(0.25, 0.5).plain()) == Interval(0.25, 0.5)


def test_weights_that_all_differ_have_the_interval_of_nearly_equal_ones():
    generator = np.random.Generator(np.random.Philox(21))
    labels = generator.random(3000) < 0.3
    decisions = labels ^ (generator.random(3000) < 0.2)
    weights = 1 + 1e-9 * generator.random(3000)
    f1 = names.get("f1_score")
    exact = intervals.of_decisions(f1, labels, decisions)
    found = intervals.of_decisions(f1, labels, decisions, weights=weights)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.004)
    gain, plain = (intervals.of_gain(f1, labels, labels, decisions, weights=one) for one in (weights, None))
    assert (gain.value, gain.low, gain.high) == pytest.approx((plain.value, plain.low, plain.high), abs=0.004)
