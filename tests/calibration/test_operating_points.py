"""All operating points against counting by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.calibration import operating_points
from deeptrain.metrics import counts, names

NEXT = float(np.nextafter(0.5, 1))
SCORE = st.sampled_from([0.0, -0.0, 5e-324, 0.1, 0.25, 0.5, NEXT, 0.75, 0.9, float(np.nextafter(1, 0)), 1.0])
SAMPLES = st.lists(st.tuples(st.booleans(), SCORE), min_size=1, max_size=14)


def arrays(samples):
    labels, scores = zip(*samples, strict=True)
    return np.array(labels), np.array(scores)


@settings(deadline=None)
@given(SAMPLES)
def test_each_point_is_what_its_threshold_counts(samples):
    labels, scores = arrays(samples)
    points = operating_points.of(labels, scores)
    assert len(points.tp) == len(set(scores.tolist())) + 1
    for point, found in enumerate(zip(*points.counts, strict=True)):
        threshold = points.threshold(point)
        assert points.lower[point] <= threshold < points.upper[point]
        assert counts.counted(labels, scores > threshold) == found
        assert counts.counted(labels, scores > points.lower[point]) == found
        assert counts.counted(labels, scores >= points.upper[point]) == found


@settings(deadline=None)
@given(SAMPLES)
def test_a_threshold_is_no_score_so_that_more_and_at_least_agree(samples):
    labels, scores = arrays(samples)
    points = operating_points.of(labels, scores)
    for point in range(len(points.tp)):
        threshold = points.threshold(point)
        neighbours = points.upper[point] == np.nextafter(points.lower[point], 2)
        if not neighbours:
            np.testing.assert_array_equal(scores > threshold, scores >= threshold)


@settings(deadline=None)
@given(SAMPLES, st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(samples, random):
    shuffled = list(samples)
    random.shuffle(shuffled)
    for one, other in zip(
        operating_points.sort(*arrays(samples)), operating_points.sort(*arrays(shuffled)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@settings(deadline=None)
@given(SAMPLES)
def test_sorting_keeps_every_sample(samples):
    labels, scores = arrays(samples)
    sorted_labels, sorted_scores = operating_points.sort(labels, scores)
    expected = sorted(zip(scores.tolist(), labels.tolist(), strict=True))
    assert list(zip(sorted_scores.tolist(), sorted_labels.tolist(), strict=True)) == expected


def test_sorting_does_not_touch_what_it_is_given():
    labels, scores = np.array([True, False, True]), np.array([0.9, 0.1, 0.5])
    operating_points.sort(labels, scores)
    assert labels.tolist() == [True, False, True]
    assert scores.tolist() == [0.9, 0.1, 0.5]


def test_thresholds_beyond_0_and_1_are_given_only_to_scores_of_exactly_0_and_1():
    inside = operating_points.of(np.array([True, False]), np.array([0.2, 0.6]))
    assert [inside.threshold(point) for point in range(3)] == pytest.approx([0.8, 0.4, 0.1])
    extreme = operating_points.of(np.array([True, False]), np.array([0.0, 1.0]))
    assert [extreme.threshold(point) for point in range(3)] == [1.5, 0.5, -0.5]


@pytest.mark.parametrize(
    ("scores", "labels", "threshold"),
    [
        ([0.1, 0.9], [0, 1], 0.5),  # 0.5 is on the plateau
        ([0.6, 0.8], [0, 1], 0.7),
        ([0.1, 0.2, 0.3], [0, 0, 1], 0.25),
        ([0.3, 0.45, 0.6, 0.9], [0, 1, 0, 1], 0.375),  # as good between 0.6 and 0.9, which is further away
        ([0.1, 0.4, 0.55, 0.7], [0, 1, 0, 1], 0.625),  # as good between 0.1 and 0.4
        ([0.25, 0.375, 0.625, 0.75], [0, 1, 0, 1], 0.6875),  # as near below; the higher of equals
    ],
)
def test_among_equals_the_point_nearest_to_a_half_is_best(scores, labels, threshold):
    points = operating_points.of(np.array(labels, bool), np.array(scores))
    best = operating_points.best(points, names.get("accuracy"))
    assert points.threshold(best) == pytest.approx(threshold)
