"""Metrics over whole arrays against scikit-learn, where undefined, and on bad input."""

import math
import subprocess
import sys

import numpy as np
import pytest
import sklearn.metrics as peer
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.metrics import names

SAMPLES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=1, max_size=30)


@settings(deadline=None)
@given(SAMPLES)
def test_binary_metrics_agree_with_scikit_learn(samples):
    labels, eighths = np.array(samples).T
    scores = (eighths / 8).astype(np.float32)
    assert names.get("brier")(labels, scores) == pytest.approx(np.mean((labels - eighths / 8) ** 2))
    expected = peer.log_loss(labels, scores.astype(np.float64), labels=[0, 1])
    assert names.get("log_loss")(labels, scores) == pytest.approx(expected)
    assert names.get("f1")(labels, scores, threshold=0.25) == pytest.approx(
        peer.f1_score(labels, scores > 0.25, zero_division=math.nan), nan_ok=True
    )
    if 0 < labels.sum() < len(labels):
        assert names.get("roc_auc")(labels, scores) == pytest.approx(peer.roc_auc_score(labels, scores))
        assert names.get("average_precision")(labels, scores) == pytest.approx(
            peer.average_precision_score(labels, scores)
        )


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.tuples(*[st.integers(1, 9)] * 3)), min_size=1, max_size=20))
def test_class_metrics_agree_with_scikit_learn(samples):
    labels = np.array([label for label, _ in samples])
    outputs = np.array([row for _, row in samples], np.float64)
    outputs = (outputs / outputs.sum(axis=1, keepdims=True)).astype(np.float32)
    assert names.get("accuracy")(labels, outputs) == pytest.approx(np.mean(np.argmax(outputs, axis=1) == labels))
    expected = peer.log_loss(labels, outputs, labels=[0, 1, 2])
    assert names.get("log_loss")(labels, outputs) == pytest.approx(expected, rel=1e-5)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=20))
def test_errors_of_values_agree_with_scikit_learn(pairs):
    labels, outputs = np.array(pairs).T
    for shape in ((-1,), (-1, 1)):
        given_, predicted = labels.reshape(shape), outputs.reshape(shape)
        assert names.get("mae")(given_, predicted) == pytest.approx(peer.mean_absolute_error(labels, outputs))
        assert names.get("mse")(given_, predicted) == pytest.approx(peer.mean_squared_error(labels, outputs))


def test_values_are_those_of_the_original_where_it_was_right():
    # Outputs of DeepTrain 0.6.0 (2020, MIT), in float32.
    labels = [[-1.669, 0.276, 0.701], [-0.445, -1.076, 0.026], [-0.053, 1.406, 0.747], [0.194, 1.112, -0.206]]
    outputs = [[-0.926, 0.584, 0.583], [-0.215, -0.783, 0.229], [-2.494, 0.69, 0.491], [-1.639, 0.061, -0.964]]
    assert names.get("mean_squared_error")(labels, outputs) == pytest.approx(1.0347102, rel=1e-6)
    assert names.get("mean_absolute_error")(labels, outputs) == pytest.approx(0.7458334, rel=1e-6)
    mixed = ([0, 0, 1, 0, 0, 0, 1, 1], [0.01, 0.93, 0.42, 0.61, 0.15, 0.0, 1.0, 0.5])
    assert names.get("roc_auc")(*mixed) == pytest.approx(0.7333333661, rel=1e-6)
    outputs = [[0.2288, 0.2877, 0.3727, 0.1107], [0.396, 0.4246, 0.1788, 0.0006], [0.3928, 0.1203, 0.1268, 0.3601]]
    assert names.get("categorical_accuracy")([1, 1, 3], outputs) == pytest.approx(1 / 3)  # it gave 0, 1, 0


def test_tied_scores_are_worth_half_in_any_row_order():
    # The original gave 0.75 and 1.0 here, by row order.
    assert names.get("roc_auc")([1, 0, 1, 0], [0.5] * 4) == 0.5
    assert names.get("roc_auc")([1, 1, 0, 0], [0.5] * 4) == 0.5


def test_a_certain_mistake_costs_a_bounded_log_loss():
    assert names.get("log_loss")([0], [1.0]) == pytest.approx(36.04, abs=0.01)
    assert names.get("log_loss")([1], [1.0]) == 0


@pytest.mark.parametrize("label", [0, 1])
def test_what_one_class_leaves_undefined_is_nan_without_a_warning(label):
    labels, scores = np.full(5, label), np.linspace(0, 1, 5)
    assert math.isnan(names.get("roc_auc")(labels, scores))
    assert math.isnan(names.get("informedness")(labels, scores))
    assert math.isnan(names.get("average_precision")(labels, scores)) == (label == 0)
    assert math.isfinite(names.get("log_loss")(labels, scores))


@pytest.mark.parametrize(
    ("name", "labels", "outputs", "message"),
    [
        ("f1", [0, 1], [0.1, math.nan], r"outputs must be finite, got nan in row 1 \(counted from 0\)"),
        ("roc_auc", [0, 1], [0.1, 7.0], r"outputs must lie in \[0, 1\], got 7.0 in row 1 "),
        ("f1", [0, 1], [[0.1, 0.9], [0.4, 0.6]], r"outputs must have the shape \(samples,\), got \(2, 2\)"),
        ("accuracy", [0, 1], [[0.1], [0.9]], r"outputs must have the shape \(samples, classes\), got \(2, 1\)"),
        ("accuracy", [0, 3], [[0.1, 0.9], [0.4, 0.6]], r"labels must be class numbers from 0 to 1, got 3 in row 1 "),
        ("accuracy", [0.0, 1.0], [[0.1, 0.9], [0.4, 0.6]], r"labels must be class numbers of an integer type, got fl"),
        ("accuracy", [0, 1, 1], [[0.1, 0.9], [0.4, 0.6]], r"labels and outputs must be equally many, got 3 and 2"),
        (
            "log_loss",
            [0, 1],
            [[0.1, 0.9], [3.0, 2.0]],
            r"outputs of a sample must sum to 1, got 5.0 in row 1 .*soft",
        ),
        ("log_loss", [0, 1], [[-0.5, 1.5], [0.5, 0.5]], r"outputs must lie in \[0, 1\], got -0.5 in row 0 .*softmax"),
        ("mae", [0.0, 1.0], [[0.0], [1.0]], r"labels and outputs must have one shape, got \(2,\) and \(2, 1\)"),
        ("mae", [], [], r"labels and outputs must have at least one sample, got none"),
        ("mse", [[0.0, 1.0], [1.0, math.inf]], [[0.0, 1.0], [1.0, 1.0]], r"labels must be finite, got inf in row 1 "),
    ],
)
def test_bad_input_is_told_with_its_row_and_value(name, labels, outputs, message):
    with pytest.raises(DataError, match=f"^{names.get(name).name}: {message}"):
        names.get(name)(labels, outputs)


def test_huge_values_are_no_mistake():
    assert names.get("mae")([1.5e308, 1.5e308], [1.5e308, 1.5e308]) == 0


def test_metrics_of_counts_do_not_load_scikit_learn():
    script = (
        "import sys; from deeptrain.metrics import names; "
        "[names.get(n)([0, 1], [.2, .8]) for n in ('f1', 'mcc', 'brier', 'log_loss', 'mae')]; "
        "print([m for m in ('sklearn', 'scipy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
