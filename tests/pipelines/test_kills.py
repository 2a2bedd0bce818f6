"""Law 6 from outside: however the command ends, starting it again leads to the bytes of a run that never stopped."""

import functools
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import write_experiment
from tests.pipelines import command
from tests.pipelines.command import JOB, SLOW_BUILDER, SLOW_TOML, Finished, Fork, Warm, start
from tests.pipelines.conftest import Trained

EPOCHS = 6
SLOW_SECONDS = 4


Start = Callable[..., "subprocess.Popen[str] | Fork"]


@pytest.fixture(scope="session")
def undisturbed(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the slow job makes."""
    here = slow_experiment(tmp_path_factory.mktemp("undisturbed"))
    finished = warm.job(cwd=here)
    assert (finished.code, finished.err) == (0, "")
    return command.contents(here / "runs")


def slow_experiment(directory: Path, toml: str = SLOW_TOML) -> Path:
    return write_experiment(directory, toml=toml, builder=SLOW_BUILDER).parent


def killed_after(seconds: float, process: "subprocess.Popen[str] | Fork") -> Finished:
    """Kill the process and its children after so long, unless it has come to its end before."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return command.kill_group(process)
    return command.end(process)


def completed(here: Path, warm: Warm) -> dict[str, bytes]:
    """Run the job to its end, check that no kill left a trace, and return what it made."""
    finished = warm.job(cwd=here)
    assert (finished.code, finished.err) == (0, "")
    assert command.litter(here / "runs") == []
    return command.contents(here / "runs")


def kill_and_run_again(
    start: Start,
    kills: int,
    seconds: float,
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    warm: Warm,
    *,
    training: bool,
) -> None:
    """Kill the job so often, each time going on with what the last kill left; a job that gets done is begun anew.

    Args:
        start: starts the job.
        kills: how often.
        seconds: within how many.
        undisturbed: what must come out.
        tmp_path: where.
        warm: what completes a job at last.
        training: whether they are counted from when training has gone on, or from the command's start.
    """
    seed = random.SystemRandom().getrandbits(32)
    rng = random.Random(seed)
    here = slow_experiment(tmp_path / "0")
    for number in range(kills):
        told = f"seed {seed}, kill {number}"
        before = command.trained(here / "runs")
        process = start(cwd=here)
        if training:
            command.wait_until(functools.partial(goes_on, here, before), process)
        finished = killed_after(rng.uniform(0, seconds), process)
        assert finished.err == "", told
        assert finished.code in (0, -signal.SIGKILL), told
        done, _ = command.trained(here / "runs")
        if training and done == EPOCHS:
            assert completed(here, warm) == undisturbed, told
        elif finished.code == 0:
            assert command.contents(here / "runs") == undisturbed, told
        else:
            continue
        here = slow_experiment(tmp_path / str(number + 1))
    assert completed(here, warm) == undisturbed, f"seed {seed}"


def goes_on(here: Path, before: object) -> bool:
    """Whether an epoch or a checkpoint was published since."""
    return command.trained(here / "runs") != before


def test_killed_anywhere_and_run_again_the_job_makes_the_same_bytes(
    undisturbed: dict[str, bytes], trained: Trained, tmp_path: Path, warm: Warm
) -> None:
    fresh = functools.partial(start, *JOB)
    kill_and_run_again(fresh, 6, trained.seconds + SLOW_SECONDS, undisturbed, tmp_path, warm, training=False)


def test_killed_while_it_trains_and_run_again_the_job_makes_the_same_bytes(
    undisturbed: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    kill_and_run_again(functools.partial(warm.start, *JOB), 14, 1.0, undisturbed, tmp_path, warm, training=True)


def test_killed_with_its_worker_processes_and_run_again_the_job_makes_the_same_bytes(
    undisturbed: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    workers = functools.partial(warm.start, *JOB, "--workers", "2")
    kill_and_run_again(workers, 4, 1.0, undisturbed, tmp_path, warm, training=True)


def middle_of(here: Path, epoch: int, process: "subprocess.Popen[str] | Fork") -> None:
    """Wait until an epoch is being trained, and for some of its iterations."""
    command.wait_until(lambda: command.trained(here / "runs")[0] >= epoch - 1, process)
    time.sleep(0.15)


@pytest.mark.parametrize(("asked", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_writes_a_checkpoint_says_where_it_stopped_and_changes_nothing(
    asked: signal.Signals, code: int, undisturbed: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = slow_experiment(tmp_path, SLOW_TOML.replace("autosave_seconds = 0.1", "autosave_seconds = 1000"))
    process = warm.start(*JOB, cwd=here)
    middle_of(here, 3, process)
    os.kill(process.pid, asked)
    finished = command.end(process)
    assert finished.code == code
    told = finished.err.split(" of ")[0]
    assert told.startswith("deeptrain: stopped in epoch 3 after ")
    assert finished.err == (f"{told} of 18 iterations; a checkpoint holds everything: run the same command to go on\n")
    assert command.trained(here / "runs") == (2, [f"00003.{int(told.split()[-1]):08d}"])
    assert completed(here, warm) == undisturbed
    assert command.stages(here / "runs")[1:7] == [f"epoch {number}" for number in range(1, 7)]


def test_sigusr2_writes_a_checkpoint_and_training_goes_on(
    undisturbed: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = slow_experiment(tmp_path, SLOW_TOML.replace("autosave_seconds = 0.1", "autosave_seconds = 1000"))
    process = warm.start(*JOB, cwd=here)
    middle_of(here, 2, process)
    assert command.trained(here / "runs")[1] == []
    os.kill(process.pid, signal.SIGUSR2)
    command.wait_until(lambda: command.trained(here / "runs")[1], process)
    finished = command.end(process)
    assert (finished.code, finished.err) == (0, "")
    assert command.contents(here / "runs") == undisturbed


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_before_training_is_one_line(asked: signal.Signals, tmp_path: Path) -> None:
    here = slow_experiment(tmp_path)
    process = start(*JOB, cwd=here)
    command.wait_until(lambda: list(here.glob("runs/tiny/shards-*/manifest.json")), process)
    time.sleep(0.5)  # TensorFlow is being imported
    process.send_signal(asked)
    finished = command.end(process)
    assert finished.code == 128 + asked
    assert finished.err == "deeptrain: stopped; run the same command to go on\n"


def test_a_stop_of_the_parent_stops_its_workers_too(undisturbed: dict[str, bytes], tmp_path: Path, warm: Warm) -> None:
    here = slow_experiment(tmp_path)
    process = warm.start(*JOB, "--workers", "2", cwd=here)
    middle_of(here, 2, process)
    os.kill(process.pid, signal.SIGTERM)
    finished = command.end(process)
    assert finished.code == 143
    first, last = finished.err.splitlines()
    assert first.startswith("deeptrain: stopped in epoch ")
    assert last == "deeptrain: stopped; run the same command to go on"
    assert completed(here, warm) == undisturbed


def test_workers_whose_parent_was_killed_write_a_checkpoint_and_end(
    undisturbed: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = slow_experiment(tmp_path)
    process = warm.start(*JOB, "--workers", "2", cwd=here)
    middle_of(here, 2, process)
    os.kill(process.pid, signal.SIGKILL)
    command.end(process)
    command.wait_until(lambda: not command.group_lives(process))
    assert command.trained(here / "runs")[1] != []
    assert completed(here, warm) == undisturbed
