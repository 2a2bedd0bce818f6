"""Offsets of several classes: never worse than none where they are chosen, exact on a line, honest beside."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.calibration import class_offsets
from deeptrain.errors import DataError, SettingsError
from deeptrain.metrics import class_counts, names

METRICS = ["accuracy", "f1_score_macro", "f1_score_weighted", "f1_score_micro", "balanced_accuracy", "mcc", "kappa"]


@st.composite
def small(draw, least=2, most=3):
    """Few samples of few classes, with ties, zeros and classes without samples."""
    samples, classes = draw(st.integers(2, 7)), draw(st.integers(least, most))
    cells = draw(st.lists(st.integers(0, 4), min_size=samples * classes, max_size=samples * classes))
    weights = np.array(cells, np.float64).reshape(samples, classes)
    weights[weights.sum(axis=1) == 0] = 1
    labels = np.array(draw(st.lists(st.integers(0, classes - 1), min_size=samples, max_size=samples)))
    labels[:2] = [0, 1]
    return labels, weights / weights.sum(axis=1, keepdims=True)


def drawn(samples=600, seed=1):
    generator = np.random.Generator(np.random.Philox(seed))
    labels = generator.choice(3, samples, p=[0.8, 0.12, 0.08])
    logits = generator.normal(size=(samples, 3)) + np.array([2.5, 0, 0])
    logits[np.arange(samples), labels] += 1.5
    weights = np.exp(logits)
    return labels, weights / weights.sum(axis=1, keepdims=True)


def said(probabilities, offsets):
    return class_offsets.weighed(probabilities, offsets).argmax(axis=1)


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=15, deadline=None)
@given(data=small())
def test_offsets_are_never_worse_than_none_where_they_are_chosen(data, metric):
    labels, probabilities = data
    found = class_offsets.choose(labels, probabilities, metric)
    key = names.get(metric)
    assert found.value_without == pytest.approx(key(labels, probabilities), nan_ok=True)
    assert found.in_sample == pytest.approx(
        key(labels, class_offsets.weighed(probabilities, found.offsets)), nan_ok=True
    )
    assert not found.in_sample < found.value_without
    assert all(math.isfinite(offset) for offset in found.offsets)


@pytest.mark.parametrize("metric", ["f1_score_macro", "balanced_accuracy", "accuracy"])
@settings(max_examples=25, deadline=None)
@given(data=small(2, 2))
def test_of_two_classes_no_offset_is_better(data, metric):
    labels, probabilities = data
    found = class_offsets.choose(labels, probabilities, metric)
    with np.errstate(divide="ignore"):
        margins = np.log(probabilities[:, 0]) - np.log(probabilities[:, 1])
    finite = sorted({0.0, *margins[np.isfinite(margins)].tolist()})
    places = [finite[0] - 1, finite[-1] + 1, *((a + b) / 2 for a, b in itertools.pairwise(finite)), 0.0]
    key = names.get(metric)
    best = max(key(labels, class_offsets.weighed(probabilities, [0, place])) for place in places)
    assert found.in_sample == pytest.approx(best, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(data=small(3, 3), metric=st.sampled_from(["f1_score_macro", "accuracy"]))
def test_no_single_offset_can_be_moved_for_the_better(data, metric):
    labels, probabilities = data
    found = class_offsets.choose(labels, probabilities, metric)
    key = names.get(metric)
    for number in np.unique(labels):
        for step in np.linspace(-6, 6, 61):
            moved = np.array(found.offsets)
            moved[number] += step
            # Where probabilities meet exactly a decision hangs on rounding.
            weighed = class_offsets.weighed(probabilities, moved)
            others = np.sort(weighed, axis=1)
            if np.any(others[:, -1] - others[:, -2] < 1e-9 * others[:, -1]):
                continue
            assert key(labels, weighed) <= found.in_sample + 1e-12


@settings(max_examples=15, deadline=None)
@given(data=small(), seed=st.integers(0, 100))
def test_the_order_of_samples_changes_nothing(data, seed):
    labels, probabilities = data
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(labels))
    one = class_offsets.choose(labels, probabilities)
    assert class_offsets.choose(labels[order], probabilities[order]).plain() == one.plain()


def test_rare_classes_are_found_and_the_gain_holds_on_other_samples():
    labels, probabilities = drawn()
    found = class_offsets.choose(labels, probabilities, called=("a", "b", "c"))
    assert found.value_without + 0.05 < found.cross_fitted < found.in_sample
    assert found.gain.low > 0
    assert found.gain.value == pytest.approx(found.cross_fitted - found.value_without)
    assert min(abs(offset) for offset in found.offsets) == 0
    assert found.of_class == tuple(np.bincount(labels))
    assert found.warnings == ()
    assert class_offsets.ClassOffsets.from_plain(found.plain()) == found
    fresh, theirs = drawn(20_000, seed=2)
    key = names.get("f1_score_macro")
    assert key(fresh, class_offsets.weighed(theirs, found.offsets)) > key(fresh, theirs) + 0.05


def test_offsets_that_learned_noise_are_told():
    generator = np.random.Generator(np.random.Philox(4))
    labels = generator.integers(0, 4, 60)
    found = class_offsets.choose(labels, generator.dirichlet(np.ones(4), 60), called=("a", "b", "c", "d"))
    assert found.in_sample > found.value_without
    assert found.warnings[0].startswith("Fewer than 30 of the 60 samples are of a (")
    assert "over-fit: in sample they gain" in found.warnings[1] or "is within noise" in found.warnings[1]


def test_a_class_without_samples_keeps_its_offset():
    labels, probabilities = drawn()
    padded = np.column_stack([probabilities * 0.9, np.full(len(labels), 0.1)])
    found = class_offsets.choose(labels, padded)
    assert found.offsets[3] == 0
    assert found.warnings == ("None of the 600 samples is of 3: an offset without samples stays as it is.",)


def test_bad_input_is_told_with_counts():
    labels, probabilities = drawn(6)
    with pytest.raises(DataError, match=r"^labels must be class numbers from 0 to 2, got 3 in row 0 "):
        class_offsets.choose(labels * 0 + 3, probabilities)
    with pytest.raises(DataError, match=r"^labels and outputs must be equally many, got 5 and 6$"):
        class_offsets.choose(labels[:5], probabilities)
    with pytest.raises(DataError, match=r"^probabilities of a sample must sum to 1, got 3"):
        class_offsets.choose(labels, probabilities * 0 + 1)
    with pytest.raises(DataError, match=r"^outputs must be finite, got nan in row 0 "):
        class_offsets.choose(labels, probabilities * np.nan)
    with pytest.raises(DataError, match=r"^cannot calibrate: 1 of 3 classes among 6 samples; two are needed$"):
        class_offsets.choose(labels * 0, probabilities)
    with pytest.raises(DataError, match=r"^names of classes must be one for each of 3 columns of probab.*, got 2$"):
        class_offsets.choose([0, 1, 2, 0, 1, 2], probabilities, called=("a", "b"))
    with pytest.raises(SettingsError, match=r"^metric f1 is of two classes; for more say f1_score_macro or "):
        class_offsets.choose(labels, probabilities, "f1")
    with pytest.raises(SettingsError, match=r"^metric log_loss is not of decisions for one of several classes; those"):
        class_offsets.choose(labels, probabilities, "log_loss")


@pytest.mark.parametrize("name", [one.name for one in names.known() if class_counts.applies(one)])
def test_metrics_of_class_counts_are_those_of_whole_arrays(name):
    generator = np.random.Generator(np.random.Philox(5))
    for classes in (2, 3, 5):
        labels, decided = generator.integers(0, classes, (2, 30))
        key = class_counts.metric(name)
        arguments = {"beta": 2.0} if key.computation == "f_beta" else {}
        key = names.with_arguments(key, arguments)
        value = class_counts.at(key, class_counts.counted(labels, decided, classes))
        assert float(value) == pytest.approx(key(labels, np.eye(classes)[decided]))


@pytest.mark.parametrize("metric", ["f1_score_macro", "balanced_accuracy", "accuracy"])
def test_a_sample_of_weight_two_counts_as_two_and_one_of_weight_zero_as_none(metric):
    generator = np.random.Generator(np.random.Philox(31))
    labels = generator.choice(3, 120, p=[0.7, 0.2, 0.1])
    logits = generator.normal(size=(120, 3)) + 1.5 * np.eye(3)[labels] + [1.5, 0, 0]
    probabilities = softmax(logits)
    weights = generator.integers(0, 4, 120)
    each = np.repeat(np.arange(120), weights)
    found = class_offsets.choose(labels, probabilities, metric, weights=weights)
    repeated = class_offsets.choose(labels[each], probabilities[each], metric)
    assert found.in_sample == pytest.approx(repeated.in_sample, abs=1e-12)
    assert found.offsets == pytest.approx(repeated.offsets)
    assert found.samples == np.count_nonzero(weights)
    alike = class_offsets.choose(labels, probabilities, metric, weights=np.full(120, 2.5))
    assert alike == class_offsets.choose(labels, probabilities, metric)
    order = generator.permutation(120)
    again = class_offsets.choose(labels[order], probabilities[order], metric, weights=weights[order])
    assert again == found


def softmax(logits):
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=1, keepdims=True)
