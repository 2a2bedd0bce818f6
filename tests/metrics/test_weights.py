"""Sample weights, the same laws for every metric there is."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.metrics import names, own

KINDS = ("binary", "classes", "values")
CLASSES = 3
ROWS = st.lists(st.tuples(*[st.integers(0, 8)] * 4), min_size=1, max_size=12)
WEIGHTS = st.lists(st.integers(0, 3), min_size=12, max_size=12)


def data(kind, rows):
    """Labels and outputs from small integers, such as every metric of the kind takes."""
    columns = np.array(rows)
    if kind == "binary":
        return columns[:, 0] % 2, columns[:, 1] / 8
    if kind == "classes":
        scores = columns[:, 1:4] + 1.0
        return columns[:, 0] % CLASSES, scores / scores.sum(axis=1, keepdims=True)
    one, other = (columns[:, 0] + 0.5) / 10, (columns[:, 1] + 0.25) / 10
    return np.stack([one, 1 - one], axis=1), np.stack([other, 1 - other], axis=1)


def each(kind, rows):
    """Every metric of a kind with the data it takes."""
    labels, outputs = data(kind, rows)
    for metric in names.of_kind(kind):
        if metric.name == "d2_tweedie_score":  # takes one value a sample
            yield metric, labels[:, 0], outputs[:, 0]
        elif metric.source != "keras":
            yield metric, labels, outputs


def agree(metric, one, other):
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9, equal_nan=True, err_msg=metric.name)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(rows=ROWS, weights=WEIGHTS)
def test_a_weight_of_two_counts_as_two_samples_and_one_of_zero_as_none(kind, rows, weights):
    counted = np.array(weights[: len(rows)])
    assume(counted.any())
    again = np.repeat(np.arange(len(rows)), counted)
    for metric, labels, outputs in each(kind, rows):
        agree(metric, metric(labels, outputs, counted), metric(labels[again], outputs[again]))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(rows=ROWS, weights=WEIGHTS, factor=st.integers(-9, 9))
def test_only_the_proportions_of_weights_matter(kind, rows, weights, factor):
    counted = np.array(weights[: len(rows)], float)
    assume(counted.any())
    for metric, labels, outputs in each(kind, rows):
        agree(metric, metric(labels, outputs, counted), metric(labels, outputs, counted * 2.0**factor))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(rows=ROWS, random=st.randoms(use_true_random=False), weights=WEIGHTS)
def test_the_order_of_samples_does_not_matter(kind, rows, random, weights):
    counted = np.array(weights[: len(rows)], float) + 1
    order = np.array(random.sample(range(len(rows)), len(rows)))
    for metric, labels, outputs in each(kind, rows):
        agree(metric, metric(labels, outputs, counted), metric(labels[order], outputs[order], counted[order]))


def test_a_weighted_mean_divides_by_the_sum_of_weights():
    assert names.get("mae")([0.0, 0.0], [1.0, 5.0], [3, 1]) == 2.0


def mine(y_true, y_pred, sample_weight):
    return float(np.average(y_pred.reshape(len(y_true), -1)[:, 0], weights=sample_weight))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], "weights must be one for each of the 3 samples, got 2"),
        ([1, 2, math.nan], r"weights must be finite, got nan in row 2 \(counted from 0\)"),
        ([1, -2, 1], r"weights must be at least 0, got -2.0 in row 1 \(counted from 0\)"),
        ([0, 0, 0], "weights must not all be 0, got 3 of 0"),
        ([[1], [2], [3]], r"weights must have the shape \(samples,\), got \(3, 1\)"),
        (["a", "b", "c"], "weights must be numbers, got <U1"),
    ],
)
def test_weights_that_are_none_are_refused_by_rule_and_value(kind, weights, message):
    labels, outputs = data(kind, [(0, 1, 2, 3), (1, 2, 3, 4), (1, 5, 1, 2)])
    for metric in (*names.standard(kind), own.of(mine, maximize=True)):
        with pytest.raises(DataError, match=f"^{metric.name}: {message}"):
            metric(labels, outputs, weights)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_that_are_not_finite_are_refused_by_name_even_at_weight_zero(kind):
    for metric, labels, outputs in each(kind, [(0, 1, 2, 3), (1, 2, 3, 4), (1, 5, 1, 2)]):
        outputs = outputs.copy()
        outputs[1] = math.nan
        for weights in (None, [1, 0, 1]):
            with pytest.raises(DataError, match=rf"^{metric.name}: outputs must be finite, got nan in row 1 "):
                metric(labels, outputs, weights)
