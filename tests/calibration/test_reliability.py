"""The reliability diagram against SciPy's exact intervals and its own laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from deeptrain.calibration import reliability
from deeptrain.errors import DataError, SettingsError

SAMPLES = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=40)


def arrays(samples):
    labels, twentieths = zip(*samples, strict=True)
    return np.array(labels), np.array(twentieths) / 20


@settings(deadline=None)
@given(SAMPLES, st.integers(1, 12))
def test_every_sample_is_in_the_bin_that_holds_its_score(samples, bins):
    labels, scores = arrays(samples)
    found = reliability.diagram(labels, scores, bins)
    assert len(found.bins) == bins
    assert (found.bins[0].low, found.bins[-1].high) == (0, 1)
    assert sum(one.samples for one in found.bins) == len(labels)
    error = 0.0
    for number, one in enumerate(found.bins):
        members = (scores >= one.low) & ((scores < one.high) | (number == bins - 1))
        assert one.samples == members.sum()
        if one.samples:
            assert one.mean_score == pytest.approx(scores[members].mean())
            assert one.fraction == pytest.approx(labels[members].mean())
            error += abs(scores[members].mean() - labels[members].mean()) * one.samples / len(labels)
        else:
            assert math.isnan(one.mean_score)
            assert math.isnan(one.fraction)
            assert one.band == (0, 1)
    assert found.expected_calibration_error == pytest.approx(error)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_bands_are_the_exact_intervals_of_clopper_and_pearson(confidence):
    for samples in (1, 2, 7, 60):
        for positives in {0, 1, samples // 2, samples}:
            labels = np.arange(samples) < positives
            (one,) = reliability.diagram(labels, np.full(samples, 0.4), 1, confidence).bins
            interval = binomtest(positives, samples).proportion_ci(confidence, method="exact")
            assert one.band == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_scores_that_are_probabilities_have_no_error_and_lie_in_their_bands():
    generator = np.random.Generator(np.random.Philox(1))
    scores = generator.random(100_000)
    labels = generator.random(100_000) < scores
    found = reliability.diagram(labels, scores, confidence=0.999)
    assert found.expected_calibration_error < 0.01
    assert all(one.band[0] <= one.mean_score <= one.band[1] for one in found.bins)
    assert reliability.diagram(labels, scores**3).expected_calibration_error > 0.2


def test_a_diagram_comes_back_from_its_plain_values():
    found = reliability.diagram([0, 1, 1, 0], [0.1, 0.15, 0.9, 0.95], 2)
    assert reliability.Reliability.from_plain(found.plain()) == found


def test_bad_input_is_told():
    with pytest.raises(SettingsError, match=r"^bins must be at least 1, got 0$"):
        reliability.diagram([0, 1], [0.1, 0.9], bins=0)
    with pytest.raises(SettingsError, match=r"^confidence must be between 0 and 1, got 95$"):
        reliability.diagram([0, 1], [0.1, 0.9], confidence=95)
    with pytest.raises(DataError, match=r"^scores must be finite, got nan in row 0 "):
        reliability.diagram([0, 1], [math.nan, 0.9])


def test_a_bin_of_unequal_weights_is_less_sure_and_one_heavy_sample_as_sure_as_one():
    labels, scores = np.tile([0, 1], 20), np.full(40, 0.45)
    weights = np.tile([1.0, 3.0], 20)
    weighed = reliability.diagram(labels, scores, weights=weights).bins[4]
    assert weighed.fraction == pytest.approx(0.75)
    low, high = reliability.intervals.clopper_pearson(0.75 * 32, 32)  # (20 + 60)^2 / (20 + 180)
    assert weighed.band == pytest.approx((float(low), float(high)))
    heavy = np.where(np.arange(40) == 1, 1e9, 1.0)
    assert reliability.diagram(labels, scores, weights=heavy).bins[4].band == pytest.approx((0.025, 1), abs=1e-6)
    alone = reliability.diagram(labels, scores, weights=np.arange(40) == 1)
    assert (alone.bins[4].samples, alone.expected_calibration_error) == (1, pytest.approx(0.55))
