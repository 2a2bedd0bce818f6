"""What messages have in common."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import did_you_mean

KNOWN = ["batch_size", "epochs", "superbatch_bytes", "key_metric", "a b", "größe"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("bach_size", "did you mean batch_size?"),
        ("BatchSize", "did you mean batch_size?"),
        ("epoch", "did you mean epochs?"),
        ("ab", "did you mean 'a b'?"),
        ("grösse", "did you mean größe?"),
        ("xyz", "there are batch_size, epochs, superbatch_bytes, key_metric, 'a b', größe"),
        ("", "there are batch_size, epochs, superbatch_bytes, key_metric, 'a b', größe"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(asked: str, told: str) -> None:
    assert did_you_mean(asked, KNOWN) == told


def test_those_nearly_as_near_are_told_too_and_no_more_than_three() -> None:
    assert did_you_mean("adan", ["Adam", "Nadam", "AdamW", "SGD", "Adamax"]) == "did you mean Adam, Nadam, AdamW?"
    errors = ["mean_squared_error", "root_mean_squared_error"]
    assert did_you_mean("mean_squard_error", errors) == "did you mean mean_squared_error?"
    assert did_you_mean("binary_crossentropi", ["BinaryCrossentropy", "Poisson"]) == "did you mean BinaryCrossentropy?"


def test_without_a_near_one_what_else_there_is_to_say_is_said() -> None:
    assert did_you_mean("xyz", KNOWN, "known here: none") == "known here: none"
    assert did_you_mean("xyz", []) == "there are none"
    assert did_you_mean("xyz", [f"column_{number}" for number in range(20)]).endswith("column_11 ...")


@given(st.text(max_size=200), st.lists(st.text(max_size=200), max_size=15))
def test_whatever_the_names_hold_the_answer_is_one_line(asked: str, known: list[str]) -> None:
    assert did_you_mean(asked, known).isprintable()
    assert len(did_you_mean(asked, known)) < 1000


@given(st.lists(st.text("abcdefgh", min_size=5), min_size=1, unique=True), st.data())
def test_a_name_in_another_spelling_is_always_found(known: list[str], data: st.DataObject) -> None:
    wanted = data.draw(st.sampled_from(known))
    assert did_you_mean("_".join(wanted.upper()), known).startswith(f"did you mean {wanted}"[:70])


def test_names_are_compared_in_one_place() -> None:
    sources = Path(__file__).parents[1]
    found = subprocess.run(
        ["git", "grep", "-l", "difflib", "--", "deeptrain", "tasks", "pipelines"],
        cwd=sources, capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    assert found in (["deeptrain/errors.py"], [])  # none where the tests run outside a checkout
