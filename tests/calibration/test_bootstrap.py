"""Resampled thresholds: the same distribution whether neighbours are drawn together or one by one."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deeptrain.calibration import bootstrap, draws, operating_points, optimum, threshold
from deeptrain.calibration.weighted_blocks import WeightedBlocks
from deeptrain.metrics import counts, names

F1 = names.get("f1_score")


def seeded(*seed):
    return np.random.Generator(np.random.Philox(list(seed)))


def drawn(generator, samples):
    labels = generator.random(samples) < 0.2
    return labels, 1 / (1 + np.exp(1.5 - 1.2 * labels - generator.normal(size=samples)))


def one_by_one(labels, scores, resamples, generator, name="f1_score", bounds=None, weights=None):
    found = []
    for _ in range(resamples):
        picks = generator.integers(len(labels), size=len(labels))
        each = None if weights is None else weights[picks]
        found.append(optimum.of(labels[picks], scores[picks], name, bounds=bounds, weights=each).value)
    return np.array(found)


def far_apart(ours, theirs):
    """Whether Kolmogorov and Smirnov tell them apart, at 1 %."""
    at = np.linspace(0, 1, 200)
    far = np.abs(np.mean(ours[:, None] <= at, axis=0) - np.mean(theirs[:, None] <= at, axis=0)).max()
    return far >= 1.63 * np.sqrt(1 / len(ours) + 1 / len(theirs))


@pytest.mark.parametrize("name", ["f1_score", "mcc", "cost"])
@pytest.mark.parametrize(
    ("apart", "blocks", "bounds"),
    [(bootstrap.APART, bootstrap.BLOCKS, None), (50, 20, None), (50, 20, (0.4, 0.6)), (50, 20, (0.9, 1.0))],
)
def test_thresholds_are_spread_as_those_of_samples_drawn_one_by_one(name, apart, blocks, bounds, monkeypatch):
    monkeypatch.setattr(bootstrap, "APART", apart)
    monkeypatch.setattr(bootstrap, "BLOCKS", blocks)
    labels, scores = operating_points.sort(*drawn(seeded(1), 400))
    ours = bootstrap.thresholds(labels, scores, names.get(name), 1500, seeded(2), bounds=bounds)
    theirs = one_by_one(labels, scores, 1500, seeded(3), name, bounds)
    assert not far_apart(ours, theirs)


@pytest.mark.parametrize(("name", "bounds"), [("f1_score", None), ("cost", (0.2, 0.6))])
def test_weighted_thresholds_are_spread_as_those_of_samples_drawn_one_by_one(name, bounds):
    labels, scores = drawn(seeded(1), 900)
    weights = seeded(14).exponential(size=900) ** 2
    ordered = operating_points.sort_weighted(labels, np.round(scores, 2), weights)
    ours = bootstrap.thresholds(*ordered[:2], names.get(name), 600, seeded(2), bounds=bounds, weights=ordered[2])
    theirs = one_by_one(*ordered[:2], 600, seeded(3), name, bounds, ordered[2])
    assert len(ours) == 600
    assert not far_apart(ours, theirs)


@pytest.mark.parametrize("samples", [1, 7, 256, 300, 1024, 1500])
def test_what_is_drawn_is_drawn_as_one_by_one(samples):
    generator, counted = seeded(samples), []
    for _ in range(400):
        found = draws.draw(samples, generator)
        parts = [part[1] for part in found.parts()]
        picks = found.of(0, len(found.times))
        np.testing.assert_array_equal(np.concatenate(parts), picks)
        assert len(picks) == samples
        half = len(found.times) // 2
        np.testing.assert_array_equal(
            picks, np.append(found.of(0, half), half * draws.WIDTH + found.of(half, len(found.times)))
        )
        counted.append(np.bincount(picks, minlength=samples))
    counted = np.array(counted)
    assert counted.shape == (400, samples)
    expected = 1 - 1 / samples  # the variance of how often each is drawn, and -1 / samples the covariance of two
    assert counted.mean(axis=0) == pytest.approx(1, abs=5 * np.sqrt(expected / 400))
    assert np.var(counted) == pytest.approx(expected, rel=0.05)
    if samples > 1:
        neighbours = np.mean((counted[:, 1:] - 1) * (counted[:, :-1] - 1))
        assert neighbours == pytest.approx(-1 / samples, abs=5 / np.sqrt(400 * samples) + 0.02)


def instances(seed, many):
    """Samples with and without ties, of whole weights, more of them than a block."""
    generator = seeded(seed)
    for _ in range(many):
        labels, scores = drawn(generator, int(generator.integers(2, 1500)))
        places = int(generator.integers(1, 6))
        weights = generator.integers(1, 6, size=len(labels)).astype(np.float64)
        columns = operating_points.sort_weighted(labels, np.clip(np.round(scores, places), 0, 1), weights)
        bounds = None if generator.random() < 0.5 else tuple(np.sort(generator.random(2)).tolist())
        if 0 < labels.sum() < len(labels):
            yield generator, columns, bounds


@pytest.mark.parametrize("name", ["f1_score", "accuracy", "mcc", "cost", "recall", "precision", "specificity"])
def test_blocks_that_are_left_out_hold_no_best_point(name):
    metric = names.get(name)
    for generator, (labels, scores, weights), bounds in instances(11, 25):
        blocks = WeightedBlocks(labels, scores, weights, metric, bounds)
        found = optimum.best(blocks.contenders(), metric, bounds, 0.5)
        assert found == optimum.best(operating_points.of_sorted(labels, scores, weights), metric, bounds, 0.5)
        again = np.random.Generator(np.random.Philox(int(generator.integers(1000))))
        state = again.bit_generator.state
        at = bootstrap.thresholds(labels, scores, metric, 1, again, bounds=bounds, weights=weights)
        again.bit_generator.state = state
        parts = draws.draw(len(labels), again)
        picks = parts.of(0, len(parts.times))
        if 0 < labels[picks].sum() < len(labels):
            expected = optimum.of(labels[picks], scores[picks], name, weights=weights[picks], bounds=bounds)
            value = counts.weighed(labels[picks], scores[picks] > at[0], weights[picks])
            assert float(metric.at_counts(*value)) == pytest.approx(expected.in_sample, abs=1e-12)
            if name not in ("mcc",):
                assert at[0] == expected.value


def test_most_blocks_of_many_samples_are_left_out():
    labels, scores = drawn(seeded(12), 200_000)
    ordered = operating_points.sort_weighted(labels, scores, seeded(13).exponential(size=200_000))
    blocks = WeightedBlocks(*ordered, F1, None)
    assert len(blocks.contenders().tp) < 20_000
    assert len(blocks.resample(seeded(14)).tp) < 20_000


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=3, max_size=30), st.integers(0, 99))
def test_a_resample_has_its_best_threshold_at_a_best_point_of_its_own(samples, seed):
    """What was drawn of weighted samples can be drawn again."""
    labels, scores = (np.array(column) for column in zip(*samples, strict=True))
    assume(labels.any() and not labels.all())
    labels, scores, weights = operating_points.sort_weighted(labels, scores / 9, np.ones(len(labels)))
    found = iter(bootstrap.thresholds(labels, scores, F1, 5, seeded(seed), weights=weights))
    generator = seeded(seed)
    for _ in range(5):
        picks = draws.draw(len(labels), generator).of(0, 1)
        if labels[picks].any() and not labels[picks].all():
            expected = optimum.of(labels[picks], scores[picks])
            assert next(found) == expected.value
    assert next(found, None) is None


def test_bounds_hold_for_every_resample():
    labels, scores = operating_points.sort(*drawn(seeded(4), 200))
    found = bootstrap.thresholds(labels, scores, F1, 40, seeded(5), bounds=(0.4, 0.6))
    assert found.min() >= 0.4
    assert found.max() <= 0.6


def test_the_median_of_resamples_is_the_better_threshold_for_other_samples():
    generator = seeded(6)
    fresh_labels, fresh_scores = drawn(generator, 100_000)
    gains = []
    for _ in range(150):
        labels, scores = operating_points.sort(*drawn(generator, 100))
        median = float(np.median(bootstrap.thresholds(labels, scores, F1, 30, generator)))
        best = optimum.of(labels, scores).value
        median, best = (float(F1.at_counts(*counts.counted(fresh_labels, fresh_scores > at))) for at in (median, best))
        gains.append(median - best)
    assert np.mean(gains) > 2 * np.std(gains) / np.sqrt(len(gains))


def test_the_threshold_is_midway_between_the_scores_around_the_median():
    labels, scores = drawn(seeded(7), 150)
    found = threshold.choose(labels, scores)
    assert found.rule == "median"
    assert found.interval[0] <= found.value <= found.interval[1]
    around = np.sort(scores)[np.searchsorted(np.sort(scores), found.value) - 1 :][:2]
    assert found.value == pytest.approx(around.mean())
    assert found.in_sample <= found.optimum.in_sample == optimum.of(labels, scores).in_sample
    assert found.cross_fitted_interval[0] < found.cross_fitted < found.cross_fitted_interval[1]
    assert found.optimum_interval[0] < found.optimum.in_sample < found.optimum_interval[1]


def test_without_resamples_the_threshold_is_the_optimum():
    labels, scores = drawn(seeded(8), 150)
    found = threshold.choose(labels, scores, resamples=0)
    assert (found.rule, found.interval, found.value) == ("optimum", None, optimum.of(labels, scores).value)


def test_weights_are_used_everywhere():
    labels, scores = drawn(seeded(9), 300)
    plain = threshold.choose(labels, scores, constraint="recall >= 0.5")
    assert threshold.choose(labels, scores, constraint="recall >= 0.5", weights=np.full(300, 2.0)) == plain
    kept = np.arange(300) < 250
    without = threshold.choose(labels[kept], scores[kept])
    assert threshold.choose(labels, scores, weights=np.where(kept, 0.3, 0)) == without
    weights = np.where(labels, 5.0, 1.0)
    heavy = threshold.choose(labels, scores, weights=weights)
    assert heavy.value < threshold.choose(labels, scores).value
    order = seeded(10).permutation(300)
    assert threshold.choose(labels[order], scores[order], weights=weights[order]) == heavy
