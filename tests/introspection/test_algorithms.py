import functools
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.introspection import algorithms

NESTED = {"a": {"b": [10, {"c": 5}]}, "x.y": {"z": 1}, "rows": np.arange(6).reshape(3, 2), 3: "three"}
LEAVES = st.integers() | st.text(max_size=3)


@pytest.mark.parametrize(
    ("path", "value"),
    [("a.b.0", 10), ("a.b.1.c", 5), ("a.b.-1.c", 5), ("x.y.z", 1), ("rows.2.1", 5), ("3", "three"), ("", NESTED)],
)
def test_a_path_leads_through_mappings_lists_and_arrays(path: str, value: Any) -> None:
    assert algorithms.get(NESTED, path) is value or algorithms.get(NESTED, path) == value


@given(st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)))
def test_every_leaf_is_found_by_its_path(nested: Any) -> None:
    def walk(value: Any, path: list[str]) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            if "." not in str(key) and str(key):
                assert algorithms.get(nested, ".".join([*path, str(key)])) == inner
                walk(inner, [*path, str(key)])

    walk(nested, [])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a.d", "a has no key 'd'; there are b"),
        ("row.1", "the value has no key 'row'; did you mean rows?"),
        ("a.b.2", "a.b has 2 items: expected a number from 0 to 1, got '2'"),
        ("a.b.c", "a.b has 2 items: expected a number from 0 to 1, got 'c'"),
        ("a.b.0.c", "a.b.0 is 10, which holds nothing that is called 'c'"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(path: str, said: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(said)}$"):
        algorithms.get(NESTED, path)


@given(st.integers(0, 40), st.integers(0, 9))
def test_things_are_shuffled_alike_and_nothing_is_lost_or_changed(length: int, seed: int) -> None:
    given_ = list(range(length))
    array, named = np.arange(length * 2).reshape(length, 2), {f"k{n}": n for n in given_}
    shuffled = algorithms.shuffled(given_, tuple(given_), array, named, generator=np.random.default_rng(seed))
    as_list, as_tuple, as_array, as_dict = shuffled
    assert as_list == list(as_tuple) == (as_array[:, 0] // 2).tolist() == list(as_dict.values())
    assert sorted(as_list) == given_ == list(range(length))
    assert all(as_dict[key] == number for key, number in named.items())
    again = algorithms.shuffled(given_, generator=np.random.default_rng(seed))
    assert again == (as_list,)


def test_things_of_different_length_are_not_shuffled() -> None:
    with pytest.raises(DataError, match=r"must have one length, got \[2, 3\]"):
        algorithms.shuffled([1, 2], np.zeros(3), generator=np.random.default_rng(0))
    with pytest.raises(DataError, match=r"thing 2 must be a list, a tuple, a dict or an array, got 'ab'"):
        algorithms.shuffled([1, 2], "ab", generator=np.random.default_rng(0))


class Layer:
    def __init__(self, name: str = "") -> None:
        self.name = name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (math.sqrt, "sqrt"),
        (Layer, "Layer"),
        (Layer(), "Layer"),
        (Layer("conv_1"), "Layer 'conv_1'"),
        (Layer.__init__, "Layer.__init__"),
        (functools.partial(math.pow, 2, y=math.sqrt), "pow(2, y=sqrt)"),
        (lambda: 0, "lambda"),
        (math, "math"),
        (np.zeros((3, 4), np.float32), "float32 3x4 ndarray"),
        (np.float32(0.5), "0.5"),
        (np.float64(0.5), "0.5"),
        (np.int64(3), "3"),
        (np.array(True), "True"),
        ([1, 2], "list of 2"),
        ({"a": 1}, "dict of 1"),
        ("text", "'text'"),
        (None, "None"),
        (2e-4, "0.0002"),
    ],
)
def test_an_object_is_called_by_a_name_without_an_address(value: Any, name: str) -> None:
    assert algorithms.readable_name(value) == name
