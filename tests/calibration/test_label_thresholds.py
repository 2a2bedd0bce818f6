"""A threshold for each label: exact for every average, and told what it rests on."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.calibration import label_thresholds, threshold
from deeptrain.errors import DataError, SettingsError
from deeptrain.metrics import names


@st.composite
def small(draw):
    """Few samples of few labels, with ties, all equal scores, and labels without positives or negatives."""
    samples, labels = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    cells = samples * labels
    truth = np.array(draw(st.lists(st.booleans(), min_size=cells, max_size=cells))).reshape(samples, labels)
    scores = draw(st.lists(st.sampled_from([0, 0.1, 0.3, 0.5, 0.8, 1]), min_size=cells, max_size=cells))
    truth[draw(st.integers(0, samples - 1)), draw(st.integers(0, labels - 1))] = True
    return truth, np.array(scores, np.float64).reshape(samples, labels)


def drawn(samples=400, labels=3, seed=1, noise=0.12):
    generator = np.random.Generator(np.random.Philox(seed))
    truth = generator.random((samples, labels)) < np.array([0.4, 0.2, 0.1])[:labels]
    return truth, np.clip(0.3 * truth + noise * generator.normal(size=truth.shape) + 0.15, 0, 1)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize("metric", ["f1_score", "precision", "recall", "jaccard", "specificity"])
@settings(max_examples=25, deadline=None)
@given(data=small())
def test_no_choice_of_thresholds_is_better(data, metric, average):
    truth, scores = data
    found = label_thresholds.choose(truth, scores, metric, average)
    key = names.get(f"{metric}_{average}")
    places = [sorted({-1.0, *column}) for column in scores.T.tolist()]
    every = [key(truth, scores, threshold=choice) for choice in itertools.product(*places)]
    best = max((value for value in every if not math.isnan(value)), default=math.nan)
    assert found.in_sample == pytest.approx(best, abs=1e-12, nan_ok=True)
    assert found.in_sample == pytest.approx(key(truth, scores, threshold=found.values), abs=1e-12, nan_ok=True)
    assert all(math.isfinite(value) for value in found.values)


@settings(max_examples=20, deadline=None)
@given(data=small(), seed=st.integers(0, 100), average=st.sampled_from(["macro", "micro"]))
def test_the_order_of_samples_changes_nothing(data, seed, average):
    truth, scores = data
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(truth))
    one = label_thresholds.choose(truth, scores, average=average)
    other = label_thresholds.choose(truth[order], scores[order], average=average)
    assert one.plain() == other.plain()


def test_each_label_of_a_macro_average_has_the_threshold_it_has_alone():
    truth, scores = drawn()
    found = label_thresholds.choose(truth, scores, called=("a", "b", "c"))
    points = [label_thresholds.operating_points.of(truth[:, label], scores[:, label]) for label in range(3)]
    f1 = names.get("f1_score")
    alone = [of.threshold(label_thresholds.operating_points.best(of, f1)) for of in points]
    assert list(found.values) == alone
    assert found.metric == "f1_score_macro"
    assert found.in_sample == pytest.approx(np.mean(found.per_label))
    assert found.value_at_half < found.cross_fitted < found.in_sample
    assert min(found.positives) >= threshold.FEW
    assert found.warnings == ()
    assert label_thresholds.LabelThresholds.from_plain(found.plain()) == found


def test_micro_and_macro_differ_where_labels_differ():
    truth, scores = drawn(noise=0.3)
    macro, micro = (label_thresholds.choose(truth, scores, average=average) for average in ("macro", "micro"))
    at = {name: names.get(f"f1_score_{name}") for name in ("macro", "micro")}
    assert at["micro"](truth, scores, threshold=micro.values) > at["micro"](truth, scores, threshold=macro.values)
    assert at["macro"](truth, scores, threshold=micro.values) < at["macro"](truth, scores, threshold=macro.values)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_a_label_without_positives_does_no_harm_and_is_told(average):
    truth, scores = drawn()
    truth[:, 1] = False
    found = label_thresholds.choose(truth, scores, average=average, called=("a", "b", "c"))
    assert found.values[1] >= scores[:, 1].max()
    assert math.isfinite(found.in_sample)
    assert math.isfinite(found.cross_fitted)
    assert found.warnings == (
        "Label b has no positives among 400 samples: nothing tells where its threshold should be.",
    )
    assert found.plain()["per_label"][1] == "nan"


def test_few_positives_and_thresholds_that_do_not_pay_are_told():
    generator = np.random.Generator(np.random.Philox(3))
    truth = generator.random((40, 2)) < 0.5
    scores = np.where(truth, 0.6, 0.4) + 0.02 * generator.normal(size=truth.shape)
    truth[:8] = ~truth[:8]
    found = label_thresholds.choose(truth, scores, called=("a", "b"), folds=20)
    assert any("Label a has only" in told for told in found.warnings)
    if found.cross_fitted < found.value_at_half:
        assert found.warnings[-1].startswith("Cross-fitted f1_score_macro")


def test_bad_input_is_told_with_counts():
    truth, scores = drawn(4)
    with pytest.raises(DataError, match=r"^labels and outputs must have one shape, got \(4, 3\) and \(4, 2\)$"):
        label_thresholds.choose(truth, scores[:, :2])
    with pytest.raises(DataError, match=r"^labels must have the shape \(samples, labels\), got \(4,\)$"):
        label_thresholds.choose(truth[:, 0], scores)
    with pytest.raises(DataError, match=r"^outputs must be finite, got nan in row 2 "):
        label_thresholds.choose(truth, np.where(np.arange(4)[:, None] == 2, np.nan, scores))
    with pytest.raises(DataError, match=r"^outputs must lie in \[0, 1\], got \d\.\d+ in row 0 "):
        label_thresholds.choose(truth, scores + 3)
    with pytest.raises(DataError, match=r"^labels must be 0 or 1, got \[2 2 2\] in row 0 "):
        label_thresholds.choose(np.full((4, 3), 2), scores)
    with pytest.raises(DataError, match=r"^cannot calibrate: 0 positives of 3 labels among 4 samples$"):
        label_thresholds.choose(np.zeros((4, 3)), scores)
    with pytest.raises(DataError, match=r"^names of labels must be one for each of 3 columns of labels, got 2$"):
        label_thresholds.choose(np.ones((4, 3)), scores, called=("a", "b"))
    with pytest.raises(SettingsError, match=r"^metric accuracy is not averaged over classes"):
        label_thresholds.choose(truth, scores, "accuracy")
    with pytest.raises(SettingsError, match=r"informedness is no ratio of counts: its average must be macro or weig"):
        label_thresholds.choose(truth, scores, "informedness", "micro")


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@settings(max_examples=30, deadline=None)
@given(data=small(), seed=st.integers(0, 1000))
def test_with_weights_no_choice_of_thresholds_is_better(data, seed, average):
    truth, scores = data
    weights = np.random.Generator(np.random.Philox(seed)).random(len(truth)) + 0.1
    found = label_thresholds.choose(truth, scores, "f1_score", average, weights=weights)
    key = names.get(f"f1_score_{average}")
    places = [sorted({-1.0, *column}) for column in scores.T.tolist()]
    every = [key(truth, scores, weights, choice) for choice in itertools.product(*places)]
    best = max((value for value in every if not math.isnan(value)), default=math.nan)
    assert found.in_sample == pytest.approx(best, abs=1e-12, nan_ok=True)
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(truth))
    again = label_thresholds.choose(truth[order], scores[order], "f1_score", average, weights=weights[order])
    assert again.values == found.values


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_a_sample_of_weight_two_counts_as_two_and_one_of_weight_zero_as_none(average):
    truth, scores = drawn(200, noise=0.3)
    weights = np.random.Generator(np.random.Philox(4)).integers(0, 4, 200)
    each = np.repeat(np.arange(200), weights)
    found = label_thresholds.choose(truth, scores, average=average, weights=weights)
    repeated = label_thresholds.choose(truth[each], scores[each], average=average)
    assert (found.values, found.samples) == (repeated.values, np.count_nonzero(weights))
    assert found.per_label == pytest.approx(repeated.per_label)
    assert (found.in_sample, found.value_at_half) == pytest.approx((repeated.in_sample, repeated.value_at_half))
    plain = label_thresholds.choose(truth, scores, average=average)
    assert label_thresholds.choose(truth, scores, average=average, weights=np.full(200, 3.3)) == plain
