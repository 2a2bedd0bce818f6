"""The best sets against every choice there is."""

import itertools
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deeptrain.calibration import joining, optimum, ratio_search, subset, subset_proof, swap_search
from deeptrain.calibration.chosen_sets import Subset
from deeptrain.calibration.room import Room
from deeptrain.calibration.set_counts import SetCounts
from deeptrain.calibration.set_rules import Rules
from deeptrain.errors import ArtifactError, DataError, SettingsError
from deeptrain.metrics import counts, names

RATIOS = [metric.name for metric in names.of_counts() if ratio_search.ratio_of(metric)]
OTHERS = [metric.name for metric in names.of_counts() if metric.name not in RATIOS]
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


def choices(numbers, size, groups=None, most=1):
    """Every choice of sets, (choices, size), of which at most `most` are of one group."""
    every = list(itertools.combinations(numbers, size))
    if groups is not None:
        every = [one for one in every if max(Counter(groups[number] for number in one).values()) <= most]
    return np.array(every, np.int64).reshape(-1, size)


def brute_force(name, labels, scores, sets, size, thresholds, every=None):
    """The best value over every choice of sets and every threshold, or `every` of some; None if undefined for all."""
    metric, numbers = names.get(name), np.unique(sets)
    every = choices(numbers, size) if every is None else every
    values = []
    for at in thresholds:
        tables = np.array([counts.counted(labels[sets == one], scores[sets == one] > at) for one in numbers])
        values.append(metric.at_counts(*tables[np.searchsorted(numbers, every)].sum(axis=1).T))
    values = np.concatenate(values)
    values = values[~np.isnan(values)]
    return None if not len(values) else float(values.max() if metric.maximize else values.min())


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


WEIGHTED = st.lists(
    st.tuples(st.booleans(), SCORE, st.integers(-2, 2), st.sampled_from([0.0, 0.1, 1 / 3, 1.0, 2.5])),
    min_size=2,
    max_size=16,
)


def weighted_brute_force(name, columns, size, thresholds):
    labels, scores, sets, weights = columns
    found = []
    for chosen, at in itertools.product(itertools.combinations(np.unique(sets).tolist(), size), thresholds):
        within = np.isin(sets, chosen)
        cells = counts.weighed(labels[within], scores[within] > at, weights[within])
        found.append(float(counts.BY_NAME[name](*cells)))
    found = [value for value in found if not math.isnan(value)]
    return (max if names.get(name).maximize else min)(found) if found else None


@settings(deadline=None, max_examples=60)
@given(WEIGHTED, st.sampled_from([*RATIOS, *OTHERS]), st.integers(1, 4), st.sampled_from([None, 0.25, 0.5]))
def test_no_sets_of_weighted_samples_are_better(samples, name, size, at):
    labels, scores, sets, weights = (np.array(column) for column in zip(*samples, strict=True))
    some = weights > 0
    assume(labels[some].any() and not labels[some].all() and size <= len(np.unique(sets[some])))
    thresholds = EVERY_DECISION if at is None else [at]
    best = weighted_brute_force(name, (labels[some], scores[some], sets[some], weights[some]), size, thresholds)
    assume(best is not None)
    given = (labels, scores, sets, size, name, at)
    found = subset.best(*given, weights=weights)
    if name in RATIOS:
        assert found.certified
        assert found.value == pytest.approx(best, abs=1e-12)
        if any(one.denominator for one in found.per_set if one.number in found.sets):
            assert subset_proof.holds(found, labels, scores, sets, name, weights)
    else:
        assert better(name, found.value, best) < 1e-12
    order = np.lexsort((scores, sets, weights * 7 % 3))
    shuffled = subset.best(labels[order], scores[order], sets[order], *given[3:], weights=weights[order])
    assert str(shuffled) == str(found)  # nan is not equal to itself


@settings(deadline=None, max_examples=40)
@given(SAMPLES, st.sampled_from(RATIOS), st.integers(1, 4), st.randoms(use_true_random=False))
def test_in_sets_too_a_sample_of_weight_two_counts_as_two(samples, name, size, random):
    labels, scores, sets = columns(samples)
    weights = np.array([random.randint(0, 3) for _ in labels])
    each = np.repeat(np.arange(len(labels)), weights)
    assume(labels[each].any() and not labels[each].all() and size <= len(np.unique(sets[each])))
    try:
        repeated = subset.best(labels[each], scores[each], sets[each], size, name)
    except DataError as error:
        assume("undefined" not in str(error))
        raise
    found = subset.best(labels, scores, sets, size, name, weights=weights)
    assert (found.value, found.certified) == (pytest.approx(repeated.value, abs=1e-12), True)


