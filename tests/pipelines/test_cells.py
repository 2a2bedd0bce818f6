"""Text that is cut fits, and keeps what says most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cells import cells, cut, cut_path, padded, printable

PATHS = st.lists(st.text(st.characters(exclude_characters="/"), min_size=1, max_size=12), max_size=6).map("/".join)
MARKS = st.sampled_from(["…", "..."])


@given(st.text(), st.integers(0, 60), MARKS)
def test_cut_text_fits_and_is_whole_when_there_is_room(text, width, mark):
    assert cells(cut(text, width, mark)) <= width
    assert cut(text, cells(text), mark) == text


@given(PATHS, st.integers(0, 60), MARKS)
def test_a_cut_path_fits_and_is_whole_when_there_is_room(path, width, mark):
    assert cells(cut_path(path, width, mark)) <= width
    assert cut_path(path, cells(path), mark) == path


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (40, "runs/digits/training-5e0f/epochs/0008"),
        (36, "runs/…/training-5e0f/epochs/0008"),
        (20, "runs/…/epochs/0008"),
        (12, "runs/…/0008"),
        (4, "0008"),
        (3, "0…8"),
        (1, "…"),
        (0, ""),
    ],
)
def test_a_path_loses_its_middle_first(width, shown):
    assert cut_path("runs/digits/training-5e0f/epochs/0008", width) == shown


def test_an_absolute_path_keeps_its_first_directory():
    assert cut_path("/home/somebody/runs/digits", 20) == "/home/…/runs/digits"


@given(st.text())
def test_printable_text_moves_no_cursor(text):
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) == len(text)


def test_control_characters_become_question_marks():
    assert printable("a\x1b[2Jb\nc\td\ud800") == "a?[2Jb c d?"


def test_wide_and_combining_characters_are_measured_as_terminals_do():
    assert cells("abc") == 3
    assert cells("数字") == 4
    assert cells("e\u0301") == 1
    assert padded("数字", 6) == "数字  "
