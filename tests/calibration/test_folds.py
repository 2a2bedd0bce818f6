"""Which part of a cross-fitting each sample falls into."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.calibration import class_offsets, folds, label_thresholds, members, threshold
from deeptrain.errors import SettingsError


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(2, 6), st.integers(0, 5))
def test_every_fold_has_as_many_samples_and_as_many_of_each_class_as_any_other(classes, number, seed):
    labels = np.array(classes)
    found = folds.dealt(labels, number, seed)
    assert np.ptp(np.bincount(found, minlength=number)) <= 1
    for one in np.unique(labels):
        assert np.ptp(np.bincount(found[labels == one], minlength=number)) <= 1
    np.testing.assert_array_equal(folds.dealt(labels, number, seed), found)


def test_fewer_than_two_folds_are_refused_by_all_that_cross_fit():
    labels = np.arange(40) % 2
    scores = np.linspace(0.1, 0.9, 40)
    both, columns = np.stack([scores, 1 - scores], axis=1), np.stack([labels, labels], axis=1)
    for choose in (
        lambda: threshold.choose(labels, scores, folds=1),
        lambda: class_offsets.choose(labels, both, folds=1),
        lambda: label_thresholds.choose(columns, both, folds=1),
        lambda: members.choose(labels, {"a": scores, "b": 1 - scores}, "binary", folds=1),
    ):
        with pytest.raises(SettingsError, match=r"^folds must be at least 2, got 1$"):
            choose()
