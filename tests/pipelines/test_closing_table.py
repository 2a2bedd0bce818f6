"""The closing table: columns that line up, in any width."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cells import cells
from pipelines.closing_table import STATES, Row, table_lines

RUN = "runs/digits"
ROWS = [
    Row("shards", "was there", None, f"{RUN}/shards-5e0f4a1b2c3d4e5f"),
    *(
        Row("epoch", "was there" if epoch < 4 else "ran", None if epoch < 4 else 1.5,
            f"{RUN}/training-a1b2c3d4e5f60718/epochs/{epoch:04}", (epoch, epoch))
        for epoch in range(1, 9)
    ),
    Row("threshold", "ran", 0.04, f"{RUN}/threshold-0123456789abcdef"),
    Row("subset", "left out", None, "accuracy of one set is no ratio of counts, so there is nothing to choose"),
    Row("report", "failed", 1234.5, "ArtifactError: the disk is full"),
]  # fmt: skip
ANY_ROW = st.builds(
    Row,
    st.text(max_size=20),
    st.sampled_from(STATES),
    st.none() | st.floats(0, 1e6),
    st.text(st.sampled_from("ab/.é数\n"), max_size=60),
    st.none() | st.integers(1, 99).map(lambda first: (first, first + 4)),
)


def text_of(rows, width):
    return [text for text, _ in table_lines(rows, width)]


def test_a_wide_terminal_shows_everything():
    assert text_of(ROWS, 120) == [
        "stage       state                seconds  artifact",
        "shards      was there                     runs/digits/shards-5e0f4a1b2c3d4e5f",
        "epochs 1-8  3 were there, 5 ran      7.5  runs/digits/training-a1b2c3d4e5f60718/epochs",
        "threshold   ran                     <0.1  runs/digits/threshold-0123456789abcdef",
        "subset      left out                      accuracy of one set is no ratio of counts, so there is nothing to "
        "choose",
        "report      failed               1,234.5  ArtifactError: the disk is full",
    ]


def test_eighty_columns_show_where_all_artifacts_are_once():
    assert text_of(ROWS, 80) == [
        "stage       state                seconds  artifact in runs/digits",
        "shards      was there                     shards-5e0f4a1b2c3d4e5f",
        "epochs 1-8  3 were there, 5 ran      7.5  training-a1b2c3d4e5f60718/epochs",
        "threshold   ran                     <0.1  threshold-0123456789abcdef",
        "subset      left out                      accuracy of one set is no ratio of co…",
        "report      failed               1,234.5  ArtifactError: the disk is full",
    ]


def test_a_narrow_terminal_gets_paths_on_lines_of_their_own():
    assert text_of(ROWS[:2], 48) == [
        "stage    state      seconds",
        "shards   was there",
        "  runs/digits/shards-5e0f4a1b2c3d4e5f",
        "epoch 1  was there",
        "  runs/…/training-a1b2c3d4e5f60718/epochs/0001",
    ]


@given(st.lists(ANY_ROW, max_size=6), st.integers(1, 130), st.sampled_from(["…", "..."]))
def test_no_line_is_wider_than_the_terminal(rows, width, mark):
    lines = table_lines(rows, width, mark)
    assert all(cells(text) <= width for text, _ in lines)
    assert all(text.isprintable() for text, _ in lines)


@given(st.lists(ANY_ROW.map(lambda row: row._replace(where=row.where.strip("\n."))), max_size=6))
def test_without_a_width_every_path_is_whole(rows):
    text = "\n".join(text_of(rows, None))
    for row in rows:
        if row.epochs is None:
            assert row.where.replace("\n", " ").strip() in text


@pytest.mark.parametrize(
    ("states", "told"),
    [
        (["ran"] * 3, "3 ran"),
        (["was there"] * 3, "3 were there"),
        (["was there", "ran", "failed", "left out"], "1 was there, 1 ran, 1 failed, 1 left out"),
        (["ran", "failed", "left out", "left out"], "1 ran, 1 failed, 2 left out"),
    ],
)
def test_epochs_are_one_row_that_counts_them(states, told):
    rows = [Row("epoch", state, None, "", (number, number)) for number, state in enumerate(states, 1)]
    [_, (line, _)] = table_lines(rows, None)
    assert line == f"epochs 1-{len(states)}  {told}".ljust(len(line))


def test_tasks_of_many_epochs_are_counted_in_epochs():
    rows = [Row("epochs", "was there", None, "a/1", (1, 50)), Row("epochs", "ran", 60.0, "a/2", (51, 60))]
    assert text_of(rows, None)[1] == "epochs 1-60  50 were there, 10 ran     60.0  a/2"


def test_the_reason_of_a_failed_epoch_is_told():
    rows = [Row("epoch", "ran", 1.0, "a/1", (1, 1)), Row("epoch", "failed", 1.0, "the loss is nan", (2, 2))]
    [_, (line, state)] = table_lines(rows, None)
    assert state == "failed"
    assert line.endswith("the loss is nan")
