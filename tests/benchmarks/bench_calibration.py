"""Thresholds beside a sort of the same scores, scikit-learn's search, and a grid as DeepTrain has it."""

import sys
import time
import tracemalloc
from functools import partial

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import TunedThresholdClassifierCV

from deeptrain.calibration import bootstrap, operating_points, optimum, threshold
from deeptrain.metrics import names
from tests.benchmarks.side_by_side import bar, measured, show

METRICS = ("f1_score", "accuracy", "mcc", "kappa", "cost")


def drawn(samples, saturated=False):
    generator = np.random.Generator(np.random.Philox(samples))
    labels = generator.random(samples) < 0.2
    logits = -1.5 + 1.2 * labels + generator.normal(size=samples)
    return labels, 1 / (1 + np.exp(-logits * (8 if saturated else 1)))


class Known(ClassifierMixin, BaseEstimator):
    """A model that has only to tell the score it is given, so that what is measured is the search."""

    classes_ = np.array([False, True])

    def fit(self, *_):
        return self

    def predict_proba(self, x):
        return np.column_stack([1 - x[:, 0], x[:, 0]])


def by_scikit_learn(labels, scores):
    tuned = TunedThresholdClassifierCV(Known(), scoring="f1", cv="prefit", refit=False)
    return tuned.fit(scores[:, None], labels).best_threshold_


def by_the_original(labels, scores):
    """As `find_best_predict_threshold` does it: 99 thresholds, and at each the counts of all samples."""
    best, at = 0.0, 0.0
    for number in range(1, 100):
        called = scores > number / 100
        tp, fp, fn = (called & labels).sum(), (called & ~labels).sum(), (~called & labels).sum()
        value = 2 * tp / (2 * tp + fp + fn) if tp else 0.0
        if value > best:
            best, at = value, number / 100
    return at


def weighing(samples):
    return np.random.Generator(np.random.Philox([samples, 1])).exponential(size=samples)


def peak_of(run, scores):
    """The most memory a function takes, in times the scores' own bytes."""
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1] / scores.nbytes
    tracemalloc.stop()
    return peak


def test_the_optimum_beside_a_sort():
    for saturated in (False, True):
        labels, scores = drawn(10**7, saturated)
        contestants = {name: partial(optimum.of, labels, scores, name) for name in METRICS}
        contestants["numpy.sort"] = partial(np.sort, scores)
        kind = "saturated scores" if saturated else "scores"
        found = measured(contestants, 5)
        show(f"the exact threshold of 10,000,000 {kind}, by metric", found)
        for name in METRICS:
            bar(f"{name} of 1e7 {kind}, in sorts", found[name] / found["numpy.sort"], 1.5)
        bar("peak memory of it, in scores", peak_of(partial(optimum.of, labels, scores), scores), 6)


def test_the_optimum_of_weighted_samples_beside_a_sort():
    weights = weighing(10**7)
    for saturated in (False, True):
        labels, scores = drawn(10**7, saturated)
        contestants = {name: partial(optimum.of, labels, scores, name, weights=weights) for name in METRICS}
        contestants["numpy.sort"] = partial(np.sort, scores)
        kind = "weighted saturated scores" if saturated else "weighted scores"
        found = measured(contestants, 5)
        show(f"the exact threshold of 10,000,000 {kind}, by metric", found)
        for name in METRICS:
            bar(f"{name} of 1e7 {kind}, in sorts", found[name] / found["numpy.sort"], 1.5)
        bar("peak memory of it, in scores", peak_of(partial(optimum.of, labels, scores, weights=weights), scores), 6)


def test_choosing_takes_little_memory():
    labels, scores = drawn(10**7)
    sys.stdout.write("\nthreshold.choose of 10,000,000 scores: resamples, five folds, intervals\n")
    for said, asked in {
        "": {},
        " with bounds": {"bounds": (0.2, 0.8)},
        " with a constraint": {"constraint": "recall >= 0.7"},
        " with weights": {"weights": weighing(10**7)},
    }.items():
        bar(f"peak memory{said}, in scores", peak_of(partial(threshold.choose, labels, scores, **asked), scores), 6)


def test_the_optimum_beside_other_searches():
    labels, scores = drawn(10**6)
    contestants = {
        "TunedThresholdClassifierCV": lambda: by_scikit_learn(labels, scores),
        "a grid, as the original": lambda: by_the_original(labels, scores),
        "optimum.of": lambda: optimum.of(labels, scores),
    }
    found = measured(contestants, 2)
    show("F1 of 1,000,000 scores", found)
    for (name, seconds), least in zip(found.items(), (20, 5), strict=False):
        bar(f"{name}, in times of optimum.of", seconds / found["optimum.of"], least, least=True)


def test_resampling_beside_a_sort():
    labels, scores = drawn(10**6)
    for kind, weights in {"": None, "weighted ": weighing(10**6)}.items():
        ordered = operating_points.sort_weighted(labels, scores, weights)

        def resampled(ordered=ordered):
            generator = np.random.Generator(np.random.Philox(1))
            return bootstrap.thresholds(*ordered[:2], names.get("f1"), 50, generator, weights=ordered[2])

        found = measured({"bootstrap": resampled, "numpy.sort": lambda: np.sort(scores)}, 5)
        show(f"50 resamples of 1,000,000 {kind}scores, with their best thresholds", found)
        bar(f"50 {kind}resamples, in sorts", found["bootstrap"] / found["numpy.sort"], 60)
        begun = time.perf_counter()
        threshold.choose(labels, scores, weights=weights)
        sys.stdout.write(f"  threshold.choose, five folds and intervals: {time.perf_counter() - begun:.2f} s\n")
