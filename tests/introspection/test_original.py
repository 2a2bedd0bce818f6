"""Every answer of DeepTrain 0.6.0's utilities for nested values: the same here, or in the list of those it had wrong.

What they gave is written down as it was recorded of its own functions (github.com/OverLordGoldDragon/deeptrain, commit
e010e3b, MIT licence), by the number of the record. What stands beside it is what `docs/introspection.md` says to call.
"""

import copy
import math
from pathlib import Path

import numpy as np
import optree
import pytest

from deeptrain.errors import DataError
from deeptrain.introspection import algorithms

TREE = [1, {"a": 3, "b": ("x", [4, 5])}, (6, 7)]
ROWS = (1, {"a": 3, "b": 4, "c": ("5", 6.0, (7, 8)), "d": 9}, {}, np.array([[7, 5], [1, 8]]))


class Dummy:
    """An object without a name of its own."""


def shuffled(seed, *things):
    """With the kind of generator that the original drew from, so that its order is the same."""
    return list(algorithms.shuffled(*things, generator=np.random.RandomState(seed)))


def length(nested):
    return sum(np.size(leaf) for leaf in optree.tree_leaves(nested, none_is_leaf=True))


def mapped(change, nested, **options):
    return optree.tree_map(change, nested, none_is_leaf=True, **options)


def numbers(nested):
    return [isinstance(leaf, int | float) for leaf in optree.tree_leaves(nested, none_is_leaf=True)]


def squared(value):
    return value**2 if isinstance(value, int | float) else value


def text(value):
    return value if isinstance(value, np.ndarray) else str(value)


def named(value):
    if isinstance(value, np.ndarray):
        return str(value)
    return value if isinstance(value, int | float | str) else algorithms.readable_name(value)


LETTERS = {"a": 5, "b": 6, "c": 7, "d": 8}
TURNED = [[3, 4, 2, 1], {"c": 7, "d": 8, "b": 6, "a": 5}]
WRITTEN = ("1", {"a": "3", "b": "4", "c": ("5", "6.0", ("7", "8")), "d": "9"}, {}, ROWS[3])
FLAT = ("1", "{'a': 3, 'b': 4, 'c': ('5', 6.0, (7, 8)), 'd': 9}", "{}", "[[7 5]\n [1 8]]")

RIGHT = {
    165: (lambda: math.comb(10, 2), 45.0),
    166: (lambda: math.comb(5, 0), 1.0),
    167: (lambda: math.comb(52, 5), 2598960.0),
    169: (lambda: shuffled(0, [1, 2, 3, 4], LETTERS), TURNED),
    170: (lambda: shuffled(2, [1, 2, 3, 4], LETTERS), TURNED),
    181: (lambda: algorithms.readable_name(np.mean), "mean"),
    182: (lambda: algorithms.readable_name(Dummy()), "Dummy"),
    185: (lambda: length([1, 2, [3, [4]]]), 4),
    186: (lambda: length("abc"), 1),
    187: (lambda: length(5), 1),
    188: (lambda: length({}), 0),
    189: (lambda: length([np.zeros((2, 3)), 1]), 7),
    190: (lambda: length([[], [1]]), 1),
    191: (lambda: algorithms.get(TREE, "0"), 1),
    192: (lambda: algorithms.get(TREE, "1.b.1.0"), 4),  # it counted the keys of a dict, too: [1, 1, 1, 0]
    193: (lambda: algorithms.get(TREE, ""), TREE),
    195: (lambda: algorithms.get(TREE, "1.b"), ("x", [4, 5])),
    197: (lambda: mapped(text, ROWS), WRITTEN),
    198: (lambda: mapped(str, ROWS, is_leaf=lambda one: one is not ROWS), FLAT),
    199: (lambda: mapped(squared, {"a": [1, 2], "b": 3}), {"a": [1, 4], "b": 9}),
    202: (lambda: numbers([1, 2.0, "a"]), [True, True, False]),
    203: (lambda: numbers(5), [True]),
    204: (lambda: numbers([]), []),
    205: (lambda: numbers((1, (2, 3))), [True, True, True]),
    206: (lambda: mapped(named, (*ROWS, (), Dummy, Dummy())), (*ROWS[:3], FLAT[3], (), "Dummy", "Dummy")),
    207: (lambda: copy.deepcopy({"a": [1, 2]}), {"a": [1, 2]}),
}
"""By the number of the record: what is called here, and what it gave."""

