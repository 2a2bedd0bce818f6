"""The sets with the best mean against every choice there is, in exact fractions."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deeptrain.calibration import set_means
from deeptrain.calibration.chosen_sets import Subset
from deeptrain.calibration.set_rules import Rules
from deeptrain.errors import DataError

VALUE = st.floats(-1e6, 1e6, allow_nan=False, width=32)
ROWS = st.lists(st.tuples(VALUE, st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=20)


@settings(deadline=None)
@given(ROWS, st.integers(1, 5), st.booleans(), st.booleans())
def test_no_sets_have_a_better_mean(rows, size, maximize, grouped):
    values, sets, weights = (np.array(column) for column in zip(*rows, strict=True))
    numbers = [number for number in np.unique(sets).tolist() if weights[sets == number].sum() > 0]
    groups = {number: str(number // 2) for number in range(6)} if grouped else None
    every = [
        one
        for one in itertools.combinations(numbers, size)
        if groups is None or len({groups[number] for number in one}) == size
    ]
    assume(every)
    found = set_means.best(values, sets, size, "loss", weights=weights, maximize=maximize, rules=Rules(groups=groups))
    told = {one.number: (Fraction(one.numerator), Fraction(one.denominator)) for one in found.per_set}
    exact = {one: sum(told[n][0] for n in one) / sum(told[n][1] for n in one) for one in every}
    assert exact[found.sets] == (max if maximize else min)(exact.values())
    assert found.value == pytest.approx(float(exact[found.sets]), rel=1e-9, abs=1e-9)
    assert (found.certified, found.threshold, found.joint) == (True, None, False)
    assert Subset.from_plain(found.plain()).plain() == found.plain()


@settings(deadline=None)
@given(ROWS)
def test_the_mean_gets_no_better_with_more_sets(rows):
    values, sets, _ = (np.array(column) for column in zip(*rows, strict=True))
    found = set_means.every_size(values, sets, "loss")
    assert [len(one.sets) for one in found] == list(range(1, len(np.unique(sets)) + 1))
    for one in found:
        assert set_means.best(values, sets, len(one.sets), "loss").sets == one.sets
    assert (np.diff([one.value for one in found]) <= 1e-9 * max(1, np.abs(values).max())).all()


def test_the_accuracy_of_several_classes_is_such_a_mean():
    outputs = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.4, 0.4, 0.2], [0.3, 0.1, 0.6]])
    right = set_means.correct([0, 1, 2, 1, 2], outputs)
    assert right.tolist() == [True, True, True, False, True]
    found = set_means.best(right, [1, 1, 2, 2, 3], 2, "accuracy")
    assert (found.sets, found.value, found.all_sets) == ((1, 3), 1.0, 0.8)
    assert found.proof == (
        "accuracy is 3.0 / 3.0 over the chosen sets; the 2 greatest of numerator x 3.0 - denominator x 3.0 over the 3 "
        "candidates sum to at most 0, so no choice is better."
    )


def test_without_weights_the_best_of_a_history_are_the_first_by_value():
    # What DeepTrain 0.6.0 (2020, MIT) did in find_best_subset_from_history: the n best of the recorded values.
    values = np.array([0.4, 0.9, 0.1, 0.7, 0.3])
    assert set_means.best(values, [3, 5, 7, 8, 9], 2, "f1_score").sets == (5, 8)
    assert set_means.best(values, [3, 5, 7, 8, 9], 2, "loss", maximize=False).sets == (7, 9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": [0.1, math.nan, 0.3]}, r"loss must be finite, got nan in row 1 "),
        ({"values": [[0.1], [0.2], [0.3]]}, r"loss must have the shape \(rows,\), got \(3, 1\)"),
        ({"sets": [1, 2]}, r"labels and sets must be equally many, got 3 and 2"),
        ({"weights": [1, 2]}, r"weights must be one for each of the 3 samples, got 2"),
        ({"size": 3}, r"the best 3 of 2 sets cannot be chosen: the size must be between 1 and 2; "),
        ({"weights": [1, 1, 0], "size": 2}, r"the best 2 of 2 sets cannot be chosen \(1 has no samples\): the size"),
        ({"rules": Rules(min_positives=1)}, r"min_positives needs binary labels, got loss of each row"),
    ],
)
def test_bad_input_is_told_with_counts(change, message):
    good = {"values": [0.1, 0.2, 0.3], "sets": [1, 1, 2], "size": 1, "metric": "loss"}
    assert set_means.best(**good).sets == (2,)
    with pytest.raises(DataError, match=f"^{message}"):
        set_means.best(**(good | change))
