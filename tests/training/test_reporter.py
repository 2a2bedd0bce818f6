"""Watching never disturbs: what sinks see, and that nothing they do reaches the training."""

import logging
import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.training.progress import Progress
from deeptrain.training.reporter import Reporter

NEVER_SECONDS = 3600.0


def progress(number):
    return Progress(phase="fit", epoch=1, epochs=2, iteration=number, iterations=10_000)


class Notes:
    """Notes what it is shown."""

    def __init__(self):
        self.seen = []
        self.closed = 0
        self.first = threading.Event()

    def show(self, progress):
        self.seen.append(progress.iteration)
        self.first.set()

    def close(self):
        self.closed += 1


class Raising(Notes):
    """Raises at the calls with these numbers, counted from 0, and when closed."""

    def __init__(self, bad):
        super().__init__()
        self.bad = bad
        self.calls = 0

    def show(self, progress):
        call, self.calls = self.calls, self.calls + 1
        if self.bad is None or call in self.bad:
            raise OSError(f"no {progress.iteration}")
        super().show(progress)

    def close(self):
        super().close()
        raise ValueError("cannot close")


class Hanging(Notes):
    """Hangs as long as the test lets it."""

    def __init__(self):
        super().__init__()
        self.released = threading.Event()

    def show(self, progress):
        super().show(progress)
        self.released.wait()


class Stepping(Notes):
    """Lets the test go on when a state was shown, and waits for it."""

    def __init__(self):
        super().__init__()
        self.shown = threading.Semaphore(0)

    def show(self, progress):
        super().show(progress)
        self.shown.release()


@settings(deadline=None)
@given(st.integers(0, 300), st.sampled_from([0.0, 0.0001, NEVER_SECONDS]), st.integers(1, 3))
def test_each_sink_sees_a_subsequence_that_ends_with_the_last_update(updates, every_seconds, sinks):
    notes = [Notes() for _ in range(sinks)]
    with Reporter(notes, every_seconds) as reporter:
        for number in range(updates):
            reporter.update(progress(number))
    for note in notes:
        assert note.seen == sorted(set(note.seen))
        assert note.seen[-1:] == [updates - 1][: updates and 1]
        assert note.closed == 1


def test_updates_between_two_looks_are_one():
    note = Notes()
    with Reporter([note], NEVER_SECONDS) as reporter:
        for number in range(10_000):
            reporter.update(progress(number))
    assert len(note.seen) <= 2
    assert note.seen[-1] == 9_999


def test_a_state_is_shown_once():
    note = Stepping()
    with Reporter([note], 0.0) as reporter:
        reporter.update(progress(1))
        assert note.shown.acquire(timeout=10)
        reporter.update(progress(2))
        assert note.shown.acquire(timeout=10)
    assert note.seen == [1, 2]


def test_a_sink_that_raises_is_told_once_and_left_out_after_three_failures_in_a_row(caplog):
    bad, good = Raising(None), Stepping()
    with caplog.at_level(logging.INFO, "deeptrain"), Reporter([bad, good], 0.0) as reporter:
        for number in range(50):
            reporter.update(progress(number))
            assert good.shown.acquire(timeout=10)
    assert bad.calls <= 3
    assert bad.closed == 1
    assert good.seen == list(range(50))
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith(
        "a display failed and is left out after 3 failures in a row; training goes on: Raising: OSError: no "
    )


def test_failures_that_are_not_in_a_row_leave_nobody_out(caplog):
    class Sometimes(Raising):
        def show(self, progress):
            try:
                super().show(progress)
            finally:
                turn.release()

    turn = threading.Semaphore(0)
    sometimes = Sometimes({0, 1, 3, 4, 6, 7})
    with caplog.at_level(logging.INFO, "deeptrain"), Reporter([sometimes], 0.0) as reporter:
        for number in range(10):
            reporter.update(progress(number))
            assert turn.acquire(timeout=10)
    assert sometimes.seen == [2, 5, 8, 9]
    assert len(caplog.records) == 1


def test_a_hanging_sink_holds_neither_the_training_nor_the_others_nor_the_end(caplog):
    hanging, good = Hanging(), Notes()
    reporter = Reporter([hanging, good], 0.0, patience_seconds=0.05)
    reporter.update(progress(0))
    assert hanging.first.wait(10)
    for number in range(1, 1000):
        reporter.update(progress(number))
    with caplog.at_level(logging.INFO, "deeptrain"):
        reporter.close()
    hanging.released.set()
    assert good.seen[-1] == 999
    assert [record.getMessage() for record in caplog.records] == [
        "a display did not finish in 0.05 s and was left behind: show Hanging"
    ]


def test_a_quiet_sink_shows_the_last_state_and_is_left_behind_without_a_word(caplog):
    hanging, good = Hanging(), Notes()
    with caplog.at_level(logging.INFO, "deeptrain"):
        with Reporter([], 0.0, patience_seconds=0.05, quiet=[good, hanging]) as reporter:
            reporter.update(progress(0))
            assert hanging.first.wait(10)
            reporter.update(progress(1))
        hanging.released.set()
    assert good.seen[-1] == 1
    assert caplog.records == []


def test_closing_twice_and_updating_afterwards_does_nothing():
    note = Notes()
    reporter = Reporter([note])
    reporter.update(progress(1))
    reporter.close()
    reporter.update(progress(2))
    reporter.close()
    assert note.seen == [1]
    assert note.closed == 1


def test_an_error_in_the_training_passes_through_and_the_last_state_is_shown():
    note = Notes()

    def train():
        with Reporter([note], NEVER_SECONDS) as reporter:
            reporter.update(progress(7))
            raise RuntimeError("the training's own")

    with pytest.raises(RuntimeError, match="the training's own"):
        train()
    assert note.seen == [7]
    assert note.closed == 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")  # the point
def test_a_forked_child_shows_nothing_and_closes_nothing():
    note = Notes()
    with Reporter([note], NEVER_SECONDS) as reporter:
        child = os.fork()
        if child == 0:
            reporter.update(progress(1))
            reporter.close()
            os._exit(len(note.seen) + note.closed)
        assert os.waitpid(child, 0)[1] == 0
        reporter.update(progress(2))
    assert note.seen == [2]
