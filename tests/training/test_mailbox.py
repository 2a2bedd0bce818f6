"""Files by which another process talks to a training: only what is one's own, small and fresh is a message."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from deeptrain.errors import MessageError
from deeptrain.store import locks
from deeptrain.store.locks import Lock, lock_of
from deeptrain.training import mailbox, messages
from deeptrain.training.mailbox import Mailbox
from deeptrain.training.postman import Postman

NAME = "0123456789abcdef" * 2


@pytest.fixture
def training(tmp_path: Path) -> Path:
    directory = tmp_path / "runs" / "tiny" / "training-1"
    directory.mkdir(parents=True)
    return directory


@pytest.fixture
def held(training: Path) -> Iterator[Lock]:
    with lock_of(training.parent, training) as lock:
        yield lock


class Training:
    """Answers what it is asked, or keeps the question."""

    def __init__(self, answer: str | None = "done", driving: bool = True) -> None:
        self.driving = driving
        self.asked: list[str] = []
        self.open: list[Future[str]] = []
        self._answer = answer

    def ask(self, text: str) -> "Future[str]":
        self.asked.append(text)
        self.open.append(Future())
        if self._answer is not None:
            self.open[-1].set_result(self._answer)
        return self.open[-1]


def put(box: Mailbox, text: bytes, name: str = NAME, age: float = 0.0) -> Path:
    box.directory.mkdir(parents=True, exist_ok=True)
    path = box.directory / f"{name}.message"
    path.write_bytes(text)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def test_a_message_is_answered_and_nothing_is_left(training: Path, held: Lock) -> None:  # noqa: ARG001
    served = Training("it  is\nso")
    postman = Postman(Mailbox(training / "live"), served, 0.01)
    assert mailbox.send(training, " Pause\n") == "it is so"
    assert served.asked == ["Pause"]
    assert list((training / "live" / "mailbox").iterdir()) == []
    postman.close()


def test_nobody_is_there_by_the_lock_and_not_by_waiting(training: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(MessageError, match=r"training-1: nobody is training there on this machine, so 'stop' reaches"):
        mailbox.send(training, "stop", 1000.0)
    assert time.monotonic() - begun < 500
    assert not (training / "live").exists()


def test_between_two_epochs_a_message_waits_for_the_next(training: Path, held: Lock) -> None:
    """Under a central scheduler the lock is free then: another machine may be given the next one."""
    held.release()
    served = Training("paused")
    postmen = []

    def train_on() -> None:
        held.acquire()
        postmen.append(Postman(Mailbox(training / "live"), served, 0.01))

    again = threading.Timer(0.2, train_on)
    again.start()
    assert mailbox.send(training, "pause") == "paused"
    again.join()
    postmen[0].close()


def test_who_is_killed_is_not_waited_for(training: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "BETWEEN_SECONDS", 1000.0)
    path = locks.path_of(training.parent, training)
    path.parent.mkdir(parents=True)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    path.write_text(f"process {gone.pid} (luigi)\n")
    with pytest.raises(MessageError, match="nobody is training there"):
        mailbox.send(training, "pause", 1000.0)


def test_who_ends_before_answering_is_told(training: Path, held: Lock) -> None:
    served = Training(None)
    postman = Postman(Mailbox(training / "live"), served, 0.01)

    def end() -> None:
        while not served.asked:
            time.sleep(0.005)
        held.release()

    ending = threading.Thread(target=end)
    ending.start()
    with pytest.raises(MessageError, match="training ended before it answered 'checkpoint'"):
        mailbox.send(training, "checkpoint", 1000.0)
    ending.join()
    postman.close()


def test_what_is_not_taken_is_withdrawn_and_what_is_taken_is_said_to_be(training: Path, held: Lock) -> None:  # noqa: ARG001
    box = Mailbox(training / "live")
    with pytest.raises(MessageError, match=r"nobody took 'pause' within 0\.1 s, and it is withdrawn"):
        mailbox.send(training, "pause", 0.1)
    assert list(box.waiting()) == []
    served = Training(None)
    postman = Postman(box, served, 0.01)
    with pytest.raises(MessageError, match=r"'pause' was taken but not answered within 1 s; it acts when"):
        mailbox.send(training, "pause", 1.0)
    served.open[0].set_result("late")
    postman.close()
    assert [path.suffix for path in box.directory.iterdir()] == [".answer"]
    box.sweep()


def test_a_text_that_is_no_message_is_refused_before_it_is_sent(training: Path) -> None:
    with pytest.raises(MessageError, match="unknown message 'stopp'; did you mean stop"):
        mailbox.send(training, "stopp")


def test_messages_wait_while_nothing_is_trained_but_a_status_does_not(training: Path) -> None:
    box, served = Mailbox(training / "live"), Training(driving=False)
    put(box, b"pause")
    put(box, b"status", NAME[::-1])
    postman = Postman(box, served, 0.01)
    wait_for(lambda: served.asked)
    postman.close()
    assert served.asked == ["status"]
    assert [text for _, text in box.waiting()] == ["pause"]


@pytest.mark.parametrize("text", [b"", b"\xff\x00", b"rm -rf /", b"lr 1e-4; stop", b"\x1b[2Jpause"])
def test_a_file_that_is_no_message_is_answered_and_never_obeyed(text: bytes, training: Path) -> None:
    box, served = Mailbox(training / "live"), Training()
    put(box, text)
    postman = Postman(box, served, 0.01)
    answer = box.directory / f"{NAME}.answer"
    wait_for(answer.exists)
    postman.close()
    assert served.asked == []
    assert answer.read_text().isprintable()


def test_only_a_small_fresh_file_with_the_right_name_is_a_message(training: Path) -> None:
    box = Mailbox(training / "live")
    put(box, b"pause" + b" " * 1024)
    put(box, b"pause", "1" * 32, age=61)
    put(box, b"pause", "2" * 32, age=-61)
    put(box, b"pause", "x" * 32)
    put(box, b"pause", "../" + "3" * 32)
    secret = training / "secret"
    secret.write_text("pause")
    (box.directory / ("4" * 32 + ".message")).symlink_to(secret)
    (box.directory / ("5" * 32 + ".message")).mkdir()
    os.mkfifo(box.directory / ("6" * 32 + ".message"))
    assert list(box.waiting()) == []
    box.sweep()
    assert {path.name for path in box.directory.iterdir()} == {"x" * 32 + ".message", "5" * 32 + ".message"}
    assert secret.exists()


def test_a_mailbox_that_is_a_link_is_none(training: Path, tmp_path: Path) -> None:
    elsewhere = put(Mailbox(tmp_path / "other"), b"stop")
    (training / "live").mkdir()
    (training / "live" / "mailbox").symlink_to(elsewhere.parent)
    box = Mailbox(training / "live")
    box.sweep()
    assert list(box.waiting()) == []
    assert elsewhere.exists()


def test_sweeping_by_age_leaves_what_somebody_may_still_come_for(training: Path) -> None:
    box = Mailbox(training / "live")
    old, new = put(box, b"pause", age=100), put(box, b"pause", "1" * 32, age=1)
    box.sweep(mailbox.FRESH_SECONDS)
    assert (old.exists(), new.exists()) == (False, True)


def test_a_message_is_taken_once(training: Path) -> None:
    box = Mailbox(training / "live")
    put(box, b"stop")
    assert [box.take(NAME), box.take(NAME)] == [True, False]


def test_the_thread_ends_with_whom_it_serves(training: Path) -> None:
    served = Training()
    postman = Postman(Mailbox(training / "live"), served, 0.01)
    del served
    wait_for(lambda: not postman._thread.is_alive())


def test_an_answer_is_one_line_of_bounded_length(training: Path) -> None:
    box = Mailbox(training / "live")
    box.directory.mkdir(parents=True)
    box.answer(NAME, "a\nb\n" * 10_000)
    told = (box.directory / f"{NAME}.answer").read_text()
    assert len(told) == mailbox.MOST_ANSWER_BYTES
    assert "\n" not in told
    box.answer("no/such/directory", "x")
    assert len(messages.told()) < mailbox.MOST_ANSWER_BYTES


def wait_for(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)
