"""What a constraint promises is kept; what seems to hold on the samples themselves is not."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from deeptrain.calibration import constraint, intervals, operating_points, threshold
from deeptrain.errors import SettingsError
from deeptrain.metrics import names


def drawn(generator, samples):
    labels = generator.random(samples) < 0.4
    return labels, 1 / (1 + np.exp(-(2.2 * labels - 1.1 + generator.normal(size=samples))))


@pytest.mark.parametrize("text", ["precision >= 0.8", "recall >= 0.9", "specificity >= 0.9"])
def test_a_promise_is_broken_no_more_often_than_stated_and_the_naive_rule_half_of_the_time(text):
    generator = np.random.Generator(np.random.Philox(11))
    asked = constraint.parse(text)
    fresh = operating_points.of(*drawn(generator, 200_000))
    rates = fresh.values(names.get(asked.rate))
    objective = {"precision": "recall", "recall": "precision", "specificity": "recall"}[asked.rate]
    promised, naive, met = 0, 0, 0
    for _ in range(150):
        found = threshold.choose(*drawn(generator, 400), objective, folds=2, constraint=text, resamples=0)
        met += found.promise.met
        if found.promise.met:
            promised += rates[fresh.point_of(found.value)] < asked.least
        naive += rates[fresh.point_of(found.promise.naive)] < asked.least
    assert met > 100
    assert promised <= 0.1 * 150 + 2
    assert naive > 0.3 * 150


def test_the_lower_bound_is_that_of_clopper_and_pearson():
    for hits, cases in ((0, 5), (3, 5), (5, 5), (17, 40)):
        exact = binomtest(hits, cases, alternative="greater").proportion_ci(0.9, method="exact").low
        assert float(intervals.lower_bound(np.array(hits), np.array(cases), 0.1)) == pytest.approx(exact, abs=1e-12)


def test_calling_all_or_none_keeps_recall_and_specificity_by_definition():
    labels, scores = [0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4]
    assert threshold.choose(labels, scores, "accuracy", constraint="recall >= 0.99").value < 0.1
    assert threshold.choose(labels, scores, "accuracy", constraint="specificity >= 0.99").value > 0.4


def test_what_cannot_be_promised_is_told_with_counts_and_leaves_the_threshold_without_a_constraint():
    labels, scores = drawn(np.random.Generator(np.random.Philox(12)), 300)
    found = threshold.choose(labels, scores, constraint="precision >= 0.99")
    assert not found.promise.met
    assert found.rule == "median"
    assert found.value == threshold.choose(labels, scores).value
    few = threshold.choose(labels[:60], scores[:60], constraint="precision >= 0.99")
    assert few.warnings[0] == (
        "The constraint precision >= 0.99 cannot be promised with a confidence of 0.9: there are too few samples for "
        "any proof. The threshold is the one without the constraint."
    )
    told = threshold.choose(labels, scores, constraint="precision >= 0.95")
    assert told.warnings[0].startswith(
        f"The constraint precision >= 0.95 cannot be promised with a confidence of 0.9: the most that is sure is "
        f"{told.promise.bound:.4f} ({told.promise.hits} of {told.promise.cases} right). "
    )
    nothing = threshold.choose([0, 1] * 20, [0.6, 0.4] * 20, constraint="precision >= 0.9")
    assert math.isnan(nothing.promise.naive)
    assert threshold.Threshold.from_plain(nothing.plain()).plain() == nothing.plain()


def test_a_constraint_that_is_none_is_refused():
    rule = r"constraint must be precision, recall or specificity, >= and a number between 0 and 1, such as "
    for text in ("precision > 0.8", "f1 >= 0.8", "precision >= 1.5", ""):
        with pytest.raises(SettingsError, match=f"^{rule}'precision >= 0.8', got {text!r}$"):
            threshold.choose([0, 1], [0.1, 0.9], constraint=text)
    with pytest.raises(SettingsError, match=r"^constraint 'recall >= 0.8' cannot be promised for weighted samples"):
        threshold.choose([0, 1], [0.1, 0.9], constraint="recall >= 0.8", weights=[1, 2])
