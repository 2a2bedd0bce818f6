"""The best sets of a run, by its settings."""

from types import SimpleNamespace

import numpy as np
import pytest

from deeptrain.calibration import run_subset, set_means, subset
from deeptrain.calibration.set_rules import Rules
from deeptrain.calibration.settings import CalibrationSettings
from deeptrain.calibration.subset_settings import SubsetSettings
from deeptrain.errors import DataError

FILES = {number: f"{number // 3}.csv" for number in range(60)}
SPLIT = SimpleNamespace(raw_of_sets=lambda: FILES)  # all that is asked of a split here


def binary(sets: int = 60):
    generator = np.random.Generator(np.random.Philox(2))
    labels = generator.random(sets * 10) < 0.4
    return labels, np.clip(labels * 0.3 + generator.random(sets * 10) * 0.7, 0, 1), np.repeat(np.arange(sets), 10)


def test_rules_are_those_of_the_settings():
    labels, scores, sets = binary()
    asked = CalibrationSettings(subset_size=4, subset=SubsetSettings(min_positives=3, most_per_file=1))
    found, sizes = run_subset.of_run(labels, scores, sets, "binary", asked, SPLIT)
    assert found == subset.best(labels, scores, sets, 4, rules=Rules(3, FILES, 1))
    assert len({FILES[number] for number in found.sets}) == 4
    assert len(sizes) <= run_subset.MOST_SIZES + 1
    assert next(one for one in sizes if len(one.sets) == 4).sets == found.sets
    assert len(sizes[-1].sets) == len({one.group for one in found.per_set if one.candidate})


def test_of_several_classes_the_accuracy_counts():
    generator = np.random.Generator(np.random.Philox(3))
    labels, outputs = generator.integers(3, size=60), generator.random((60, 3))
    sets = np.repeat(np.arange(6), 10)
    found, sizes = run_subset.of_run(labels, outputs, sets, "classes", CalibrationSettings(subset_size=2), SPLIT)
    assert found == set_means.best(outputs.argmax(axis=1) == labels, sets, 2, "accuracy")
    assert [len(one.sets) for one in sizes] == [1, 2, 3, 4, 5, 6]
    asked = CalibrationSettings(subset_size=2, subset=SubsetSettings(min_positives=1))
    with pytest.raises(DataError, match=r"^calibration.subset.min_positives needs binary labels, these are classes$"):
        run_subset.of_run(labels, outputs, sets, "classes", asked, SPLIT)


@pytest.mark.parametrize("kind", ["binary", "classes"])
def test_weights_of_the_data_count_and_equal_ones_change_nothing(kind):
    labels, scores, sets = binary(12)
    values = scores if kind == "binary" else np.column_stack([1 - scores, scores])
    asked, weights = CalibrationSettings(subset_size=3), np.random.Generator(np.random.Philox(4)).exponential(size=120)
    given = (labels.astype(np.int64), values, sets, kind, asked, SPLIT)
    plain, (found, sizes) = run_subset.of_run(*given), run_subset.of_run(*given, weights)
    assert run_subset.of_run(*given, np.full(120, 0.3)) == plain
    within = np.isin(sets, found.sets)
    if kind == "binary":
        assert found == subset.best(labels, scores, sets, 3, weights=weights)
    else:
        right = (scores > 0.5) == labels
        assert found.value == pytest.approx(np.average(right[within], weights=weights[within]))
    assert next(one for one in sizes if len(one.sets) == 3).sets == found.sets
    assert found.all_sets != plain[0].all_sets, "the test needs weights that matter"


class Samples(SimpleNamespace):
    """All that is asked of a split before anything is trained."""

    def __len__(self):
        return len(self.sets)


def test_sets_that_weigh_nothing_are_told_before_anything_is_trained():
    split = Samples(sets=np.array([1, 1, 2, 2, 3, 3]), weights=np.array([1, 1, 0, 0, 1, 0], np.float32))
    labels = np.array([0, 1, 0, 1, 0, 1])
    run_subset.check(labels, "binary", CalibrationSettings(subset_size=2), split)
    with pytest.raises(
        DataError, match=r"^the best 3 of 3 sets cannot be chosen \(1 has no samples\): the size must be"
    ):
        run_subset.check(labels, "binary", CalibrationSettings(subset_size=3), split)
    asked = CalibrationSettings(subset_size=2, subset=SubsetSettings(min_positives=1))
    with pytest.raises(
        DataError, match=r"\(1 has no samples and 1 has fewer than 1 positives\): the size must be betw"
    ):
        run_subset.check(labels, "binary", asked, split)


def test_what_is_not_asked_for_is_in_no_identity():
    assert "subset" not in CalibrationSettings(subset_size=2).relevant()
    asked = CalibrationSettings(subset_size=2, subset=SubsetSettings(most_per_file=2))
    assert asked.relevant()["subset"] == {"most_per_file": 2}
