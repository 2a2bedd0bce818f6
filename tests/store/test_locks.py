"""Law 10: one writer, held by the kernel, and the second process is told who it is."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from deeptrain.errors import LockedError
from deeptrain.store.locks import Lock, lock_of
from deeptrain.store.sweep import sweep

HOLD = """
import sys, time
sys.path[:0] = [sys.argv[2]]
from pathlib import Path
from deeptrain.store.locks import Lock
Lock(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> "subprocess.Popen[str]":
    sources = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "x.lock", sources], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_told_who_holds_the_lock(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    with pytest.raises(
        LockedError, match=rf"x is being written by process {holder.pid} .*; wait until it ends or stop"
    ):
        Lock(tmp_path / "x.lock").acquire()


def test_who_has_just_taken_a_lock_is_waited_for_until_it_says_who_it_is(tmp_path: Path) -> None:
    with (tmp_path / "x.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        def say() -> None:
            file.write("process 7 on elsewhere (luigi)\n")
            file.flush()

        saying = threading.Timer(0.1, say)
        saying.start()
        with pytest.raises(LockedError, match=r"written by process 7 on elsewhere \(luigi\)"):
            Lock(tmp_path / "x.lock").acquire()
        saying.join()
    (tmp_path / "y.lock").touch()
    with (tmp_path / "y.lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(LockedError, match="written by another process"):
            Lock(tmp_path / "y.lock").acquire()


def test_nothing_is_told_of_who_held_the_lock_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = f"process 1 on elsewhere ({'a long command ' * 20})\n"
    (tmp_path / "x.lock").write_text(before)

    def killed(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(os, "ftruncate", killed)  # a kill that comes when the new text stands before the old one's end
        with pytest.raises(ZeroDivisionError):
            Lock(tmp_path / "x.lock").acquire()
    with (tmp_path / "x.lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(LockedError) as caught:
            Lock(tmp_path / "x.lock").acquire()
    assert caught.value.process == os.getpid()
    assert "a long command" not in str(caught.value)
    with Lock(tmp_path / "x.lock"):
        said = (tmp_path / "x.lock").read_text()
    assert (said.count("\n"), said.startswith(f"process {os.getpid()} on "), "elsewhere" in said) == (1, True, False)


def test_the_kernel_frees_the_lock_of_a_killed_process(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    Lock(tmp_path / "x.lock").acquire()


def test_whoever_takes_a_lock_again_knows_whether_another_one_had_it(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    lock = Lock(tmp_path / "x.lock")
    assert not lock.acquire()
    for _ in range(2):
        lock.release()
        assert lock.acquire()
    lock.release()
    process: subprocess.Popen[str] = request.getfixturevalue("holder")
    process.kill()
    process.wait()
    assert not lock.acquire()
    lock.release()
    (tmp_path / "x.lock").unlink()
    assert not lock.acquire()


def test_only_litter_that_nobody_writes_is_swept(tmp_path: Path) -> None:
    held, free = tmp_path / ".held-1.77.0123abcd", tmp_path / ".free-1.77.0123abcd"
    for place in (held, free, tmp_path / ".hidden", tmp_path / "training-1" / "epochs" / ".0003.77.0123abcd"):
        place.mkdir(parents=True)
    with lock_of(tmp_path, tmp_path / "held-1"):
        gone = sweep(tmp_path)
    assert sorted(path.name for path in gone) == [".0003.77.0123abcd", ".free-1.77.0123abcd"]
    assert held.exists()
    assert (tmp_path / ".hidden").exists()