def test_the_proof_of_weighted_sets_says_what_rounding_leaves_and_fails_for_others():
    generator = np.random.Generator(np.random.Philox(12))
    labels, sets = generator.random(600) < 0.4, generator.integers(9, size=600)
    scores, weights = np.clip(0.25 * labels + 0.75 * generator.random(600), 0, 1), generator.exponential(size=600)
    found = subset.best(labels, scores, sets, 3, weights=weights)
    assert found.proof.endswith(
        "sum to at most 0, so no choice is better by more than a part of 1e-12, which rounding explains."
    )
    assert subset_proof.holds(found, labels, scores, sets, "f1_score", weights)
    other = replace(found, sets=tuple(sorted({*range(9)} - {*found.sets}))[:3])
    assert not subset_proof.holds(other, labels, scores, sets, "f1_score", weights)
    sizes = subset.every_size(labels, scores, sets, weights=weights)
    assert [len(one.sets) for one in sizes] == list(range(1, 10))
    assert sizes[2].sets == found.sets
    unlike = np.array([1e-20, 1, 1e20, 3])  # what a light set is worth is not lost beside a heavy one
    assert subset.best([0, 1, 1, 0], [0.1, 0.6, 0.3, 0.8], [1, 1, 2, 2], 1, weights=unlike).sets == (1,)
    with pytest.raises(DataError, match=r"^the subset cannot be searched: the weights are 2e\+300 in sum; scale them$"):
        subset.best([0, 1, 1, 0], [0.1, 0.6, 0.3, 0.8], [1, 1, 2, 2], 1, weights=[1e300, 1, 1e300, 1])
    alike = subset.best(labels, scores, sets, 3, weights=np.full(600, 0.3))
    assert alike == subset.best(labels, scores, sets, 3)


@settings(deadline=None, max_examples=50)
@given(SAMPLES, st.sampled_from(OTHERS), st.integers(1, 6), st.sampled_from([None, 0.25, 0.5]))
def test_what_swapping_finds_is_never_above_the_best_and_no_swap_is_better(samples, name, size, at):
    labels, scores, sets = columns(samples)
    assume(size <= len(np.unique(sets)))
    best = brute_force(name, labels, scores, sets, size, EVERY_DECISION if at is None else [at])
    if best is None:
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


@settings(deadline=None, max_examples=40)
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


def counted(positives, negatives):
    """Sets whose samples are all called positive, of any size."""
    none = (np.empty(0),) * len(positives)
    heads = np.array(positives), np.array(negatives)
    return SetCounts(np.arange(len(positives)), *heads, heads, none, none)


def test_more_samples_than_64_bits_can_multiply_are_refused():
    huge = counted([1 << 30] * 3, [0] * 3)
    with pytest.raises(DataError, match=r"^the subset cannot be searched exactly: squares of 3,221,225,472 counts do"):
        ratio_search.RatioSearch(huge, np.array([0.5]), names.get("precision").ratio)


