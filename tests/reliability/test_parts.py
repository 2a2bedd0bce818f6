"""A part fails, or the machine is otherwise than expected: the same bytes in the end, or one line that says what to do.

What reads ahead in threads fails in tests/loading/test_threads.py.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deeptrain.store import locks
from tests.conftest import EVEN, write_experiment
from tests.pipelines import command
from tests.pipelines.command import Warm, lines_of
from tests.pipelines.conftest import Trained
from tests.published_runs import seen
from tests.reliability.conditions import ALL_STEPS, CONDITIONS, UMASK
from tests.reliability.slow_runs import EPOCHS, completed, goes_on, held_in, slow_experiment

NOBODY = 65_534
YEAR = 365 * 86_400


@pytest.fixture(scope="module")
def under_conditions(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What came of every durable step under every condition."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.reliability.conditions", tmp_path_factory.mktemp("conditions")],
        cwd=command.ROOT,
        env=command.environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


def test_whatever_the_machine_is_like_every_durable_step_ends_in_the_same_bytes(
    under_conditions: list[dict[str, Any]],
) -> None:
    """Where there are no locks it is said before anything is made: without them two processes could write the same."""
    assert len(under_conditions) == len(ALL_STEPS) * len(CONDITIONS)
    expected = {one["step"]: one["contents"] for one in under_conditions if one["condition"] == "nothing"}
    for one in under_conditions:
        where = (one["step"], one["condition"])
        assert one["litter"] == [], where
        if one["condition"] == "no locks" and one["step"] in {"conversion", "training"}:
            assert one["outcome"] == "told"
            assert re.search(
                r"\.lock: this file system cannot lock files \(No locks available\), .*--store", one["said"]
            )
        else:
            assert (one["outcome"], one["said"], one["contents"]) == ("done", "", expected[one["step"]]), where


def test_files_have_the_modes_that_the_umask_says(under_conditions: list[dict[str, Any]], trained: Trained) -> None:
    usual = os.umask(0)
    os.umask(usual)
    for one in under_conditions:
        if one["step"] == "taken-over":
            continue  # the same files under another name
        mask = UMASK if one["condition"] == "another umask" else usual
        assert set(one["files"]) <= {0o666 & ~mask}, one
        assert set(one["directories"]) <= {0o777 & ~mask}, one
    for path in (trained.directory / "runs").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o777 if path.is_dir() else 0o666) & ~usual, path


def test_no_two_names_in_a_directory_differ_in_case_alone(trained: Trained) -> None:
    """So a file system that takes them for one confuses nothing."""
    for directory in (trained.directory / "runs", *(trained.directory / "runs").rglob("*/")):
        names = [path.name for path in directory.iterdir()]
        assert len({name.casefold() for name in names}) == len(names), directory


ELSEWHERE = """
import datetime, os, runpy, sys, time

def back(real, unit):
    return lambda: real() - {year} * unit

time.time, time.time_ns = back(time.time, 1), back(time.time_ns, 10**9)

class Back(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) - datetime.timedelta(seconds={year})

datetime.datetime = Back
assert sys.getfilesystemencoding() != "utf-8"
runpy.run_module("luigi", run_name="__main__", alter_sys=True)
"""


def test_with_another_clock_time_zone_locale_and_no_temporary_directory_training_goes_on_to_the_same_bytes(
    trained: Trained, tmp_path: Path, warm: Warm
) -> None:
    """The clock is set back by a year, and what was made before is from the future."""
    here = write_experiment(tmp_path, EVEN).parent
    assert warm.train(1, cwd=here).err == ""
    for path in here.rglob("*"):
        os.utime(path, (time.time() + YEAR,) * 2)
    process = subprocess.run(
        # Whoever was compiled with a `datetime` of another size says so.
        [sys.executable, "-W", "ignore::RuntimeWarning", "-c", ELSEWHERE.format(year=YEAR), *command.JOB],
        cwd=here,
        env=command.environment(
            TZ="Asia/Kolkata", LANG="", LC_ALL="C", PYTHONUTF8="0", TMPDIR=str(tmp_path / "missing")
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, b"")
    assert command.contents(here / "runs") == trained.contents
    years = {json.loads(line)["time"][:4] for line in (here / "runs/tiny/live/events.jsonl").read_text().splitlines()}
    assert len(years) == 2
    again = warm.job(cwd=here)
    assert again.out.startswith("tiny: everything is there already, nothing to do")


@contextlib.contextmanager
def public_copy(directory: Path) -> Iterator[Path]:
    """A copy of a directory that every user can read, as those of tests cannot be."""
    at = Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    try:
        at.chmod(0o755)
        yield command.copied(directory, at / "here")
    finally:
        shutil.rmtree(at)


def only_root() -> None:
    """Skip where this is not root's process: other users, mounts and limits are made by root."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root of a Linux machine can be another user, mount and limit memory")


