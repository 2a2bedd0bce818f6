"""What messages have in common."""

import errno
import pickle
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import (
    AlteredError,
    BatchError,
    DeeptrainError,
    LockedError,
    UnhealthyError,
    UntrustedError,
    WriteError,
    did_you_mean,
)

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


ERRORS = (
    DeeptrainError("a", "b"),
    AlteredError("a", Path("b")),
    LockedError("a", 3),
    BatchError("a", 3),
    UnhealthyError("a", "b"),
    UntrustedError("a"),
    WriteError("a", OSError(errno.ENOSPC, "full")),
    WriteError("a"),
)


def kinds(base: type[DeeptrainError]) -> set[type[DeeptrainError]]:
    return {base}.union(*map(kinds, base.__subclasses__()))


def test_an_error_from_another_process_tells_the_same() -> None:
    """A part of shards is made in a process of its own, which may find the disk full."""
    for error in ERRORS:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
        if isinstance(error, WriteError):
            assert (again.errno, again.strerror) == (error.errno, error.strerror)
    ours = (kind for kind in kinds(DeeptrainError) if kind.__module__ == DeeptrainError.__module__)
    assert {kind for kind in ours if {"__init__", "__str__"} & vars(kind).keys()} == {type(error) for error in ERRORS}


def test_what_a_stranger_named_reaches_no_terminal_as_a_command() -> None:
    for kind in (DeeptrainError, LockedError, UnhealthyError, UntrustedError, WriteError):
        assert str(kind("\x1b[2J")).startswith("\\x1b[2J")
