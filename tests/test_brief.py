"""What a notebook shows of values of many numbers: a line."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain import brief
from deeptrain.introspection.dataset import OverData
from deeptrain.introspection.distribution import statistics
from deeptrain.loading.feed import Group


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.zeros((32, 8, 8), np.float32), "float32 (32, 8, 8)"),
        (np.array(1, np.uint8), "1"),
        (np.float64(1 / 3), "0.3333"),
        (0.1 + 0.2, "0.3"),
        (float("nan"), "nan"),
        (None, "None"),
        (7, "7"),
        ("x" * 200, "'" + "x" * 79 + "..."),
        ({"a": np.ones(3), "b": 2.0}, "{'a': float64 (3,), 'b': 2}"),
        ((), "()"),
        (("a",), "('a',)"),
        (tuple(range(30)), "(0, 1, 2, 3, 4, 5, 6, 7, ... 22 more)"),
        ([[0.12345, 1], []], "[[0.1235, 1], []]"),
    ],
)
def test_numbers_are_told_in_few_digits_and_arrays_by_their_shape(value: Any, told: str) -> None:
    assert brief.of(value) == told


@given(st.recursive(st.none() | st.integers(-9, 9) | st.text(max_size=9), lambda inner: st.lists(inner, max_size=8)))
def test_what_is_short_is_told_as_python_does(value: Any) -> None:
    assert brief.of(value) == repr(value)


def test_a_dataclass_is_told_by_its_public_fields() -> None:
    @dataclass(repr=False)
    class Found:
        """With an array of many numbers."""

        name: str
        x: np.ndarray
        _hidden: int = 0

        __repr__ = brief.of_fields

    assert repr(Found("a", np.zeros(9))) == "Found(name='a', x=float64 (9,))"


def test_values_of_many_arrays_fit_on_a_screen() -> None:
    big = {f"dense_{number}/kernel": np.ones((512, 512)) for number in range(50)}
    told = statistics({"dense/kernel": np.arange(100.0)})
    assert "size=100, nan=0, " in repr(told["dense/kernel"])
    assert "mean=49.5, std=28.87, norm=573" in repr(told["dense/kernel"])
    over = repr(OverData(4, 64, big, dict.fromkeys(big, np.ones(4)), dict.fromkeys(big, told["dense/kernel"])))
    assert over.startswith("OverData(batches=4, samples=64, sums={'dense_0/kernel': float64 (512, 512), ")
    assert "... 42 more}" in over
    group = Group(np.ones((1, 32, 8)), np.ones((1, 32)), None, None, None, np.ones(1, bool))
    assert repr(group) == (
        "Group(x=float64 (1, 32, 8), y=float64 (1, 32), weights=None, real=None, mask=None, begins=bool (1,), "
        "counts_as=None)"
    )
