"""Resampled thresholds: the same distribution whether neighbours are drawn together or one by one."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deeptrain.calibration import bootstrap, operating_points, optimum, threshold
from deeptrain.metrics import counts, names

F1 = names.get("f1_score")


def seeded(*seed):
    return np.random.Generator(np.random.Philox(list(seed)))


def drawn(generator, samples):
    labels = generator.random(samples) < 0.2
    return labels, 1 / (1 + np.exp(1.5 - 1.2 * labels - generator.normal(size=samples)))


def one_by_one(labels, scores, resamples, generator, name="f1_score", bounds=None):
    found = []
    for _ in range(resamples):
        picks = generator.integers(len(labels), size=len(labels))
        found.append(optimum.of(labels[picks], scores[picks], name, bounds=bounds).value)
    return np.array(found)


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
    at = np.linspace(0, 1, 200)
    far = np.abs(np.mean(ours[:, None] <= at, axis=0) - np.mean(theirs[:, None] <= at, axis=0)).max()
    assert far < 1.63 * np.sqrt(2 / 1500)  # Kolmogorov and Smirnov, at 1 %


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=3, max_size=30), st.integers(0, 99))
def test_a_resample_has_its_best_threshold_at_a_best_point_of_its_own(samples, seed):
    """With weights samples are drawn one by one, and what was drawn can be drawn again."""
    labels, scores = (np.array(column) for column in zip(*samples, strict=True))
    assume(labels.any() and not labels.all())
    labels, scores, weights = operating_points.sort_weighted(labels, scores / 9, np.ones(len(labels)))
    found = iter(bootstrap.thresholds(labels, scores, F1, 5, seeded(seed), weights=weights))
    generator = seeded(seed)
    for _ in range(5):
        picks = generator.integers(len(labels), size=len(labels))
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
