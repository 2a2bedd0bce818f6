"""The event log: what is written is read, whatever happened to the file meanwhile."""

import fcntl
import json
import logging
import multiprocessing
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.store import events
from deeptrain.store.events import EventLog

NOW = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
VALUES = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "live" / "events.jsonl"


def own(event):
    """An event without its envelope."""
    return {key: value for key, value in event.items() if key not in events.ENVELOPE}


@given(st.lists(st.tuples(st.text(max_size=5), VALUES), max_size=8))
def test_what_is_appended_is_read(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("log") / "live" / "events.jsonl"
    log = EventLog(path)
    for kind, values in written:
        log.append(kind, **values)
    found = list(events.read(path))
    assert [event["kind"] for event in found] == [kind for kind, _ in written]
    assert [own(event) for event in found] == [
        {f"{key}_" if key in events.ENVELOPE else key: value for key, value in values.items()} for _, values in written
    ]


def test_a_line_says_when_where_and_who(path):
    EventLog(path, clock=lambda: NOW).append("resumed", epoch=3, time="mine", loss=float("nan"), at=Path("a/b"))
    [event] = events.read(path)
    assert event == {
        "time": "2026-01-31T12:00:00.250+00:00", "kind": "resumed", "host": os.uname().nodename, "pid": os.getpid(),
        "epoch": 3, "time_": "mine", "loss": "nan", "at": "a/b",
    }  # fmt: skip
    assert datetime.fromisoformat(event["time"]) - NOW < timedelta(milliseconds=1)


def test_numpy_values_are_written(path):
    EventLog(path).append("metrics", f1=np.float32(0.5), counts=np.arange(3))
    assert own(next(events.read(path))) == {"f1": 0.5, "counts": [0, 1, 2]}


@given(st.data())
def test_a_log_cut_anywhere_loses_only_the_torn_line(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    log = EventLog(path, clock=lambda: NOW)
    for number in range(4):
        log.append("tick", number=number)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    kept = [event["number"] for event in events.read(path)]
    assert kept == list(range(len(kept)))
    assert len(kept) >= whole[:cut].count(b"\n")
    log.append("tick", number="after")
    assert [event["number"] for event in events.read(path)] == [*kept, "after"]


@given(st.binary(max_size=300))
def test_any_bytes_in_the_file_are_skipped(tmp_path_factory, noise):
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    path.write_bytes(noise)
    EventLog(path).append("tick")
    assert [event for event in events.read(path) if event.get("kind") == "tick"]


@pytest.mark.parametrize(
    "line", [b"[1]\n", b"7\n", b"\xff\xfe\n", b"{\n", b"\n", b"[" * 60_000 + b"\n", b'"' + b"x" * 200_000 + b'"\n']
)
def test_lines_that_are_no_event_are_skipped(path, line):
    log = EventLog(path)
    log.append("before")
    with path.open("ab") as file:
        file.write(line)
    log.append("after")
    assert [event["kind"] for event in events.read(path)] == ["before", "after"]


def test_no_piece_of_an_overlong_line_is_taken_for_an_event(path):
    piece = b'{"kind": "forged"}'
    path.parent.mkdir()
    path.write_bytes(b" " * (events.LINE_BYTES + 1) + piece + b"\n" + piece + b"\n")
    assert list(events.read(path)) == [{"kind": "forged"}]


def test_values_that_are_too_long_are_replaced_by_their_size(path):
    EventLog(path).append("dump", text="x" * 100_000)
    [event] = events.read(path)
    assert set(own(event)) == {"left_out_bytes"}
    assert event["left_out_bytes"] > 100_000


def test_a_log_without_events_is_empty(path):
    assert list(events.read(path)) == []


@settings(max_examples=30)
@given(st.integers(300, 2000), st.integers(1, 60))
def test_rotation_bounds_the_files_and_keeps_the_newest_in_order(tmp_path_factory, limit, count):
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    log = EventLog(path, rotate_bytes=limit)
    for number in range(count):
        log.append("tick", number=number)
    assert sorted(file.name for file in path.parent.iterdir()) in (
        ["events.jsonl"],
        ["events.jsonl", "events.jsonl.1"],
    )
    assert all(file.stat().st_size <= limit for file in path.parent.iterdir())
    numbers = [event["number"] for event in events.read(path)]
    assert numbers == list(range(numbers[0], count))
    size = len(path.read_bytes().splitlines()[0]) + 1
    assert len(numbers) >= min(count, limit // size // 2)


ARTIFACTS = st.sampled_from(["shards-1/parts/0001", "shards-1", "training-2/epochs/0003", "training-2", "report-3"])
TASKS = st.lists(st.tuples(ARTIFACTS, st.integers(0, 1000)), max_size=60)


@settings(max_examples=30)
@given(TASKS, st.integers(400, 2000))
def test_the_time_that_tasks_took_is_told_however_often_the_log_was_rotated(tmp_path_factory, tasks, limit):
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    for artifact, seconds in tasks:
        EventLog(path, rotate_bytes=limit).append("task", artifact=artifact, seconds=seconds)
    assert len(list(path.parent.iterdir())) <= 2
    assert all(file.stat().st_size <= limit + 300 for file in path.parent.iterdir())
    for name in ("shards-1", "training-2", "report-3"):
        took = [seconds for artifact, seconds in tasks if artifact.partition("/")[0] == name]
        assert events.seconds_of(path, [name]) == (sum(took) if took else None)


def test_killed_within_a_rotation_a_log_loses_nothing_but_the_event_that_was_to_be_written(path):
    expected = before = 0
    for _ in range(60):
        EventLog(path, rotate_bytes=1000).append("task", artifact="shards-1", seconds=1)
        expected += 1
        lines = path.read_bytes().count(b"\n")
        if lines < before:
            path.unlink()
            expected -= 1
        before = lines
        assert events.seconds_of(path, ["shards-1"]) == expected
    assert 30 < expected < 60


def test_what_a_strangers_log_says_of_seconds_is_no_error(path):
    path.parent.mkdir()
    lines = [{"kind": "earlier", "seconds": one} for one in ([1], 7, {"a": 10**400, "b": "x"})]
    lines += [{"kind": "task", "artifact": "a", "seconds": one} for one in (10**400, "3", None, [1], 1e999, 2)]
    path.write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    assert events.seconds_of(path, ["a"]) == 2


def write_many(path, writer, count):
    log = EventLog(path)
    for number in range(count):
        log.append("tick", writer=writer, number=number)


def test_several_processes_may_write_at_once(path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(path, writer, 200)) for writer in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = list(events.read(path))
    for writer in range(3):
        assert [event["number"] for event in found if event["writer"] == writer] == list(range(200))
    assert len([line for line in path.read_bytes().splitlines() if line]) == 600


def test_a_rotation_that_another_writer_made_is_not_made_again(path):
    log = EventLog(path, rotate_bytes=1)
    log.append("old")
    with log._opened() as late:  # this writer found the file too large ...
        EventLog(path, rotate_bytes=1).append("new")  # ... when another one renamed it
        log._rotated(late)
    assert [event["kind"] for event in events.read(path)] == ["old", "new"]


def test_a_writer_that_cannot_rotate_does_not_wait(path):
    log = EventLog(path, rotate_bytes=1)
    log.append("old")
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        log.append("new")
    assert [file.name for file in path.parent.iterdir()] == ["events.jsonl"]
    assert [event["kind"] for event in events.read(path)] == ["old", "new"]


def test_what_no_reader_would_take_is_left_out(path):
    """Linux has names of files that are no Unicode."""
    log = EventLog(path)
    told = [log.append("task", file=os.fsdecode(b"a\xff")), log.append("task", values=[[[1]] * 200_000])]
    assert [sorted(own(event)) for event in told] == [["left_out_bytes"]] * 2
    assert list(events.read(path)) == told


def test_a_host_whose_name_is_no_unicode_costs_nobody_anything(path, monkeypatch):
    monkeypatch.setattr(events.platform, "node", lambda: os.fsdecode(b"a\xff"))
    EventLog(path).append("tick")
    assert list(events.read(path)) == []


class Unwritable:
    """A value that JSON has no form for."""


def test_no_failure_reaches_the_caller_and_the_first_is_told(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    log = EventLog(tmp_path / "file" / "events.jsonl")
    with caplog.at_level(logging.WARNING, "deeptrain"):
        log.append("tick")
        log.append("tick")
        EventLog(tmp_path / "events.jsonl").append("tick", value=Unwritable())
    assert [record.getMessage().split(": ")[1:3] for record in caplog.records] == [
        ["events are not recorded", "WriteError"],
        ["events are not recorded", "TypeError"],
    ]


def test_a_full_disk_is_told_and_nothing_else(caplog):
    log = EventLog(Path("/dev/full"))
    with caplog.at_level(logging.WARNING, "deeptrain"):
        log.append("tick")
    assert "No space left on device" in caplog.text


def test_a_link_in_a_strangers_run_is_not_written_through(tmp_path, caplog):
    target = tmp_path / "precious"
    target.write_text("mine")
    path = tmp_path / "events.jsonl"
    path.symlink_to(target)
    with caplog.at_level(logging.WARNING, "deeptrain"):
        EventLog(path).append("tick")
    assert target.read_text() == "mine"
    assert len(caplog.records) == 1