def test_large_counts_are_compared_exactly():
    # 1 - 1/d for neighbouring d: equal as floats, different as fractions.
    sets = counted([(1 << 27) - 1, 1 << 27, (1 << 27) + 1], [1, 1, 1])
    search = ratio_search.RatioSearch(sets, np.array([0.5]), names.get("precision").ratio)
    assert search.best(Room(1)).sets.tolist() == [2]


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
            r"the best 4 of 3 sets cannot be chosen: the size must be between 1 and 3; lower calibration.subset_size",
        ),
        ({"size": 0}, r"the best 0 of 3 sets cannot be chosen: the size must be between 1 and 3"),
        ({"labels": [0] * 6}, r"cannot choose a subset: 0 positives among 6 samples; both classes are needed"),
        ({"sets": [1, 1, 2]}, r"labels and sets must be equally many, got 6 and 3"),
        ({"sets": [1.0, 1, 2, 2, 3, 3]}, r"sets must be numbers of an integer type, got float64"),
        ({"sets": [[1, 1, 2, 2, 3, 3]]}, r"sets must have the shape \(samples,\), got \(1, 6\)"),
        ({"scores": [0.1, 0.9, 0.1, 0.9, 7, 0.9]}, r"scores must lie in \[0, 1\], got 7.0 in row 4 "),
        ({"threshold": math.nan}, r"threshold must be finite, got nan"),
        ({"numbers": [1, 2]}, r"numbers must hold the set of every sample, got none of set 3"),
        ({"numbers": [1.0, 2, 3]}, r"numbers must be of an integer type, got float64"),
        (
            {"numbers": [1, 2, 3, 4, 5], "size": 4},
            r"the best 4 of 5 sets cannot be chosen \(2 have no samples\): the size must be between 1 and 3; lower",
        ),
        (
            {"rules": Rules(min_positives=2)},
            r"the best 2 of 3 sets cannot be chosen: none may be \(3 have fewer than 2 positives\)$",
        ),
        (
            {"rules": Rules(groups={1: "a", 2: "a", 3: "a"})},
            r"the best 2 of 3 sets cannot be chosen \(of 1 groups at most 1 each\): the size must be between 1 and 1; ",
        ),
        ({"rules": Rules(groups={1: "a", 2: "b"})}, r"groups must name the group of every set, got none of set 3"),
    ],
)
def test_bad_input_is_told_with_counts(change, message):
    good = {"labels": [0, 1, 0, 1, 0, 1], "scores": [0.1, 0.9] * 3, "sets": [1, 1, 2, 2, 3, 3], "size": 2}
    assert subset.best(**good).value == 1
    with pytest.raises(DataError, match=f"^{message}"):
        subset.best(**(good | change))


@pytest.mark.parametrize("name", RATIOS)
@pytest.mark.parametrize("joint", [True, False])
def test_of_fourteen_ragged_sets_every_choice_of_every_size_is_no_better(name, joint):
    generator = np.random.Generator(np.random.Philox(RATIOS.index(name)))
    sizes = generator.integers(0, 7, size=14)
    sets = np.repeat(np.arange(14), sizes)
    labels = generator.random(len(sets)) < 0.4
    scores = generator.integers(0, 7, size=len(sets)) / 6
    at = None if joint else 0.5
    found = subset.every_size(labels, scores, sets, name, at, numbers=np.arange(14))
    there = np.unique(sets)
    thresholds = EVERY_DECISION if joint else [0.5]
    assert [len(one.sets) for one in found] == list(range(1, len(there) + 1))
    for one in found:
        assert one.certified
        assert one.value == brute_force(name, labels, scores, sets, len(one.sets), thresholds)
        alone = subset.best(labels, scores, sets, len(one.sets), name, at, numbers=np.arange(14))
        assert (alone.sets, alone.threshold, alone.value) == (one.sets, one.threshold, one.value)
    worse = np.diff([one.value for one in found])
    assert (worse <= 0).all() if names.get(name).maximize else (worse >= 0).all()


@settings(deadline=None)
@given(SAMPLES, st.sampled_from([*RATIOS, "mcc"]), st.integers(1, 4), st.integers(1, 2), st.sampled_from([None, 0.5]))
def test_no_sets_of_different_groups_are_better(samples, name, size, most, at):
    labels, scores, sets = columns(samples)
    groups = {int(number): "odd" if number % 2 else "even" for number in np.unique(sets)}
    every = choices(np.unique(sets), size, groups, most)
    rules = Rules(groups=groups, most_per_group=most)
    if not len(every):
        with pytest.raises(DataError, match=rf"^the best {size} of {len(groups)} sets cannot be chosen"):
            subset.best(labels, scores, sets, size, name, at, rules=rules)
        return
    best = brute_force(name, labels, scores, sets, size, EVERY_DECISION if at is None else [at], every)
    assume(best is not None)
    try:
        found = subset.best(labels, scores, sets, size, name, at, rules=rules)
    except DataError:
        assert name == "mcc"  # a swap finds both classes only if one swap is enough
        return
    assert max(Counter(groups[number] for number in found.sets).values()) <= most
    assert found.value == best if found.certified else found.value <= best + 1e-12
    assert found.most_per_group == most


