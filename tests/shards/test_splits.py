import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.seeds import permutation, stable_order
from deeptrain.shards import splits


@st.composite
def cases(draw: st.DrawFn):
    samples = draw(st.integers(4, 200))
    cuts = sorted(draw(st.lists(st.integers(1, samples - 1), min_size=3, max_size=3)))
    sizes = [cuts[0], cuts[1] - cuts[0], cuts[2] - cuts[1], draw(st.integers(0, samples - cuts[2]))]
    wanted = dict(zip(("train", "val", "calibration", "test"), sizes, strict=True))
    classes = np.array(draw(st.lists(st.integers(0, 4), min_size=samples, max_size=samples)), np.int64)
    return wanted, samples, classes, draw(st.integers(0, 2**63))


@given(cases())
def test_splits_have_their_sizes_never_overlap_and_depend_on_nothing_else(case):
    wanted, samples, classes, seed = case
    for strata in (classes, None):
        found = splits.split(wanted, samples, seed, strata)
        assert {name: len(indices) for name, indices in found.items()} == {n: s for n, s in wanted.items() if s}
        together = np.concatenate(list(found.values()))
        assert len(set(together.tolist())) == len(together)
        assert set(together.tolist()) <= set(range(samples))
        again = splits.split(wanted, samples, seed, strata)
        assert all(np.array_equal(found[name], again[name]) for name in found)


@given(cases())
def test_each_split_has_each_class_in_proportion(case):
    wanted, samples, classes, seed = case
    for indices in splits.split(wanted, samples, seed, classes).values():
        counts = np.bincount(classes[indices], minlength=5)
        shares = len(indices) * np.bincount(classes, minlength=5) / samples
        assert (np.abs(counts - shares) < 1).all()


@given(cases(), st.integers(1, 20))
def test_a_group_never_straddles_splits(case, group_count):
    wanted, samples, classes, seed = case
    groups = np.arange(samples) % group_count
    try:
        found = splits.split(wanted, samples, seed, classes, groups)
    except DataError as error:
        assert "no group is left for it" in str(error)  # noqa: PT017  (one law with two outcomes)
        return
    owners = [set(groups[indices].tolist()) for indices in found.values()]
    assert sum(map(len, owners)) == len(set.union(*owners))
    assert all(np.array_equal(np.sort(indices), np.unique(indices)) for indices in found.values())


def test_many_small_groups_come_near_to_sizes_and_classes():
    groups = np.repeat(np.arange(200), 5)
    classes = (groups % 10 == 0).astype(np.int64)  # a tenth of the people is ill
    found = splits.split({"train": 600, "val": 200, "test": 200}, 1000, 3, classes, groups)
    assert {name: len(indices) for name, indices in found.items()} == {"train": 600, "val": 200, "test": 200}
    assert {name: int(classes[indices].sum()) for name, indices in found.items()} == {
        "train": 60,
        "val": 20,
        "test": 20,
    }


def test_another_seed_gives_another_split():
    seen = {seed: splits.split({"train": 50, "val": 50}, 100, seed)["train"] for seed in range(50)}
    assert len({tuple(sorted(indices.tolist())) for indices in seen.values()}) == 50
    assert all(np.array_equal(indices, np.sort(indices)) for indices in seen.values())


def test_every_sample_comes_into_train_about_equally_often():
    times = np.zeros(40, np.int64)
    for seed in range(1000):
        times[splits.split({"train": 20, "val": 20}, 40, seed, np.arange(40) % 2)["train"]] += 1
    assert (np.abs(times - 500) < 80).all()  # five standard deviations


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9), max_size=200))
def test_equal_numbers_keep_their_order(numbers):
    found = stable_order(np.array(numbers, np.uint64))
    assert found.tolist() == sorted(range(len(numbers)), key=numbers.__getitem__)


def test_the_permutation_of_a_purpose_is_for_ever():
    assert permutation(8, "splits", 0, 0).tolist() == [5, 4, 0, 7, 3, 6, 1, 2]
    assert sorted(permutation(1000, "a", 1).tolist()) == list(range(1000))
    assert permutation(0, "a").tolist() == []
    assert permutation(20, "a", 12).tolist() != permutation(20, "a", 1, 2).tolist()


@given(
    st.lists(st.integers(1, 9).map(lambda tenth: tenth / 10), min_size=1, max_size=4),
    st.integers(1, 500),
)
def test_fractions_together_take_the_whole_part_of_their_sum(fractions, samples):
    asked = dict(zip(("train", "val", "calibration", "test"), fractions, strict=False))
    tenths = sum(round(fraction * 10) for fraction in fractions)
    assume(tenths <= 10)
    try:
        found = splits.sizes(asked, samples)
    except DataError as error:
        assert "samples is none" in str(error)  # noqa: PT017  (one law with two outcomes)
        assert samples < 20
        return
    assert sum(found.values()) == tenths * samples // 10
    assert all(abs(found[name] - fraction * samples) < 1 for name, fraction in asked.items())


def test_numbers_and_fractions_mix():
    assert splits.sizes({"train": 0.5, "val": 10, "calibration": 0, "test": 0.25}, 100) == {
        "train": 50,
        "val": 10,
        "calibration": 0,
        "test": 25,
    }


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"train": 80, "val": 30}, r"splits: train 80 \+ val 30 = 110 samples are asked for, there are 100; make them"),
        ({"train": 0.5, "val": 51}, r"train 50 \+ val 51 = 101 samples are asked for, there are 100"),
        ({"train": 0.5, "val": 0.001}, r"splits\.val: 0\.001 of 100 samples is none; ask for a larger part"),
    ],
)
def test_sizes_that_cannot_be_are_refused_with_both_numbers(asked, message):
    with pytest.raises(DataError, match=message):
        splits.sizes(asked, 100)


def test_a_split_without_a_class_is_named():
    classes = np.array([0] * 97 + [1] * 3, np.int64)
    found = splits.split({"train": 70, "val": 10, "calibration": 10, "test": 10}, 100, 0, classes)
    with pytest.raises(
        DataError,
        match=r"splits\.\w+: none of its 10 samples has the label '8', of which there are 3 in all; give it more",
    ):
        splits.check_classes(found, classes, ("other", "8"))


def test_too_few_groups_are_refused():
    with pytest.raises(DataError, match=r"splits\.\w+: no group is left for it, there are 2; ask for fewer splits"):
        splits.split({"train": 4, "val": 3, "test": 3}, 10, 0, None, np.arange(10) % 2)
