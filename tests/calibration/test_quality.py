"""Log loss, Brier score and its parts, and calibration errors against scikit-learn and their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from deeptrain.calibration import quality, reliability
from deeptrain.errors import DataError

SAMPLES = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=40)


def columns(samples: list) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = zip(*samples, strict=True)
    return np.array(labels), np.array(scores)


def classes_and_outputs(samples: int = 300, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.Generator(np.random.Philox(5))
    return generator.integers(0, classes, samples), generator.dirichlet(np.ones(classes), samples)


@settings(deadline=None)
@given(SAMPLES, st.integers(1, 12), st.sampled_from(["width", "mass"]))
def test_the_parts_make_the_brier_score_whatever_the_bins(samples, bins, equal) -> None:
    labels, scores = columns(samples)
    found = reliability.brier_parts(labels, scores, bins, equal)
    assert found.brier == pytest.approx(brier_score_loss(labels, scores, labels=[0, 1]), abs=1e-12)
    assert found.brier == pytest.approx(
        found.reliability - found.resolution + found.uncertainty + found.within, abs=1e-12
    )
    assert min(found.reliability, found.resolution, found.uncertainty) >= 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=40))
def test_of_scores_that_are_equal_within_bins_nothing_is_left_within(samples) -> None:
    """A. H. Murphy's own decomposition, 1973."""
    labels, scores = columns(samples)
    assert reliability.brier_parts(labels, scores / 10 + 0.05).within == pytest.approx(0, abs=1e-12)


def test_within_is_the_variance_less_twice_the_covariance_within_bins() -> None:
    generator = np.random.Generator(np.random.Philox(2))
    scores = generator.random(500)
    labels = generator.random(500) < scores
    bins = np.minimum((scores * 10).astype(int), 9)
    expected = 0.0
    for one in range(10):
        its, said = labels[bins == one].astype(float), scores[bins == one]
        covariance = np.mean((its - its.mean()) * (said - said.mean()))
        expected += len(its) / 500 * (said.var() - 2 * covariance)
    assert reliability.brier_parts(labels, scores).within == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("equal", "strategy"), [("width", "uniform"), ("mass", "quantile")])
def test_bins_are_those_of_scikit_learns_calibration_curve(equal, strategy) -> None:
    generator = np.random.Generator(np.random.Philox(4))
    scores = generator.beta(0.5, 3, 1001)  # so many that its quantiles are scores: they lie below there, above here
    labels = generator.random(1001) < scores
    found = [one for one in reliability.diagram(labels, scores, 10, equal=equal).bins if one.samples]
    fraction, mean = calibration_curve(labels, scores, n_bins=10, strategy=strategy)
    if equal == "width":
        np.testing.assert_allclose([one.mean_score for one in found], mean, rtol=0, atol=1e-9)
        np.testing.assert_allclose([one.fraction for one in found], fraction, rtol=0, atol=1e-9)
    else:
        assert {one.samples for one in found} <= {100, 101}
        np.testing.assert_allclose([one.mean_score for one in found], mean, rtol=0, atol=5e-3)


def test_bins_of_equal_mass_part_scores_of_exactly_1_from_those_below() -> None:
    found = reliability.diagram([0, 1, 0, 1], [0.0, 0.0, 1.0, 1.0], 4, equal="mass")
    assert [(one.low, one.high, one.samples) for one in found.bins] == [(0.0, 0.5, 2), (0.5, 1.0, 2)]
    alone = reliability.diagram([0, 1], [1.0, 1.0], 4, equal="mass")
    assert [(one.low, one.high, one.samples) for one in alone.bins] == [(0.0, 1.0, 2)]


@settings(deadline=None)
@given(SAMPLES, st.integers(1, 8))
def test_bins_of_equal_mass_hold_every_sample_and_part_no_equal_scores(samples, bins) -> None:
    labels, scores = columns(samples)
    found = reliability.diagram(labels, scores, bins, equal="mass")
    assert 1 <= len(found.bins) <= bins
    assert sum(one.samples for one in found.bins) == len(labels)
    assert (found.bins[0].low, found.bins[-1].high) == (0, 1)
    alike = int(np.unique(scores, return_counts=True)[1].max())
    assert max(one.samples for one in found.bins) <= -(-len(labels) // bins) + alike
    errors = [abs(one.fraction - one.mean_score) for one in found.bins if one.samples]
    assert found.maximum_calibration_error == max(errors) >= found.expected_calibration_error - 1e-12


def test_of_two_classes_losses_are_scikit_learns() -> None:
    generator = np.random.Generator(np.random.Philox(6))
    scores, labels = generator.random(300), generator.integers(0, 2, 300)
    found = quality.of(labels, scores)
    assert found.log_loss == pytest.approx(log_loss(labels, scores), abs=1e-9)
    assert found.brier.brier == pytest.approx(brier_score_loss(labels, scores), abs=1e-9)
    assert found.classwise_error == found.expected_calibration_error
    assert found.samples == 300


def test_of_several_classes_losses_are_scikit_learns_and_errors_as_defined() -> None:
    labels, outputs = classes_and_outputs()
    found = quality.of(labels, outputs)
    assert found.log_loss == pytest.approx(log_loss(labels, outputs), abs=1e-9)
    assert found.brier.brier == pytest.approx(brier_score_loss(labels, outputs, scale_by_half=False), abs=1e-9)
    each = [reliability.diagram(labels == one, outputs[:, one]).expected_calibration_error for one in range(4)]
    assert found.classwise_error == pytest.approx(np.mean(each), abs=1e-12)
    top = reliability.diagram(outputs.argmax(axis=1) == labels, outputs.max(axis=1))
    assert found.expected_calibration_error == top.expected_calibration_error
    assert found.maximum_calibration_error == top.maximum_calibration_error
    assert quality.Quality.from_plain(found.plain()) == found


def test_a_wrong_certainty_costs_no_more_than_float32_can_say() -> None:
    assert quality.of([1, 0], [0.0, 1.0]).log_loss == pytest.approx(24 * np.log(2))
    assert quality.of([0, 1], [[0.0, 1.0], [0.0, 1.0]]).log_loss == pytest.approx(12 * np.log(2))


def test_rows_that_are_no_distribution_are_told() -> None:
    with pytest.raises(DataError, match=r"^outputs of a sample must sum to 1, got 1\.5 in row 0 "):
        quality.of([0, 1], [[0.5, 1.0], [0.5, 0.5]])


@pytest.mark.parametrize("classes", [0, 3])
def test_whole_weights_are_samples_repeated_and_equal_ones_change_nothing(classes: int) -> None:
    generator = np.random.Generator(np.random.Philox(9))
    outputs = generator.dirichlet(np.ones(classes), 300) if classes else generator.random(300)
    labels = generator.integers(0, classes or 2, 300)
    weights = generator.integers(0, 4, 300)
    each = np.repeat(np.arange(300), weights)
    found, repeated = quality.of(labels, outputs, weights).plain(), quality.of(labels[each], outputs[each]).plain()
    assert (found.pop("samples"), repeated.pop("samples")) == (300, weights.sum())
    parts, expected = found.pop("brier"), repeated.pop("brier")
    assert parts == pytest.approx(expected, abs=1e-12)
    assert found == pytest.approx(repeated, abs=1e-12)
    assert quality.of(labels, outputs, np.full(300, 0.3)) == quality.of(labels, outputs)
