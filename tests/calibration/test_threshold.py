"""The threshold against brute force, its honesty on fresh data, and what it says of bad input."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deeptrain.calibration import cross_fitting, operating_points, optimum, threshold, threshold_curve
from deeptrain.errors import ArtifactError, DataError, SettingsError
from deeptrain.metrics import counts, names

METRICS = [metric.name for metric in names.of_counts()]
SCORE = st.one_of(
    st.integers(0, 6).map(lambda sixth: sixth / 6), st.sampled_from([0.5, float(np.nextafter(0.5, 1)), 0.49, 0.51])
)
SAMPLES = st.lists(st.tuples(st.booleans(), SCORE), min_size=2, max_size=16)


def both_classes(samples):
    labels, scores = (np.array(column) for column in zip(*samples, strict=True))
    assume(labels.any() and not labels.all())
    return labels, scores


@settings(deadline=None, max_examples=15)
@given(SAMPLES, st.randoms(use_true_random=False), st.integers(2, 6))
def test_the_order_of_samples_changes_nothing(samples, random, folds):
    labels, scores = both_classes(samples)
    order = random.sample(range(len(labels)), len(labels))
    one = threshold.choose(labels, scores, folds=folds)
    other = threshold.choose(labels[order], scores[order], folds=folds)
    assert one.plain() == other.plain()


@settings(deadline=None, max_examples=15)
@given(SAMPLES, st.sampled_from(METRICS))
def test_a_threshold_comes_back_from_its_plain_values(samples, name):
    found = threshold.choose(*both_classes(samples), name)
    assert threshold.Threshold.from_plain(found.plain()).plain() == found.plain()


def drawn(generator, samples):
    labels = generator.random(samples) < 0.2
    return labels, 1 / (1 + np.exp(1.5 - 1.2 * labels - generator.normal(size=samples)))


def test_the_cross_fitted_value_is_far_nearer_to_fresh_data_than_the_in_sample_value():
    generator = np.random.Generator(np.random.Philox(7))
    fresh_labels, fresh_scores = drawn(generator, 200_000)
    in_sample, cross_fitted = [], []
    for seed in range(200):
        found = threshold.choose(*drawn(generator, 100), seed=seed, resamples=10)
        fresh = float(counts.f1_score(*counts.counted(fresh_labels, fresh_scores > found.value)))
        in_sample.append(found.in_sample - fresh)
        cross_fitted.append(found.cross_fitted - fresh)
    assert np.mean(in_sample) > 0.05
    assert abs(np.mean(cross_fitted)) < np.mean(in_sample) / 4


def test_cross_fitting_is_a_function_of_seed_and_folds():
    labels, scores = drawn(np.random.Generator(np.random.Philox(3)), 200)
    values = {
        (folds, seed): threshold.choose(labels, scores, folds=folds, seed=seed).cross_fitted
        for folds in (2, 5)
        for seed in range(6)
    }
    again = {key: threshold.choose(labels, scores, folds=key[0], seed=key[1]).cross_fitted for key in values}
    assert values == again
    assert len(set(values.values())) > 3


def best_of(labels, scores, *_):
    return optimum.of(labels, scores).value


@settings(deadline=None, max_examples=50)
@given(SAMPLES, st.integers(2, 20), st.integers(0, 3))
def test_a_decision_is_by_a_threshold_of_other_samples(samples, folds, seed):
    """With as many folds as samples, the decision about each is by the threshold of all the others."""
    labels, scores = operating_points.sort(*both_classes(samples))
    assume(2 <= labels.sum() <= len(labels) - 2)
    called = cross_fitting.decisions(labels, scores, best_of, len(labels), seed)
    for left_out in range(len(labels)):
        others = np.arange(len(labels)) != left_out
        assert called[left_out] == (scores[left_out] > optimum.of(labels[others], scores[others]).value)
    assert cross_fitting.decisions(labels, scores, best_of, folds, seed).shape == labels.shape


def test_a_single_member_of_a_class_cannot_be_cross_fitted():
    found = threshold.choose([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.35])
    assert math.isnan(found.cross_fitted)
    assert found.optimum.in_sample == 1
    assert found.warnings == (
        "There is only 1 positive among 4 samples: a rate of so few has a standard error of up to 0.50.",
        "With a single positive f1_score cannot be cross-fitted; only its in-sample value is known.",
    )
    assert found.plain()["cross_fitted"] == "nan"


def test_few_members_of_either_class_are_told():
    labels = np.arange(120) < 7
    scores = np.where(labels, 0.9, 0.1)
    text = "among 120 samples: a rate of so few has a standard error of up to 0.19."
    assert threshold.choose(labels, scores).warnings == (f"There are only 7 positives {text}",)
    assert threshold.choose(~labels, 1 - scores).warnings == (f"There are only 7 negatives {text}",)


def test_plenty_of_well_separated_samples_need_no_warning():
    labels = np.arange(120) < 40
    assert threshold.choose(labels, np.where(labels, 0.9, 0.1)).warnings == ()
    moved = threshold.choose(labels, np.where(labels, 0.4, 0.1))
    assert (moved.in_sample, moved.cross_fitted, moved.value_at_half) == (1, 1, 0)
    assert moved.value == pytest.approx(0.25)
    assert moved.warnings == ()


def test_a_threshold_that_does_not_pay_on_unseen_samples_is_told():
    generator = np.random.Generator(np.random.Philox(0))
    labels = np.arange(80) < 40
    best_at_half = [np.clip(np.where(labels, 0.6, 0.4) + generator.normal(size=80) * 0.2, 0, 1) for _ in range(20)]
    warnings = [threshold.choose(labels, scores, "accuracy").warnings for scores in best_at_half]
    lower = [text for texts in warnings for text in texts if "is worse than" in text]
    assert lower
    assert lower[0].startswith("Cross-fitted accuracy 0.")
    assert lower[0].endswith("at 0.5: on samples it has not seen this threshold does not pay.")


def test_a_gain_within_noise_is_told_and_a_clear_one_is_not():
    generator = np.random.Generator(np.random.Philox(5))
    labels, scores = drawn(generator, 20_000)
    assert threshold.choose(labels, scores).warnings == ()
    texts = [text for seed in range(10) for text in threshold.choose(*drawn(generator, 200), "mcc", seed=seed).warnings]
    within = [text for text in texts if "within noise" in text]
    assert within
    assert within[0].startswith("The cross-fitted gain of ")
    assert "in mcc over the " in within[0]


def test_a_threshold_at_the_edge_is_told():
    labels = np.arange(100) < 60
    useless = np.full(100, 0.3)
    assert "The threshold is at the edge: it calls every sample positive." in threshold.choose(labels, useless).warnings
    texts = threshold.choose(~labels, useless, "accuracy").warnings
    assert "The threshold is at the edge: it calls no sample positive." in texts


def test_the_standard_error_of_a_difference_is_that_of_resampled_samples():
    generator = np.random.Generator(np.random.Philox(2))
    labels = generator.random(300) < 0.3
    first, second = labels ^ (generator.random(300) < 0.1), labels ^ (generator.random(300) < 0.25)
    picks = generator.integers(300, size=(1000, 300))
    differences = [
        float(counts.f1_score(*counts.counted(labels[p], first[p])))
        - float(counts.f1_score(*counts.counted(labels[p], second[p])))
        for p in picks
    ]
    resampled = cross_fitting.Resamples(labels, (first, second), names.get("f1"), seed=0)
    found = resampled.error_of_difference(0, 1)
    assert found == pytest.approx(np.std(differences), rel=0.15)
    assert resampled.error_of_difference(0, 0) == 0


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        (
            np.zeros(120),
            np.full(120, 0.5),
            r"cannot calibrate: 0 positives among 120 samples; both classes are needed$",
        ),
        (np.ones(7), np.full(7, 0.5), r"cannot calibrate: 0 negatives among 7 samples"),
        ([0, 1], [0.2, 1.2], r"scores must lie in \[0, 1\], got 1.2 in row 1 "),
        ([0, 1], [0.2, math.nan], r"scores must be finite, got nan in row 1 "),
        (
            [0, 1, 0],
            [-2.5, 1.2, 0.5],
            r"scores must lie in \[0, 1\], got -2.5 in row 0 \(counted from 0\), and in 1 more of 3; if these ",
        ),
        ([0, 3], [0.2, 0.4], r"labels must be 0 or 1, got 3 in row 1 "),
        ([0, 1, 1], [0.2, 0.4], r"labels and scores must be equally many, got 3 and 2"),
        ([], [], r"labels and scores must have at least one sample, got none"),
    ],
)
def test_bad_input_is_told_with_row_value_and_counts(labels, scores, message):
    of_one_class = message.startswith("cannot calibrate")  # which a curve may be
    for function in (threshold.choose,) if of_one_class else (threshold.choose, threshold_curve.of):
        with pytest.raises(DataError, match=f"^{message}"):
            function(labels, scores)


def test_a_metric_without_a_threshold_is_refused():
    with pytest.raises(SettingsError, match=r"^metric roc_auc does not depend on a threshold; those that do are "):
        threshold.choose([0, 1], [0.1, 0.9], "roc_auc")
    with pytest.raises(SettingsError, match=r"^unknown metric 'f1_scroe'; did you mean f1_score\?"):
        threshold.choose([0, 1], [0.1, 0.9], "f1_scroe")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"value": "high"},
            r"threshold cannot be read back: Expected float, got str - at \$\.value; run its task again",
        ),
        (
            {"value": math.nan},
            r"threshold cannot be read back: value must lie on its plateau .*, got nan on \[0\.2, 0\.3",
        ),
        ({"value": 0.9}, r"threshold cannot be read back: value must lie on its plateau within -1 and 2, got 0\.9 on "),
        ({"positives": 9}, r"threshold cannot be read back: positives must be between 0 and 4 samples, got 9"),
        ({"plateau": [0.1]}, r"threshold cannot be read back: Expected array of length 2, got 1"),
        ({"treshold": 1}, r"threshold has an unknown field 'treshold'; run its task again"),
    ],
)
def test_an_altered_file_is_refused(change, message):
    plain = threshold.choose([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.35]).plain()
    with pytest.raises(ArtifactError, match=f"^{message}"):
        threshold.Threshold.from_plain(plain | change)


def test_a_file_without_a_field_or_of_another_kind_is_refused():
    plain = threshold.choose([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.35]).plain()
    for field in dataclasses.fields(threshold.Threshold):
        rest = {name: value for name, value in plain.items() if name != field.name}
        with pytest.raises(ArtifactError, match=f"missing required field {field.name}; run its task again"):
            threshold.Threshold.from_plain(rest)
    for other in (None, [], "text", 3):
        with pytest.raises(ArtifactError, match=r"^threshold cannot be read back: Expected object, got "):
            threshold.Threshold.from_plain(other)
