"""The best sets against every choice there is."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deeptrain.calibration import optimum, ratio_search, subset, swap_search
from deeptrain.calibration.set_counts import SetCounts
from deeptrain.errors import ArtifactError, DataError, SettingsError
from deeptrain.metrics import counts, names

RATIOS = [metric.name for metric in names.of_counts() if metric.ratio]
OTHERS = [metric.name for metric in names.of_counts() if not metric.ratio]
SCORE = st.integers(0, 6).map(lambda sixth: sixth / 6)
SAMPLES = st.lists(st.tuples(st.booleans(), SCORE, st.integers(-3, 2)), min_size=2, max_size=24)


def columns(samples):
    labels, scores, sets = (np.array(column) for column in zip(*samples, strict=True))
    assume(labels.any() and not labels.all())
    return labels, scores, sets


def value_of(name, labels, scores, at):
    return float(counts.BY_NAME[name](*counts.counted(labels, scores > at)))


def better(name, one, other):
    """By how much a value is better than another."""
    return one - other if names.get(name).maximize else other - one


def every_choice(sets, size):
    return (np.isin(sets, chosen) for chosen in itertools.combinations(np.unique(sets), size))


def brute_force(name, labels, scores, sets, size, thresholds):
    """The best value over every choice of sets and every threshold; the worst there is if undefined for all."""
    best, worst = (max, -math.inf) if names.get(name).maximize else (min, math.inf)
    values = [
        value_of(name, labels[within], scores[within], at) for within in every_choice(sets, size) for at in thresholds
    ]
    return best((value for value in values if not math.isnan(value)), default=worst)


def check(found, name, labels, scores, sets, size):
    """What is true of any result, best or not."""
    assert len(found.sets) == len(set(found.sets)) == size
    within = np.isin(sets, found.sets)
    assert found.value == value_of(name, labels[within], scores[within], found.threshold)
    np.testing.assert_equal(found.all_sets, value_of(name, labels, scores, found.threshold))
    assert [one.number for one in found.per_set] == np.unique(sets).tolist()
    for one in found.per_set:
        members = sets == one.number
        assert (one.samples, one.positives) == (members.sum(), labels[members].sum())
        np.testing.assert_equal(one.value, value_of(name, labels[members], scores[members], found.threshold))


def check_threshold(found, name, labels, scores, sets):
    """A joint threshold is the one that `optimum.of` gives for the samples of the chosen sets."""
    within = np.isin(sets, found.sets)
    if 0 < labels[within].sum() < within.sum():
        alone = optimum.of(labels[within], scores[within], name)
        assert (found.threshold, found.value) == (alone.value, alone.in_sample)


EVERY_DECISION = [-0.5, *(sixth / 6 + 1 / 12 for sixth in range(6)), 1.5]


@settings(deadline=None)
@given(SAMPLES, st.sampled_from(RATIOS), st.integers(1, 6), st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0]))
def test_no_sets_are_better_at_a_given_threshold(samples, name, size, at):
    labels, scores, sets = columns(samples)
    assume(size <= len(np.unique(sets)))
    found = subset.best(labels, scores, sets, size, name, threshold=at)
    check(found, name, labels, scores, sets, size)
    assert found.certified
    assert found.threshold == at
    assert found.value == brute_force(name, labels, scores, sets, size, [at])


@settings(deadline=None)
@given(SAMPLES, st.sampled_from(RATIOS), st.integers(1, 6))
def test_no_sets_and_threshold_are_better_together(samples, name, size):
    labels, scores, sets = columns(samples)
    assume(size <= len(np.unique(sets)))
    found = subset.best(labels, scores, sets, size, name)
    check(found, name, labels, scores, sets, size)
    assert found.certified
    assert found.value == brute_force(name, labels, scores, sets, size, EVERY_DECISION)
    check_threshold(found, name, labels, scores, sets)


@settings(deadline=None, max_examples=50)
@given(SAMPLES, st.sampled_from(OTHERS), st.integers(1, 6), st.sampled_from([None, 0.25, 0.5]))
def test_what_swapping_finds_is_never_above_the_best_and_no_swap_is_better(samples, name, size, at):
    labels, scores, sets = columns(samples)
    assume(size <= len(np.unique(sets)))
    best = brute_force(name, labels, scores, sets, size, EVERY_DECISION if at is None else [at])
    if best == -math.inf:
        with pytest.raises(DataError, match=rf"^{name} is undefined for every {size} of the .* larger subset_size$"):
            subset.best(labels, scores, sets, size, name, threshold=at)
        return
    found = subset.best(labels, scores, sets, size, name, threshold=at)
    check(found, name, labels, scores, sets, size)
    assert found.certified == (size == len(np.unique(sets)))
    assert found.value <= best + 1e-12
    if at is None:
        check_threshold(found, name, labels, scores, sets)
    for out, into in itertools.product(found.sets, set(sets.tolist()) - set(found.sets)):
        within = np.isin(sets, [*(number for number in found.sets if number != out), into])
        assert not better(name, value_of(name, labels[within], scores[within], found.threshold), found.value) > 1e-12


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("at", [None, 0.5])
def test_swapping_finds_the_best_of_nine_sets_nearly_always(name, at):
    reached = 0
    for seed in range(6):
        generator = np.random.Generator(np.random.Philox(seed))
        sets = np.repeat(np.arange(9), 10)
        labels = generator.random(90) < 0.3
        scores = np.round(np.clip(0.3 + 0.25 * labels + generator.normal(size=90) * 0.2, 0, 1) * 6) / 6
        found = subset.best(labels, scores, sets, 4, name, threshold=at)
        best = brute_force(name, labels, scores, sets, 4, EVERY_DECISION if at is None else [at])
        reached += better(name, found.value, best) >= -1e-12
    assert reached >= 5


@settings(deadline=None, max_examples=50)
@given(SAMPLES, st.sampled_from(["f1_score", "mcc"]), st.randoms(use_true_random=False))
def test_the_order_of_samples_changes_nothing(samples, name, random):
    labels, scores, sets = columns(samples)
    order = random.sample(range(len(labels)), len(labels))
    assume(len(np.unique(sets)) >= 2)
    try:
        one = subset.best(labels, scores, sets, 2, name)
    except DataError:
        assume(False)
    assert one.plain() == subset.best(labels[order], scores[order], sets[order], 2, name).plain()


@settings(deadline=None)
@given(SAMPLES, st.sampled_from(RATIOS))
def test_all_sets_have_the_threshold_of_all_samples(samples, name):
    labels, scores, sets = columns(samples)
    found = subset.best(labels, scores, sets, len(np.unique(sets)), name)
    of_all = optimum.of(labels, scores, name)
    assert (found.threshold, found.value, found.all_sets) == (of_all.value, of_all.in_sample, of_all.in_sample)


def test_of_equally_good_sets_those_that_show_more_are_chosen():
    # Sets 1 and 2 have no mistake; set 3 has nothing to find, and so no mistake either; set 4 is wrong throughout.
    labels = [1, 1, 1, 1, 0, 0, 1, 0]
    scores = [0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.9]
    sets = [1, 1, 2, 2, 3, 3, 4, 4]
    assert subset.best(labels, scores, sets, 2, threshold=0.5).sets == (1, 2)


def test_the_subset_of_the_original_is_never_better():
    # Inputs and outputs of DeepTrain 0.6.0 (2020, MIT), find_best_subset with its greedy search.
    labels = [[0, 0, 1, 0, 1, 0, 0, 0], [0, 1, 0, 0, 1, 0, 1, 0], [1, 0, 1, 1, 0, 1, 0, 0]]
    labels += [[0, 0, 0, 1, 1, 0, 0, 1], [0, 0, 0, 0, 1, 0, 0, 1], [0, 0, 0, 1, 0, 0, 0, 0]]
    scores = [[0.142, 0.302, 0.675, 0.307, 0.798, 0.054, 0.163, 0.206]]
    scores += [[0.314, 0.389, 0.001, 0.284, 0.605, 0.299, 0.999, 0.001]]
    scores += [[0.891, 0.638, 0.694, 0.51, 0.469, 0.891, 0.52, 0.077]]
    scores += [[0.001, 0.156, 0.02, 0.999, 0.878, 0.001, 0.001, 0.999]]
    scores += [[0.293, 0.113, 0.2, 0.261, 0.864, 0.319, 0.235, 0.787]]
    scores += [[0.094, 0.634, 0.001, 0.743, 0.214, 0.001, 0.337, 0.001]]
    flat = np.ravel(labels), np.ravel(scores), np.repeat(np.arange(6), 8)
    assert subset.best(*flat, 3).value == 1  # sets 0, 1, 3 at .38
    assert subset.best(*flat, 3, threshold=0.5).value == 1  # sets 0, 3, 4
    assert subset.best(*flat, 6).value == pytest.approx(0.888888888888889)  # at .64
    # It raised IndexError for a set of one class.
    assert subset.best(*flat, 3, "binary_informedness").value == 1


def test_more_samples_than_64_bits_can_multiply_are_refused():
    huge = np.full((1, 3), 1 << 61)
    with pytest.raises(
        DataError, match=r"^the subset cannot be searched exactly: sums of 6,917,529,027,641,081,856 co"
    ):
        ratio_search.best(lambda points: (huge[points], huge[points]), np.arange(1), sets=3, size=2)


def test_large_counts_are_compared_exactly():
    # 1 - 1/d for neighbouring d: equal as floats, different as fractions.
    denominators = np.array([[1 << 29, (1 << 29) + 1, (1 << 29) + 2]])
    numerators = denominators - 1
    _, chosen = ratio_search.best(lambda points: (numerators[points], denominators[points]), np.arange(1), 3, 1)
    assert chosen.tolist() == [2]


def test_looking_block_by_block_changes_nothing(monkeypatch):
    generator = np.random.Generator(np.random.Philox(4))
    labels, scores = generator.random(600) < 0.3, generator.random(600)
    sets = generator.integers(12, size=600)
    whole = [subset.best(labels, scores, sets, 5, name).plain() for name in ("f1_score", "mcc")]
    for block in (1, 13, 500):
        monkeypatch.setattr(ratio_search, "BLOCK", block)
        monkeypatch.setattr(swap_search, "BLOCK", block)
        assert [subset.best(labels, scores, sets, 5, name).plain() for name in ("f1_score", "mcc")] == whole


@settings(deadline=None)
@given(SAMPLES, st.lists(st.floats(-1, 2), min_size=1, max_size=5))
def test_the_counts_of_sets_are_those_of_their_samples(samples, thresholds):
    labels, scores, sets = (np.array(column) for column in zip(*samples, strict=True))
    found = SetCounts.of(labels, scores, sets)
    tables = np.stack(found.at(np.array(thresholds)), axis=-1)
    for row, at in zip(tables, thresholds, strict=True):
        for one, number in zip(row, found.numbers, strict=True):
            members = sets == number
            assert tuple(one) == counts.counted(labels[members], scores[members] > at)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"size": 4},
            r"the best 4 of 3 sets cannot be chosen: subset_size must be between 1 and 3; lower calibration.",
        ),
        ({"size": 0}, r"the best 0 of 3 sets cannot be chosen: subset_size must be between 1 and 3"),
        ({"labels": [0] * 6}, r"cannot choose a subset: 0 positives among 6 samples; both classes are needed"),
        ({"sets": [1, 1, 2]}, r"labels and sets must be equally many, got 6 and 3"),
        ({"sets": [1.0, 1, 2, 2, 3, 3]}, r"sets must be numbers of an integer type, got float64"),
        ({"sets": [[1, 1, 2, 2, 3, 3]]}, r"sets must have the shape \(samples,\), got \(1, 6\)"),
        ({"scores": [0.1, 0.9, 0.1, 0.9, 7, 0.9]}, r"scores must lie in \[0, 1\], got 7.0 in row 4 "),
        ({"threshold": math.nan}, r"threshold must be finite, got nan"),
    ],
)
def test_bad_input_is_told_with_counts(change, message):
    good = {"labels": [0, 1, 0, 1, 0, 1], "scores": [0.1, 0.9] * 3, "sets": [1, 1, 2, 2, 3, 3], "size": 2}
    assert subset.best(**good).value == 1
    with pytest.raises(DataError, match=f"^{message}"):
        subset.best(**(good | change))


def test_a_metric_without_a_threshold_is_refused():
    with pytest.raises(SettingsError, match=r"^metric log_loss does not depend on a threshold"):
        subset.best([0, 1], [0.1, 0.9], [1, 2], 1, "log_loss")


@settings(deadline=None)
@given(SAMPLES)
def test_a_subset_comes_back_from_its_plain_values(samples):
    found = subset.best(*columns(samples), 1)
    assert subset.Subset.from_plain(found.plain()).plain() == found.plain()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sets": [2, 1]}, r"subset cannot be read back: sets must be distinct numbers, ascending, at least one, got "),
        ({"sets": []}, r"subset cannot be read back: sets must be distinct numbers, ascending, at least one, got \[\]"),
        ({"sets": [9]}, r"subset cannot be read back: sets must be among those of per_set, got 9; run its task again"),
        ({"threshold": "inf"}, r"subset cannot be read back: threshold must be finite, got inf"),
        ({"certified": 1}, r"subset cannot be read back: Expected bool, got int"),
    ],
)
def test_an_altered_file_is_refused(change, message):
    plain = subset.best([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8], [1, 1, 2, 2], 1).plain()
    with pytest.raises(ArtifactError, match=f"^{message}"):
        subset.Subset.from_plain(plain | change)
