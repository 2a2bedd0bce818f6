"""Ensembles against every choice there is, against grids of weights, and what is said of bad input."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deeptrain.calibration import convex_weights, every_subset, greedy_selection, members, same_samples
from deeptrain.calibration.members import Members
from deeptrain.errors import ArtifactError, DataError, SettingsError
from deeptrain.metrics import names

KINDS = {
    "binary": ["log_loss", "brier", "f1_score", "roc_auc"],
    "classes": ["log_loss", "accuracy", "mcc"],
    "values": ["mean_squared_error", "mean_absolute_error"],
}
SEEDS = st.integers(0, 10_000)


def drawn(kind, seed, count, samples=40):
    """Labels and the predictions of members that know something, and err in part alike."""
    rng = np.random.Generator(np.random.Philox(seed))
    shared = rng.normal(size=samples)
    noise = [0.5 * shared + rng.normal(size=samples) * rng.uniform(0.3, 2) for _ in range(count)]
    if kind == "binary":
        truth = np.arange(samples) % 3 == 0
        given = [1 / (1 + np.exp(-(2 * truth - 1 + one))) for one in noise]
        return truth.astype(int), {f"m{n}": one.round(2) for n, one in enumerate(given)}  # rounded: with ties
    if kind == "values":
        truth = rng.normal(size=samples)
        return truth, {f"m{n}": truth + one for n, one in enumerate(noise)}
    truth = np.arange(samples) % 3
    given = {}
    for n, one in enumerate(noise):
        logits = rng.normal(size=(samples, 3)) + 2 * (truth[:, None] == np.arange(3)) * (one[:, None] > -1)
        given[f"m{n}"] = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return truth, given


def value_of(kind, metric, labels, predictions, weights):
    given = dict(zip(predictions, weights, strict=True))
    return names.get(metric)(labels, members.combine(predictions, given, kind))


def better(metric, one, other):
    """By how much a value is better than another."""
    return one - other if names.get(metric).maximize else other - one


def every_metric():
    return [(kind, metric) for kind, metrics in KINDS.items() for metric in metrics]


@pytest.mark.parametrize(("kind", "metric"), every_metric())
@given(seed=SEEDS, count=st.integers(2, 4))
@settings(max_examples=8)
def test_exact_is_the_best_of_every_subset(kind, metric, seed, count):
    labels, predictions = drawn(kind, seed, count)
    found = members.choose(labels, predictions, kind, "exact", metric, folds=2)
    chosen = [set(one) for size in range(1, count + 1) for one in itertools.combinations(predictions, size)]
    values = [
        value_of(kind, metric, labels, predictions, [(name in one) / len(one) for name in predictions])
        for one in chosen
    ]
    best = max(values, key=lambda value: better(metric, value, 0.0))
    assert found.value == pytest.approx(best, abs=1e-12)
    assert found.certified
    first = next(one for one, value in zip(chosen, values, strict=True) if abs(value - best) < 1e-12)
    assert len(found.weights) <= len(first)


def test_of_equal_subsets_the_smaller_wins_and_then_the_first():
    assert every_subset.choose(lambda _: 0.0, 3).tolist() == [1, 0, 0]
    assert every_subset.choose(lambda weights: float(weights[0] == 0), 3).tolist() == [0, 1, 0]
    assert every_subset.choose(lambda weights: float((weights > 0).sum() >= 2), 3).tolist() == [0.5, 0.5, 0]


@pytest.mark.parametrize(("kind", "metric"), every_metric())
@given(seed=SEEDS, count=st.integers(2, 5))
@settings(max_examples=8)
def test_greedy_is_never_worse_than_its_best_member(kind, metric, seed, count):
    labels, predictions = drawn(kind, seed, count)
    found = members.choose(labels, predictions, kind, "greedy", metric, rounds=6, folds=2)
    for member in found.members:
        assert better(metric, found.value, member.value) >= 0
        assert member.value == pytest.approx(names.get(metric)(labels, predictions[member.name]))
    assert len(found.path) == 6
    assert found.path[0] == found.best.value
    assert math.isclose(sum(found.weights.values()), 1)


def test_greedy_takes_a_member_again_and_prefers_fewer_members_then_the_first():
    # The best weights are 3/4 and 1/4: the first member is taken three times.
    taken = greedy_selection.choose(lambda weights: -abs(weights[0] - 0.75), 2, 8)
    assert taken.weights.tolist() == [0.75, 0.25]
    assert len(taken.path) == 8
    # What comes after the best is not taken: a third addition could only leave one half.
    taken = greedy_selection.choose(lambda weights: -abs(weights[0] - 0.5), 2, 3)
    assert taken.weights.tolist() == [0.5, 0.5]
    assert taken.path[2] < taken.path[1]
    assert greedy_selection.choose(lambda _: 0.0, 3, 5).weights.tolist() == [1, 0, 0]
    only_last = greedy_selection.choose(lambda weights: float(weights[2] > 0), 3, 5)
    assert only_last.weights.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("kind", "metric"),
    [("binary", "log_loss"), ("binary", "brier"), ("classes", "log_loss"), ("values", "mean_squared_error")],
)
@given(seed=SEEDS, count=st.integers(2, 3))
@settings(max_examples=8)
def test_no_weights_of_a_fine_grid_are_better_than_the_convex_ones_by_more_than_their_gap(kind, metric, seed, count):
    labels, predictions = drawn(kind, seed, count)
    found = members.choose(labels, predictions, kind, "convex", metric, folds=2)
    assert found.certified
    assert 0 <= found.gap <= 1e-9
    steps = 200 if count == 2 else 40
    grid = [one for one in itertools.product(range(steps + 1), repeat=count) if sum(one) == steps]
    values = [value_of(kind, metric, labels, predictions, np.array(one) / steps) for one in grid]
    assert found.value <= min(values) + found.gap + 1e-12
    # The gap is no empty promise: the grid's best is near.
    assert min(values) - found.value < 0.01


@given(seed=SEEDS, count=st.integers(2, 8), method=st.sampled_from(["log_loss", "squared_error"]))
@settings(max_examples=25)
def test_convex_weights_reach_the_gap_also_where_members_are_alike_or_certain(seed, count, method):
    rng = np.random.Generator(np.random.Philox(seed))
    parts = rng.random((count, 60)) ** rng.integers(1, 30)
    parts[-1] = parts[0]  # alike
    parts[0, :3], parts[:, 5] = 0.0, 0.0  # certain, and wrong
    parts[1, 7:9] = 1.0
    solve = convex_weights.of_log_loss if method == "log_loss" else convex_weights.of_squared_error
    found = solve(parts)
    assert found.gap <= 1e-9
    assert found.weights.min() >= 0
    assert math.isclose(found.weights.sum(), 1)


def test_errors_that_cancel_leave_no_squared_error():
    found = convex_weights.of_squared_error(np.array([[1.0, -2.0], [-3.0, 6.0]]))
    np.testing.assert_allclose(found.weights, [0.75, 0.25])
    perfect = convex_weights.of_squared_error(np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert perfect.weights.tolist() == [1, 0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["greedy", "convex", "exact"])
def test_the_order_of_the_samples_changes_nothing_to_the_last_bit(kind, method):
    labels, predictions = drawn(kind, 7, 4)
    found = members.choose(labels, predictions, kind, method, rounds=8)
    for seed in range(5):
        order = np.random.Generator(np.random.Philox(seed)).permutation(len(labels))
        shuffled = {name: one[order] for name, one in predictions.items()}
        assert members.choose(labels[order], shuffled, kind, method, rounds=8) == found


def test_the_cross_fitted_value_is_that_of_members_chosen_without_the_samples():
    rng = np.random.Generator(np.random.Philox(1))
    labels = rng.random(60) < 0.5
    predictions = {f"m{n}": rng.random(60) for n in range(10)}  # which know nothing
    found = members.choose(labels, predictions, "binary", "exact", "accuracy")
    assert found.value > 0.6
    assert found.cross_fitted < 0.55
    assert any("does not pay" in warning for warning in found.warnings)


def test_a_class_with_one_sample_cannot_be_cross_fitted():
    labels = np.array([1, 0, 0, 0])
    found = members.choose(labels, {"a": [0.9, 0.2, 0.1, 0.3], "b": [0.8, 0.3, 0.2, 0.1]}, "binary")
    assert math.isnan(found.cross_fitted)


def test_a_member_that_is_best_alone_is_told_as_such():
    labels = np.array([1, 0, 1, 0])
    found = members.choose(labels, {"good": [0.9, 0.1, 0.9, 0.1], "bad": [0.1, 0.9, 0.1, 0.9]}, "binary", "convex")
    assert found.weights == {"good": 1.0}
    assert found.warnings == ("The ensemble is good alone: no other member helps it.",)


@given(seed=SEEDS, kind=st.sampled_from(sorted(KINDS)))
@settings(max_examples=15)
def test_the_error_of_the_ensemble_is_that_of_its_members_less_their_ambiguity(seed, kind):
    labels, predictions = drawn(kind, seed, 3)
    found = members.choose(labels, predictions, kind, "convex", folds=2).diversity
    assert found.error == pytest.approx(found.mean_error - found.ambiguity)
    assert found.ambiguity >= 0


def test_diversity_of_four_samples_by_hand():
    labels = np.array([1, 1, 0, 0])
    given = {"a": [0.9, 0.4, 0.2, 0.1], "b": [0.8, 0.9, 0.7, 0.3]}  # a errs on the second, b on the third
    found = members.choose(labels, given, "binary", "exact", "brier").diversity
    assert found.disagreement == ((0.0, 0.5), (0.5, 0.0))
    # Both right twice, neither never: (2 * 0 - 1 * 1) / (2 * 0 + 1 * 1).
    assert found.q_statistic == ((1.0, -1.0), (-1.0, 1.0)) or found.q_statistic[0][1] == -1.0
    errors = np.array([[-0.1, -0.6, 0.2, 0.1], [-0.2, -0.1, 0.7, 0.3]])
    assert found.error_correlation[0][1] == pytest.approx(np.corrcoef(errors)[0, 1])


def test_a_constant_error_has_no_correlation_and_values_have_no_decisions():
    labels = np.array([1.0, 2.0, 3.0])
    found = members.choose(labels, {"off": labels + 1, "b": [1.0, 2.5, 2.0]}, "values", "convex").diversity
    assert math.isnan(found.error_correlation[0][1])
    assert found.disagreement is None
    assert found.q_statistic is None


def test_a_result_comes_back_from_its_plain_values():
    labels, predictions = drawn("classes", 3, 3)
    found = members.choose(labels, predictions, "classes", "convex")
    again = Members.from_plain(found.plain())
    assert again.members == found.members
    assert again.diversity.error_correlation == found.diversity.error_correlation
    with pytest.raises(ArtifactError, match="weights must be at least 0 and 1 in sum, of at least 2 members"):
        Members.from_plain({**found.plain(), "members": [{"name": "a", "weight": 1.0, "value": 0.5}]})


def test_ensembles_of_several_values_a_sample_are_sought_too():
    rng = np.random.Generator(np.random.Philox(2))
    labels = rng.normal(size=(30, 2))
    given = {name: labels + rng.normal(size=(30, 2)) for name in "abc"}
    found = members.choose(labels, given, "values", "convex")
    assert found.value < found.best.value
    assert members.combine(given, found.weights, "values").shape == (30, 2)


GOOD = [0.9, 0.2, 0.7, 0.4]
BAD = [
    ({"a": GOOD}, {}, DataError, r"an ensemble needs at least 2 members, got 1 \(a\)"),
    ({"a": GOOD, "b": GOOD[:3]}, {}, DataError, "member 'b': labels and predictions must be equally many, got 4 and 3"),
    (
        {"a": GOOD, "b": [0.9, math.nan, 0.7, 0.4]},
        {},
        DataError,
        r"member 'b': predictions must be finite, got nan in row 1 \(counted from 0\)",
    ),
    (
        {"a": GOOD, "b": [3.0, 1, -2, 0]},
        {},
        DataError,
        r"member 'b': predictions must lie in \[0, 1\], got 3.0 in row 0",
    ),
    ({"a": GOOD, "b": GOOD}, {"metric": "f1_scor"}, SettingsError, "unknown metric 'f1_scor'; did you mean f1_score"),
    ({"a": GOOD, "b": GOOD}, {"metric": "mae"}, SettingsError, "metric mean_absolute_error does not fit binary; those"),
    (
        {"a": GOOD, "b": GOOD},
        {"method": "convex", "metric": "f1_score"},
        SettingsError,
        "convex weights are found for log_loss, brier, mean_squared_error, got f1_score; choose greedily",
    ),
    (
        {str(n): GOOD for n in range(13)},
        {"method": "exact"},
        SettingsError,
        "every subset is looked at of 12 members at most, got 13; choose greedily",
    ),
]


@pytest.mark.parametrize(("predictions", "options", "error", "message"), BAD)
def test_bad_input_is_told_by_the_members_name_and_counts(predictions, options, error, message):
    with pytest.raises(error, match=message):
        members.choose([1, 0, 1, 0], predictions, "binary", **options)


def test_members_of_other_classes_are_told_with_both_shapes():
    two, three = np.full((4, 2), 0.5), np.full((4, 3), 1 / 3)
    with pytest.raises(DataError, match=r"members must predict in one shape: 'a' has \(4, 2\), 'b' has \(4, 3\)"):
        members.choose([1, 0, 1, 0], {"a": two, "b": three}, "classes")
    with pytest.raises(DataError, match=r"member 'b': outputs of a sample must sum to 1, got 3.0 in row 0"):
        members.choose([1, 0, 1, 0], {"a": two, "b": np.ones((4, 3))}, "classes")


def test_a_metric_that_is_undefined_for_every_member_is_an_error():
    with pytest.raises(DataError, match="roc_auc is undefined for every member on these 4 samples"):
        members.choose([1, 1, 1, 1], {"a": GOOD, "b": GOOD}, "binary", metric="roc_auc")


def test_other_samples_are_told_by_what_differs():
    labels, sets = np.array([1, 0, 1]), np.array([1, 1, 2])
    same_samples.check("wide", labels, sets, labels.copy(), sets.copy(), "calibration")
    rule = "member 'wide' must have the same samples in its calibration split: "
    with pytest.raises(DataError, match=f"{rule}it has 2 labels, this run 3"):
        same_samples.check("wide", labels[:2], sets[:2], labels, sets, "calibration")
    with pytest.raises(DataError, match=rf"{rule}its set numbers differ in 1 of 3 samples, first in row 2 .*, 3 there"):
        same_samples.check("wide", labels, np.array([1, 1, 3]), labels, sets, "calibration")
    with pytest.raises(DataError, match=rf"{rule}its labels differ in 2 of 3 samples, first in row 0"):
        same_samples.check("wide", np.array([0, 1, 1]), sets, labels, sets, "calibration")
    with pytest.raises(DataError, match=rf"{rule}its labels have the shape \(3, 1\)"):
        same_samples.check("wide", labels[:, None], sets, labels, sets, "calibration")


@given(seed=SEEDS)
@settings(max_examples=10)
def test_what_is_combined_lies_between_the_members(seed):
    labels, predictions = drawn("binary", seed, 3)
    assume(len(labels))
    combined = members.combine(predictions, {"m0": 1 / 3, "m1": 1 / 3, "m2": 1 / 3}, "binary")
    stacked = np.stack(list(predictions.values()))
    assert (combined <= stacked.max(axis=0) + 1e-15).all()
    assert (combined >= stacked.min(axis=0) - 1e-15).all()
    with pytest.raises(DataError, match="member 'm9': no predictions; there are those of m0, m1, m2"):
        members.combine(predictions, {"m9": 1.0}, "binary")


@pytest.mark.parametrize(
    ("method", "metric"),
    [("greedy", "log_loss"), ("exact", "f1_score"), ("convex", "log_loss"), ("convex", "brier")],
)
def test_a_sample_of_weight_two_counts_as_two_and_one_of_weight_zero_as_none(method, metric):
    generator = np.random.Generator(np.random.Philox(41))
    labels = generator.random(150) < 0.4
    predictions = {
        name: 1 / (1 + np.exp(1 - 2 * labels - noise * generator.normal(size=150)))
        for name, noise in (("one", 1.0), ("other", 1.5), ("third", 2.0))
    }
    weights = generator.integers(0, 4, 150)
    each = np.repeat(np.arange(150), weights)
    found = members.choose(labels, predictions, "binary", method, metric, weights=weights)
    repeated = members.choose(
        labels[each], {name: one[each] for name, one in predictions.items()}, "binary", method, metric
    )
    assert found.value == pytest.approx(repeated.value, abs=1e-9)
    assert found.weights == pytest.approx(repeated.weights, abs=1e-4)
    assert [one.value for one in found.members] == pytest.approx([one.value for one in repeated.members])
    alike = members.choose(labels, predictions, "binary", method, metric, weights=np.full(150, 2.5))
    assert alike.plain() == members.choose(labels, predictions, "binary", method, metric).plain()
    order = generator.permutation(150)
    shuffled = {name: one[order] for name, one in predictions.items()}
    again = members.choose(labels[order], shuffled, "binary", method, metric, weights=weights[order])
    assert again.plain() == found.plain()
