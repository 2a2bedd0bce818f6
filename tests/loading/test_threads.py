"""Threads that read ahead may die or hang: others take their place, and nothing of the stream is lost."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain.errors import DataError
from deeptrain.loading import prefetch
from deeptrain.loading.batches import Batches
from deeptrain.loading.threads import THREADS, Threads
from deeptrain.shards import column
from deeptrain.shards.column import Column
from deeptrain.shards.reading import Split
from tests import shard_files

X = np.arange(1 << 22, dtype=np.float32).reshape(1 << 12, 1 << 10)
"""16 MiB: more than is held without threads."""


@pytest.fixture
def split(tmp_path: Path) -> Split:
    """Of its own for each test: what one has compared, the next would not read."""
    return shard_files.split(tmp_path, X, np.zeros(len(X), np.int64), samples_per_shard=1000)


def readers() -> int:
    return sum(thread.name == "deeptrain read" for thread in threading.enumerate())


def wait_for_none() -> None:
    deadline = time.monotonic() + 10
    while readers() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not readers()


def dying(*_: Any) -> None:
    raise SystemExit


def test_work_is_done_in_its_order_by_few_threads_and_its_errors_are_its_own() -> None:
    threads = Threads()
    done: list[int] = []
    futures = [threads.submit(done.append, number) for number in range(100)]
    failing = threads.submit(int, "no number")
    for future in futures:
        future.result(10)
    assert sorted(done) == list(range(100))
    assert readers() <= THREADS
    with pytest.raises(ValueError, match="no number"):
        failing.result(10)
    threads.close(10)
    assert readers() == 0


def test_a_thread_that_dies_is_replaced() -> None:
    threads = Threads()
    for future in [threads.submit(dying) for _ in range(3 * THREADS)]:
        while not future.done():
            threads.tend()
            time.sleep(0.001)
        assert isinstance(future.exception(), SystemExit)
    assert threads.submit(int, "7").result(10) == 7
    threads.close(10)
    assert readers() == 0


def test_who_closes_waits_for_no_thread_that_is_stuck_and_work_that_was_not_begun_is_dropped() -> None:
    threads, answer = Threads(), threading.Event()
    stuck = [threads.submit(answer.wait) for _ in range(THREADS)]
    waiting = threads.submit(answer.wait)
    threads.close(0.01)
    assert waiting.cancelled()
    assert not any(future.done() for future in stuck)
    answer.set()
    wait_for_none()


def first_reads(monkeypatch: pytest.MonkeyPatch, count: int, what: Callable[[], Any]) -> None:
    """Something else happens before the first so many reads of blocks."""
    read, left = Column.read, iter(range(count))

    def wrapped(self: Column, *arguments: Any, **named: Any) -> None:
        if next(left, None) is not None:
            what()
        read(self, *arguments, **named)

    monkeypatch.setattr(Column, "read", wrapped)
    monkeypatch.setattr(prefetch, "STUCK_SECONDS", 0.2)
    monkeypatch.setattr(prefetch, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(column, "PATIENCE_SECONDS", 0.1)


CASES = [("blocks", 0), ("samples", 0), ("blocks", 1 << 30), ("samples", 1 << 30)]


@pytest.mark.parametrize(("order", "superbatch_bytes"), CASES)
def test_threads_that_die_are_replaced_and_no_sample_is_lost(
    split: Split, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, order: Any, superbatch_bytes: int
) -> None:
    first_reads(monkeypatch, 2, dying)
    batches = Batches(split, 100, seed=1, order=order, superbatch_bytes=superbatch_bytes)
    with caplog.at_level(logging.WARNING, "deeptrain"):
        for batch in batches.prefetch(1):
            np.testing.assert_array_equal(batch.x, X[batch.indices])
    assert "threads that read sample 0 of the epoch died: others take their place" in caplog.text
    assert readers() == 0


def no_memory(*_: Any) -> None:
    raise MemoryError("Unable to allocate 16.0 MiB")


@pytest.mark.parametrize(("order", "superbatch_bytes"), CASES)
def test_a_read_that_finds_no_memory_is_an_error_and_what_is_asked_for_again_is_read(
    split: Split, monkeypatch: pytest.MonkeyPatch, order: Any, superbatch_bytes: int
) -> None:
    first_reads(monkeypatch, 1, no_memory)
    monkeypatch.setattr(prefetch, "STUCK_SECONDS", 60)  # who takes longer is given up, and its error with it
    batches = Batches(split, 100, seed=1, order=order, superbatch_bytes=superbatch_bytes)
    with pytest.raises(MemoryError, match="Unable to allocate"):
        list(batches.prefetch(1))
    assert readers() == 0
    for batch in batches.prefetch(1):
        np.testing.assert_array_equal(batch.x, X[batch.indices])
    assert readers() == 0


def test_threads_that_die_again_and_again_are_an_error(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    first_reads(monkeypatch, 1000, dying)
    with pytest.raises(DataError, match="threads that read sample 0 of the epoch died 4 times"):
        next(Batches(split, 100, order="blocks", superbatch_bytes=0).prefetch(1))
    assert readers() == 0


@pytest.mark.parametrize(("order", "superbatch_bytes"), CASES)
def test_threads_that_are_stuck_are_replaced_and_what_they_still_read_is_nobodys(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    order: Any,
    superbatch_bytes: int,
) -> None:
    split = shard_files.split(tmp_path, X, np.zeros(len(X), np.int64), samples_per_shard=1000)
    answer = threading.Event()
    first_reads(monkeypatch, 3, answer.wait)
    batches = Batches(split, 100, seed=1, order=order, superbatch_bytes=superbatch_bytes)
    with caplog.at_level(logging.WARNING, "deeptrain"):
        kept = list(batches.prefetch(1))
    assert "gave nothing for 0 s (is the disk still there?): others take their place" in caplog.text
    for path in (tmp_path / "parts/0001").iterdir():
        path.write_bytes(bytes(path.stat().st_size))
    answer.set()
    wait_for_none()
    for batch in kept:
        np.testing.assert_array_equal(batch.x, X[batch.indices])
