"""The log of a training tells of all of it, however long it is, in files of a bounded size."""

import errno
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deeptrain.store import events
from deeptrain.training import chronicle
from deeptrain.training.chronicle import NAME, Best, Chronicle
from deeptrain.training.progress import Progress

BEGUN = datetime(2026, 1, 31, 12, tzinfo=UTC)
LIMIT = 4_000


@pytest.fixture(autouse=True)
def short_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "ROTATE_BYTES", LIMIT)


def clock(seconds: float) -> Callable[[], datetime]:
    """One that is so much later each time it is asked."""
    asked = iter(range(1_000_000))
    return lambda: BEGUN + timedelta(seconds=seconds * next(asked))


def after(epochs: int) -> Progress:
    """Of a training whose loss falls and whose key metric has its peak in epoch 7."""
    values = tuple(1 / (1 + abs(number - 7)) for number in range(1, epochs + 1))
    losses = tuple(1 / number for number in range(1, epochs + 1))
    return Progress(
        phase="fit",
        epoch=epochs + 1,
        epochs=999,
        losses=losses,
        validation_losses=losses,
        key_metric="f1",
        key_values=values,
    )


def trained(live: Path, epochs: int, number: int = 3) -> Chronicle:
    told = Chronicle(live, number, clock(1.0))
    told.begin(999)
    for ended in range(1, epochs + 1):
        assert told.tell(after(ended))
    return told


def test_a_log_that_was_rotated_again_and_again_still_tells_of_the_whole_training(tmp_path: Path) -> None:
    live = tmp_path / "training-1/live"
    told = trained(live, 300).told
    files = {path.name: path.stat().st_size for path in live.iterdir()}
    assert files.keys() == {NAME, f"{NAME}.1"}
    assert max(files.values()) <= LIMIT + 500
    read = chronicle.read(live / NAME)
    for one in (told, read):
        assert (one.number, one.processes, one.asked, one.ended) == (3, 1, 999, 300)
        assert one.begun == BEGUN.isoformat(timespec="milliseconds")
        assert (one.greatest, one.least) == (Best(1.0, 7), Best(1 / 294, 300))
        assert one.latest == 1.0
    assert read.seconds >= 300  # a rotation asks for the time, too
    assert abs(read.seconds - told.seconds) < 1e-6
    assert len(told.epochs) == 300
    assert min(read.epochs) > 200
    assert read.epochs[300] == told.epochs[300]


def test_a_training_that_goes_on_after_its_log_was_rotated_tells_no_epoch_again(tmp_path: Path) -> None:
    live = tmp_path / "training-1/live"
    trained(live, 300)
    again = Chronicle(live, 3, clock(1.0))
    again.begin(999)
    assert not again.tell(after(300))
    assert again.tell(after(301))
    assert (again.told.processes, again.told.ended) == (2, 301)
    assert [event["epoch"] for event in events.read(live / NAME) if event["kind"] == "epoch"][-2:] == [300, 301]


def test_an_epoch_that_could_not_be_written_down_is_told_with_the_next(tmp_path: Path) -> None:
    live = tmp_path / "training-1/live"
    told = trained(live, 2)
    log = live / NAME
    log.rename(live / "aside")
    log.mkdir()
    assert not told.tell(after(3))
    log.rmdir()
    (live / "aside").rename(log)
    assert told.tell(after(4))
    assert list(chronicle.read(log).epochs) == [1, 2, 3, 4]


def test_a_process_whose_beginning_could_not_be_written_down_tells_no_epoch_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = tmp_path / "training-1/live"
    trained(live, 3)
    again = Chronicle(live, 3, clock(1.0))
    with monkeypatch.context() as patched:
        patched.setattr(events, "_append", full)
        again.begin(999)
    assert not again.tell(after(3))
    assert again.tell(after(4))
    assert [event["epoch"] for event in events.read(live / NAME) if event["kind"] == "epoch"] == [1, 2, 3, 4]


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_clock_that_is_set_back_costs_no_time(tmp_path: Path) -> None:
    live = tmp_path / "training-1/live"
    told = Chronicle(live, 1, clock(-86_400.0))
    told.begin(9)
    told.tell(after(1))
    told.tell(after(2))
    assert (told.told.seconds, told.told.latest, told.told.ended) == (0.0, 0.0, 2)
    assert chronicle.read(live / NAME).seconds == 0.0