@settings(deadline=None, max_examples=40)
@given(SAMPLES, st.sampled_from(RATIOS), st.integers(1, 3), st.integers(1, 3))
def test_a_set_with_few_positives_is_not_chosen(samples, name, size, least):
    labels, scores, sets = columns(samples)
    enough = [number for number in np.unique(sets).tolist() if labels[sets == number].sum() >= least]
    assume(size <= len(enough))
    best = brute_force(name, labels, scores, sets, size, EVERY_DECISION, choices(enough, size))
    if best is None:
        with pytest.raises(DataError, match=r"^specificity is undefined for every .* none has negatives; choose"):
            subset.best(labels, scores, sets, size, name, rules=Rules(min_positives=least))
        return
    found = subset.best(labels, scores, sets, size, name, rules=Rules(min_positives=least))
    assert set(found.sets) <= set(enough)
    assert [one.number for one in found.per_set if one.candidate] == enough
    assert found.value == best


@settings(deadline=None, max_examples=40)
@given(SAMPLES, st.sampled_from(RATIOS), st.sampled_from([None, 0.4]), st.booleans())
def test_what_is_certified_holds_when_it_is_counted_again_and_nothing_else_does(samples, name, at, grouped):
    labels, scores, sets = columns(samples)
    numbers = np.unique(sets)
    groups = {int(number): str(abs(number) % 3) for number in numbers} if grouped else None
    try:
        found = subset.best(labels, scores, sets, 1, name, at, rules=Rules(groups=groups))
    except DataError:
        assume(False)
    assume(found.value != 0 or name != "precision" or at is None)  # 0 of 0 calls, by convention
    assert subset_proof.holds(found, labels, scores, sets, name)
    assert f"{len(numbers)} candidates" in found.proof
    assert not subset_proof.holds(replace(found, certified=False), labels, scores, sets, name)
    for other in numbers.tolist():
        try:
            value = subset.best(labels, scores, sets, 1, name, found.threshold, rules=Rules(groups=groups))
        except DataError:
            continue
        other_value = value_of(name, labels[sets == other], scores[sets == other], found.threshold)
        if not math.isnan(other_value) and other_value != value.value:
            assert not subset_proof.holds(replace(found, sets=(other,)), labels, scores, sets, name)


def test_the_certificate_can_be_read():
    found = subset.best([0, 1, 0, 1, 1, 0], [0.1, 0.9, 0.6, 0.4, 0.8, 0.2], [1, 1, 2, 2, 3, 3], 2, threshold=0.5)
    assert found.proof == (
        "f1_score is 4 / 4 over the chosen sets; at the threshold the 2 greatest of numerator x 4 - denominator x 4 "
        "over the 3 candidates sum to at most 0, so no choice is better."
    )
    assert [(one.numerator, one.denominator) for one in found.per_set] == [(2, 2), (0, 2), (2, 2)]
    assert "nothing proves" in subset.best([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8], [1, 1, 2, 2], 1, "mcc").proof
    assert "no other choice exists" in subset.best([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8], [1, 1, 2, 2], 2, "mcc").proof


@pytest.mark.parametrize(("over", "under"), [(2, 5), (0.1, 0.3), (0, 1)])
def test_costs_are_made_least_exactly(over, under):
    metric = names.with_arguments(names.get("cost"), {"false_positive": over, "false_negative": under})
    generator = np.random.Generator(np.random.Philox(8))
    sets, labels = generator.integers(7, size=60), generator.random(60) < 0.4
    scores = generator.integers(0, 7, size=60) / 6
    found = subset.best(labels, scores, sets, 3, metric)
    least = min(
        float(metric.at_counts(*counts.counted(labels[within], scores[within] > at)))
        for chosen in itertools.combinations(range(7), 3)
        for within in [np.isin(sets, chosen)]
        for at in EVERY_DECISION
    )
    assert found.certified
    assert found.value == pytest.approx(least, abs=1e-12)
    unequal = names.with_arguments(names.get("cost"), {"false_positive": 0.12345, "false_negative": 1})
    assert not subset.best(labels, scores, sets, 3, unequal).certified