ANOTHER_USER = f"""
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(8, 1, 0, 0, 0) == 0  # PR_SET_KEEPCAPS
os.setgroups([]); os.setresgid(*[{NOBODY}] * 3); os.setresuid(*[{NOBODY}] * 3)
reads = 1 << 2  # CAP_DAC_READ_SEARCH: Python itself may lie where only root reads
assert libc.capset(struct.pack("Ii", 0x20080522, 0), struct.pack("6I", reads, reads, 0, 0, 0, 0)) == 0
"""
READ_ONLY = """
import ctypes, subprocess
assert ctypes.CDLL(None, use_errno=True).unshare(0x20000) == 0  # CLONE_NEWNS
for words in ("--make-rprivate /", "--bind . .", "-o remount,ro,bind ."):
    subprocess.run(["mount", *words.split()], check=True)
import os
os.chdir(os.getcwd())
"""
READING = (
    ("plan", "tiny.toml"),
    ("status",),
    ("verify",),
    ("graph", "runs/tiny"),
    ("predict", "runs/tiny", "raw", "--experiment", "tiny.toml"),
)

CHANGED = (
    (r"runs/tiny/live/\S+", ("--epochs", "4")),
    (r"runs/tiny/live/\S+", ("--settings", '{"calibration.subset_size": 3}')),
    ("new", ("--store", "new")),
)
"""What must be made, and the place that is told."""
CURE = "nothing was published; let it be written to, or name another place with --store"


@pytest.mark.parametrize(
    ("before", "said"), [(ANOTHER_USER, "Permission denied"), (READ_ONLY, "Read-only file system")]
)
def test_a_store_that_cannot_be_written_is_read_and_training_in_it_is_refused_before_any_work(
    before: str, said: str, trained: Trained, warm: Warm
) -> None:
    """Another user's, or on a disk that is mounted to be read: what is there already is told to be there."""
    only_root()
    with public_copy(trained.directory) as here:
        was = seen(here)
        for arguments in READING:
            done = command.end(warm.start(*arguments, cwd=here, module="pipelines", before=before))
            assert (done.code, done.err) == (0, ""), arguments
        done = command.end(warm.start(*command.JOB, cwd=here, before=before))
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("tiny: everything is there already, nothing to do")
        for place, arguments in CHANGED:
            done = command.end(warm.start(*command.JOB, *arguments, cwd=here, before=before))
            assert done.code == 30, arguments
            assert re.fullmatch(f"deeptrain: {place}: cannot be written: {said}; {CURE}\n", done.err), done.err
            assert "made in" not in done.out
        assert seen(here) == was


LIMIT_NAMES = ("memory.limit_in_bytes", "memory.max")


@contextlib.contextmanager
def memory_group() -> Iterator[Path]:
    """A group of processes whose memory can be limited, by version 1 or 2 of the kernel's."""
    only_root()
    for root in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")):
        group = root / f"deeptrain-{os.getpid()}"
        with contextlib.suppress(OSError):
            group.mkdir()
            if any((group / name).exists() for name in LIMIT_NAMES):
                break
            group.rmdir()
    else:
        pytest.skip("there is no group whose memory could be limited: the kernel's cgroups are not here to be written")
    try:
        yield group
    finally:
        command.wait_until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def test_killed_for_the_memory_it_takes_and_run_again_training_makes_the_same_bytes(
    slow_run: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    """In the midst of training hardly a page more is left to it."""
    here = slow_experiment(tmp_path)
    with memory_group() as group:
        process = held_in(here, 2, warm)
        (limit,) = (group / name for name in LIMIT_NAMES if (group / name).exists())
        limit.write_text(str(1 << 14))
        with contextlib.suppress(OSError):
            (group / "memory.swap.max").write_text("0")
        (group / "cgroup.procs").write_text(str(process.pid))
        command.let_go(here)
        finished = command.end(process)
    assert (finished.code, finished.err) == (-signal.SIGKILL, "")
    assert command.trained(here / "runs")[0] < EPOCHS
    assert completed(here, warm) == command.of_training(slow_run)


def who_trains(here: Path) -> int:
    """The process that has the lock of the training."""
    (training,) = here.glob("runs/tiny/training-*")
    said = re.match(r"process ([0-9]+)", locks.holder(locks.path_of(training.parent, training)) or "")
    assert said is not None
    return int(said[1])


def test_a_worker_process_that_is_killed_is_told_and_run_again_the_bytes_are_the_same(
    slow_run: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = slow_experiment(tmp_path)
    process = held_in(here, 2, warm, "--workers", "2")
    os.kill(who_trains(here), signal.SIGKILL)
    command.let_go(here)
    finished = command.end(process)
    assert finished.code != 0
    assert lines_of(finished.err) == [
        "deeptrain: epoch 1: its process died by SIGKILL (out of memory, perhaps); run the same command to go on"
    ]
    assert completed(here, warm) == command.of_training(slow_run)


def test_frozen_for_a_while_a_training_goes_on_and_meanwhile_another_one_says_who_has_it(
    slow_run: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = slow_experiment(tmp_path)
    process = held_in(here, 2, warm)
    os.kill(process.pid, signal.SIGSTOP)
    command.let_go(here)
    before = command.trained(here / "runs")
    second = warm.train(EPOCHS, cwd=here)
    assert second.code == 30
    assert f"is being written by process {process.pid} " in second.err
    assert not goes_on(here, before)
    os.kill(process.pid, signal.SIGCONT)
    finished = command.end(process)
    assert (finished.code, finished.err) == (0, "")
    assert completed(here, warm) == command.of_training(slow_run)
