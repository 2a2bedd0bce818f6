"""Several classes and several labels: averages and whole confusion matrices against scikit-learn, and bad input."""

import math
import warnings

import numpy as np
import pytest
import sklearn.metrics as peer
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.metrics import names

PEERS = {
    "f1_score": peer.f1_score,
    "precision": peer.precision_score,
    "recall": peer.recall_score,
    "jaccard": peer.jaccard_score,
}
CLASSES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 3)), min_size=2, max_size=25)
LABELS = st.lists(st.tuples(*[st.integers(0, 1)] * 3, *[st.integers(0, 8)] * 3), min_size=1, max_size=20)
THREE = np.arange(3)


def classes(samples):
    labels, said, weights = np.array(samples).T
    return labels, np.where(said[:, None] == THREE, 0.6, 0.2), said, weights


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@settings(max_examples=25)
@given(samples=CLASSES)
def test_averages_over_classes_agree_with_scikit_learn(average, samples):
    labels, outputs, said, weights = classes(samples)
    assume(len(set(labels.tolist())) == 3)
    for name, function in PEERS.items():
        expected = function(labels, said, average=average, sample_weight=weights, zero_division=0)
        assert names.get(f"{name}_{average}")(labels, outputs, weights) == pytest.approx(expected, abs=1e-12), name


@settings(max_examples=25)
@given(samples=CLASSES)
def test_metrics_of_the_whole_matrix_agree_with_scikit_learn(samples):
    labels, outputs, said, weights = classes(samples)
    assume(len(set(labels.tolist())) > 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, function in (
            ("balanced_accuracy", peer.balanced_accuracy_score),
            ("mcc", peer.matthews_corrcoef),
            ("kappa", peer.cohen_kappa_score),
        ):
            expected = function(labels, said, sample_weight=weights)
            assert names.get(name)(labels, outputs, weights) == pytest.approx(expected, abs=1e-12), name


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=20))
def test_two_classes_are_what_a_binary_decision_is(samples):
    labels, said = np.array(samples).T
    outputs = np.where(said[:, None] == np.arange(2), 0.75, 0.25)
    for name in ("accuracy", "balanced_accuracy", "mcc", "kappa"):
        np.testing.assert_allclose(
            names.get(name)(labels, outputs), names.get(name)(labels, outputs[:, 1]), atol=1e-12, equal_nan=True
        )


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@settings(max_examples=25)
@given(samples=LABELS)
def test_averages_over_labels_agree_with_scikit_learn(average, samples):
    columns = np.array(samples)
    labels, scores = columns[:, :3], columns[:, 3:] / 8
    assume(labels.any(axis=0).all())
    thresholds = np.array([0.5, 0.25, 0.75])
    for name, function in PEERS.items():
        expected = function(labels, scores > thresholds, average=average, zero_division=0)
        found = names.get(f"{name}_{average}")(labels, scores, threshold=thresholds)
        assert found == pytest.approx(expected, abs=1e-12), name
    expected = peer.average_precision_score(labels, scores, average=average)
    assert names.get(f"average_precision_{average}")(labels, scores) == pytest.approx(expected, abs=1e-12)


def test_the_area_under_the_curves_of_several_classes_is_that_of_each_against_the_rest():
    generator = np.random.Generator(np.random.Philox(4))
    labels, scores = generator.integers(0, 3, 60), generator.random((60, 3))
    outputs = scores / scores.sum(axis=1, keepdims=True)
    for average in ("macro", "weighted", "micro"):
        expected = peer.roc_auc_score(labels, outputs, multi_class="ovr", average=average)
        assert names.get(f"roc_auc_{average}")(labels, outputs) == pytest.approx(expected)


def test_a_class_without_samples_is_left_out_of_the_mean_and_nan_is_left_when_all_are():
    assert names.get("recall_macro")([0, 1], [[0.8, 0.1, 0.1], [0.8, 0.1, 0.1]]) == 0.5
    assert math.isnan(names.get("recall_macro")([[0, 0]], [[0.1, 0.9]]))
    assert math.isnan(names.get("roc_auc_macro")([1, 1], [[0.4, 0.6], [0.2, 0.8]]))
    assert math.isnan(names.get("mcc")([1, 1], [[0.4, 0.6], [0.2, 0.8]]))


@pytest.mark.parametrize(
    ("labels", "outputs", "threshold", "message"),
    [
        ([0, 3], [[0.5, 0.5], [0.5, 0.5]], None, "labels must be class numbers from 0 to 1, got 3 in row 1 "),
        ([0, -1], [[0.5, 0.5], [0.5, 0.5]], None, "labels must be class numbers from 0 to 1, got -1 in row 1 "),
        ([0, 1], [0.5, 0.5], None, r"outputs must have the shape \(samples, classes\), got \(2,\)"),
        ([[0, 2]], [[0.5, 0.5]], None, r"labels must be 0 or 1, got \[0 2\] in row 0 "),
        ([[0, 1]], [[0.5, 1.5]], None, r"outputs must lie in \[0, 1\], got 1.5 in row 0 "),
        ([[0, 1]], [[0.5]], None, r"labels and outputs must have one shape, got \(1, 2\) and \(1, 1\)"),
        ([[0, 1]], [[0.5, 0.5]], [0.5], r"threshold must be a finite number, or one for each of the 2 labels, got \[0"),
        ([[0, 1]], [[0.5, 0.5]], math.nan, "threshold must be a finite number, or one for each of the 2 labels, got n"),
    ],
)
def test_bad_labels_of_several_are_told_by_name_rule_and_value(labels, outputs, threshold, message):
    with pytest.raises(DataError, match=f"^f1_score_macro: {message}"):
        names.get("f1_macro")(labels, outputs, threshold=threshold)


def test_of_equal_outputs_as_many_are_among_the_first_k_as_there_is_room_for():
    top2 = names.with_arguments(names.get("top_k_categorical_accuracy"), {"k": 2})
    assert top2([0, 1, 2], [[0.2, 0.5, 0.3], [0.2, 0.5, 0.3], [0.6, 0.3, 0.1]]) == pytest.approx(1 / 3)
    assert top2([0], [[1 / 3] * 3]) == pytest.approx(2 / 3)  # Keras says 1
    generator = np.random.Generator(np.random.Philox(4))
    labels, outputs = generator.integers(0, 4, 50), generator.random((50, 4))
    assert top2(labels, outputs) == pytest.approx(peer.top_k_accuracy_score(labels, outputs, k=2, labels=range(4)))