REFUSED = DataError("things that are shuffled alike must have one length, got [3, 2]")
NO_ROW = DataError("thing 1 must be a list, a tuple, a dict or an array, got 'abc'")
NOTHING = DataError("the value has 0 items: expected a number of none, it is empty, got '0'")

WRONG = {
    168: (
        lambda: math.comb(1100, 550),
        OverflowError,
        math.factorial(1100) // math.factorial(550) ** 2,
        "`nCk`",
        "a number beyond floats failed",
    ),
    171: (
        lambda: shuffled(0, (1, 2, 3), [4, 5]),
        [(2, 1), [5, 4]],
        REFUSED,
        "`ordered_shuffle`",
        "the longer of two was cut off",
    ),
    172: (
        lambda: shuffled(0, "abc", [1, 2, 3]),
        ["('c', 'b', 'a')", [3, 2, 1]],
        NO_ROW,
        "`ordered_shuffle`",
        "text came back as the text of a tuple",
    ),
    180: (lambda: algorithms.readable_name(1), 1, "1", "`obj_to_str`", "a number came back as it was"),
    183: (
        lambda: algorithms.readable_name(np.arange(3)),
        "ndarray",
        "int64 3 ndarray",
        "`obj_to_str`",
        "of an array neither dtype nor shape was told",
    ),
    184: (
        lambda: algorithms.readable_name((1, 2)),
        (1, 2),
        "tuple of 2",
        "`obj_to_str`",
        "a tuple came back as it was",
    ),
    194: (lambda: algorithms.get([], "0"), [], NOTHING, "`deepget`", "what is not there was the list itself"),
    196: (lambda: algorithms.get(np.arange(3), "1"), ValueError, 1, "`deepget`", "an array failed"),
    200: (lambda: mapped(squared, []), ValueError, [], "`deepmap`", "nothing to map failed"),
    201: (lambda: mapped(squared, [{1, 2}, 3]), TypeError, [{1, 2}, 9], "`deepmap`", "a set failed"),
    208: (lambda: copy.deepcopy([]), ValueError, [], "`deepcopy_v2`", "nothing to copy failed"),
}
"""What is called here, what it gave or raised, what is right, of which function, and what was wrong."""

WITHOUT = {
    **dict.fromkeys(range(173, 180), ("`builtin_or_npscalar`", "`isinstance` says it")),
    **dict.fromkeys(range(209, 213), ("`extract_pickleable`", "nothing is pickled: what is kept is written by name")),
    **dict.fromkeys(range(213, 216), ("`exclude_unpickleable`", "nothing is pickled: what is kept is written by name")),
}
"""What has no counterpart here, and why."""


@pytest.mark.parametrize("number", RIGHT)
def test_an_answer_is_that_of_the_original(number):
    ours, theirs = RIGHT[number]
    np.testing.assert_equal(ours(), theirs)


@pytest.mark.parametrize("number", WRONG)
def test_an_answer_is_right_where_that_of_the_original_was_not(number):
    ours, theirs, right, _, _ = WRONG[number]
    if isinstance(right, DataError):
        with pytest.raises(DataError) as told:
            ours()
        assert str(told.value) == str(right)
        return
    assert ours() == right != theirs


def test_what_was_mapped_or_copied_stays_as_it_was():
    given = {"a": [1, 2], "b": ROWS}
    before = copy.deepcopy(given)
    mapped(squared, given)
    shuffled(0, [1, 2], given)
    np.testing.assert_equal(given, before)


def test_the_docs_list_what_was_wrong_and_what_has_no_counterpart():
    page = (Path(__file__).parents[2] / "docs" / "introspection.md").read_text()
    for _, _, _, function, why in WRONG.values():
        assert f"| {function} | {why} |" in page
    for function, why in WITHOUT.values():
        assert f"| {function} | {why} |" in page
