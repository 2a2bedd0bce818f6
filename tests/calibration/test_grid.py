"""The grid of the original, and thresholds for any function of decisions; its own values are in test_original."""

import math

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from deeptrain.calibration import candidates, grid, optimum
from deeptrain.errors import DataError, SettingsError
from deeptrain.metrics import names

# Inputs and outputs of `searching.find_best_predict_threshold` of DeepTrain 0.6.0 (J. Muradeli, 2020, MIT).
NOISY = (
    [0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        *(0.3182, 0.7582, 0.6929, 0.7211, 0.2192, 0.3241, 0.5068, 0.6487, 0.0982, 0.6528, 0.6192, 0.8063, 0.4029),
        *(0.5872, 0.6416, 0.999, 0.7103, 0.613, 0.7215, 0.1083, 0.6491, 0.7813, 0.0923, 0.429, 0.436, 0.4892),
        *(0.1132, 0.2177, 0.2627, 0.116, 0.6979, 0.2508),
    ],
)
MIXED = ([0, 0, 1, 0, 0, 0, 1, 1], [0.01, 0.93, 0.42, 0.61, 0.15, 0.0, 1.0, 0.5])
CLEAN = ([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
CLOSE = ([0, 0, 0, 1, 1], [0.011, 0.012, 0.0135, 0.0151, 0.0163])


def mcc(labels, decisions):
    return matthews_corrcoef(labels, decisions)


def test_the_points_of_the_grid_are_those_of_the_original():
    assert grid.thresholds().tolist() == pytest.approx(np.arange(1, 100) / 100)
    assert grid.thresholds(0.1, (0.3, 0.7)).tolist() == [0.3, 0.4, 0.5, 0.6, 0.7]


def test_where_the_original_was_wrong_this_is_right():
    # It rounded the threshold to two digits, whatever the step.
    two = ([1, 1, *[0] * 3], [0.0313, 0.0271, 0.001, 0.0283, 0.02])
    at, value = grid.best(*two, step=0.001)
    assert at == pytest.approx(0.027)
    assert value == pytest.approx(0.8)
    # It took a cost for something to maximise, beginning at 0: (0.01, 0).
    cost = names.with_arguments(names.get("cost"), {"false_negative": 5})
    assert grid.best(*NOISY, cost) == pytest.approx((0.51, 7 / 32))
    # Its sum of steps missed the upper bound: 60 points up to 0.94.
    assert len(grid.thresholds(0.01, (0.35, 0.95))) == 61
    # It took NaN for a negative, silently.
    with pytest.raises(DataError, match=r"^scores must be finite, got nan in row 1 "):
        grid.best([0, 0, 1], [0.1, math.nan, 0.9])
    # It passed the threshold to a loss as its weights.
    with pytest.raises(SettingsError, match=r"^metric binary_crossentropy does not depend on a threshold"):
        grid.best(*NOISY, "binary_crossentropy")


@pytest.mark.parametrize("samples", [MIXED, CLEAN, NOISY, CLOSE])
def test_the_grid_is_never_better_than_the_optimum(samples):
    assert optimum.of(*samples).in_sample >= grid.best(*samples)[1]
    assert optimum.of(*CLOSE).in_sample == 1
    assert optimum.of(*CLOSE).value == pytest.approx((0.0135 + 0.0151) / 2)


@pytest.mark.parametrize("samples", [MIXED, CLEAN, NOISY, CLOSE])
def test_any_function_of_decisions_is_made_best_over_all_thresholds_when_they_are_few(samples):
    found = candidates.best(*samples, mcc)
    exact = optimum.of(*samples, "mcc")
    assert found.in_sample == pytest.approx(exact.in_sample)
    assert found.value == pytest.approx(exact.value)


def test_of_many_thresholds_those_around_the_best_are_tried():
    generator = np.random.Generator(np.random.Philox(2))
    labels = generator.random(5000) < 0.2
    scores = 1 / (1 + np.exp(1.5 - 1.2 * labels - generator.normal(size=5000)))
    calls = []

    def counted(truth, decisions):
        calls.append(decisions.sum())
        return mcc(truth, decisions)

    found = candidates.best(labels, scores, counted, most=40)
    assert len(calls) <= 80
    assert found.in_sample > optimum.of(labels, scores, "mcc").in_sample - 0.01
    least = candidates.best(labels, scores, lambda _, called: abs(called.mean() - 0.3), maximize=False)
    assert np.mean(scores > least.value) == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 0}, r"step must be between 0 and 1, got 0"),
        ({"bounds": (0.7, 0.3)}, r"bounds must be two thresholds between 0 and 1, the lower first, got \[0\.7, 0\.3\]"),
        (
            {"bounds": (1.0, 1.0)},
            r"no multiple of step 0\.01 lies within the bounds \[1\.0, 1\.0\] and between 0 and 1",
        ),
    ],
)
def test_a_grid_without_points_is_refused(options, message):
    with pytest.raises(SettingsError, match=f"^{message}$"):
        grid.best(*CLEAN, **options)
    with pytest.raises(DataError, match=r"^the metric is nan at all 7 thresholds that were tried$"):
        candidates.best(*CLEAN, lambda *_: math.nan)