def test_an_f_beta_has_its_beta():
    metric = names.with_arguments(names.get("f_beta"), {"beta": 2})
    labels, scores = np.array([1, 0, 1, 0, 1, 0]), np.array([0.9, 0.8, 0.4, 0.1, 0.7, 0.2])
    found = subset.best(labels, scores, [1, 1, 2, 2, 3, 3], 2, metric, 0.5)
    assert (found.sets, found.value) == ((1, 3), pytest.approx(10 / 11))


def test_empty_batches_are_told_and_never_chosen():
    labels, scores = [[0, 1], [], [1], [0, 0, 1]], [[0.2, 0.7], [], [0.1], [0.6, 0.5, 0.9]]
    flat = joining.joined(labels, scores, [4, 2, 7, 1])
    assert flat.sets.tolist() == [4, 4, 7, 1, 1, 1]
    found = subset.best(flat.labels, flat.scores, flat.sets, 3, numbers=flat.numbers)
    assert found.sets == (1, 4, 7)
    empty = next(one for one in found.per_set if one.number == 2)
    assert (empty.samples, empty.candidate, math.isnan(empty.value)) == (0, False, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0], [1]], [[0.1]]), "labels and scores must be equally many batches, got 2 and 1"),
        (([], []), "labels and scores must have at least one batch, got none"),
        (([[0, 1], [1]], [[0.1, 0.2], [0.3, 0.4]]), "set 1: labels and scores must be equally many, got 1 and 2"),
        (([[], []], [[], []]), "labels and scores must have at least one sample, got 2 empty batches"),
        (([[0], [1]], [[0.1], [0.2]], [5]), "numbers must be one for each of the 2 batches, got 1"),
        (
            ([[0], [1]], [[0.1], [0.2]], [5, 5]),
            r"numbers must be one of its own for each of the 2 batches, got \[5, 5\]",
        ),
    ],
)
def test_batches_that_do_not_fit_are_told_with_counts(arguments, message):
    with pytest.raises(DataError, match=f"^{message}$"):
        joining.joined(*arguments)


@pytest.mark.parametrize("rules", [{"min_positives": -1}, {"most_per_group": 0}])
def test_a_rule_that_is_none_is_refused(rules):
    with pytest.raises(DataError, match=rf"^{next(iter(rules))} must be at least "):
        Rules(**rules)


def test_a_metric_without_a_threshold_is_refused():
    with pytest.raises(SettingsError, match=r"^metric log_loss does not depend on a threshold"):
        subset.best([0, 1], [0.1, 0.9], [1, 2], 1, "log_loss")


@settings(deadline=None, max_examples=40)
@given(SAMPLES)
def test_a_subset_comes_back_from_its_plain_values(samples):
    found = subset.best(*columns(samples), 1)
    assert Subset.from_plain(found.plain()).plain() == found.plain()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sets": [2, 1]}, r"subset cannot be read back: sets must be distinct numbers, ascending, at least one, got "),
        ({"sets": []}, r"subset cannot be read back: sets must be distinct numbers, ascending, at least one, got \[\]"),
        (
            {"sets": [9]},
            r"subset cannot be read back: sets must be among the candidates of per_set, got 9; run its task again",
        ),
        ({"threshold": "inf"}, r"subset cannot be read back: threshold must be finite, got inf"),
        ({"certified": 1}, r"subset cannot be read back: Expected bool, got int"),
    ],
)
def test_an_altered_file_is_refused(change, message):
    plain = subset.best([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8], [1, 1, 2, 2], 1).plain()
    with pytest.raises(ArtifactError, match=f"^{message}"):
        Subset.from_plain(plain | change)


@pytest.mark.parametrize("name", RATIOS)
def test_cutting_thresholds_finer_and_finer_excludes_no_best_one(name, monkeypatch):
    generator = np.random.Generator(np.random.Philox(9))
    labels, sets = generator.random(400) < 0.4, generator.integers(6, size=400)
    scores = np.clip(0.25 * labels + 0.75 * generator.random(400), 0, 1)
    whole = [one.plain() for one in subset.every_size(labels, scores, sets, name)]  # 64 cuts at first
    for first, parts in ((2, 2), (3, 5), (1000, 2)):
        monkeypatch.setattr(ratio_search, "FIRST", first)
        monkeypatch.setattr(ratio_search, "PARTS", parts)
        assert [one.plain() for one in subset.every_size(labels, scores, sets, name)] == whole
