"""Law 6 from outside: however the command ends, starting it again leads to the bytes of a run that never stopped."""

import functools
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from deeptrain.training import progress_file
from tests.conftest import write_experiment
from tests.pipelines import command
from tests.pipelines.command import JOB, SLOW_BUILDER, SLOW_TOML, Finished, Fork, Warm, start
from tests.pipelines.conftest import Trained

EPOCHS = 6
SLOW_SECONDS = 4


@pytest.fixture(scope="session")
def undisturbed(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the slow job makes."""
    here = slow_experiment(tmp_path_factory.mktemp("undisturbed"))
    assert warm.job(cwd=here).err == ""
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
    """Train to the end, check that no kill left a trace, and return what is there."""
    finished = warm.train(EPOCHS, cwd=here)
    assert (finished.code, finished.err) == (0, "")
    assert command.litter(here / "runs") == []
    return command.contents(here / "runs")


def randomly(name: str) -> random.Random:
    """A generator whose seed is told when the test fails."""
    seed = random.SystemRandom().getrandbits(32)
    print(f"{name}: seed {seed}")  # noqa: T201 - pytest shows it with a failure
    return random.Random(seed)


def test_killed_anywhere_and_run_again_the_job_makes_the_same_bytes(
    undisturbed: dict[str, bytes], trained: Trained, tmp_path: Path, warm: Warm, thorough: bool
) -> None:
    """From the first import to the closing table, each going on with what the last one left."""
    rng = randomly("anywhere")
    here = slow_experiment(tmp_path / "0")
    for number in range(40 if thorough else 2):
        finished = killed_after(rng.uniform(0, trained.seconds + SLOW_SECONDS), start(*JOB, cwd=here))
        assert finished.err == ""
        if finished.code == 0:
            assert command.contents(here / "runs") == undisturbed
            here = slow_experiment(tmp_path / str(number + 1))
    finished = warm.job(cwd=here)
    assert (finished.code, finished.err) == (0, "")
    assert command.litter(here / "runs") == []
    assert command.contents(here / "runs") == undisturbed


@pytest.mark.parametrize(("kills", "arguments"), [(10, ()), (4, ("--workers", "2"))])
def test_killed_while_it_trains_and_run_again_training_makes_the_same_bytes(
    kills: int, arguments: tuple[str, ...], undisturbed: dict[str, bytes], tmp_path: Path, warm: Warm, thorough: bool
) -> None:
    """And so does a whole group of processes: within a second after training goes on."""
    kills *= 10 if thorough else 1
    rng = randomly("while it trains")
    here = slow_experiment(tmp_path / "0")
    hits = 0
    for number in range(kills):
        before = command.trained(here / "runs")
        process = warm.start(*command.TRAINING, str(EPOCHS), *arguments, cwd=here)
        command.wait_until(functools.partial(goes_on, here, before), process)
        finished = killed_after(rng.uniform(0, 1), process)
        assert finished.err == ""
        done, _ = command.trained(here / "runs")
        hits += finished.code == -signal.SIGKILL and done < EPOCHS
        if done == EPOCHS:
            assert completed(here, warm) == command.of_training(undisturbed)
            here = slow_experiment(tmp_path / str(number + 1))
    assert completed(here, warm) == command.of_training(undisturbed)
    assert hits > kills // 2


def goes_on(here: Path, before: object) -> bool:
    """Whether an epoch or a checkpoint was published since."""
    return command.trained(here / "runs") != before


BETWEEN = "deeptrain: stopped; run the same command to go on\n"
"""What is said where nothing is trained, as between the tasks of two epochs."""


def stopped_in(told: str) -> tuple[int, int] | None:
    """The epoch in which training stopped, and how many of its iterations were done; None between two tasks."""
    where, _, rest = told.partition(" of 18 iterations; ")
    found = re.fullmatch(r"deeptrain: stopped in epoch (\d) after (\d+)", where)
    assert (found and rest == "a checkpoint holds everything: run the same command to go on\n") or told == BETWEEN, told
    return (int(found[1]), int(found[2])) if found else None


def middle_of(here: Path, epoch: int, process: "subprocess.Popen[str] | Fork") -> None:
    """Wait until an epoch is being trained, and for some of its iterations."""
    command.wait_until(lambda: command.trained(here / "runs")[0] >= epoch - 1, process)
    time.sleep(0.15)


@pytest.mark.parametrize(("asked", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_writes_a_checkpoint_says_where_it_stopped_and_changes_nothing(
    asked: signal.Signals, code: int, undisturbed: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = slow_experiment(tmp_path, SLOW_TOML.replace("autosave_seconds = 0.1", "autosave_seconds = 1000"))
    process = warm.start(*command.TRAINING, str(EPOCHS), cwd=here)
    middle_of(here, 3, process)
    os.kill(process.pid, asked)
    finished = command.end(process)
    assert finished.code == code
    epochs, checkpoints = command.trained(here / "runs")
    epoch, done = stopped_in(finished.err) or (epochs + 1, 0)
    assert epochs == epoch - 1 >= 2
    # Just where an epoch ends there is nothing more to hold.
    assert checkpoints == [f"{epoch:05d}.{epochs * 18 + done:010d}"][: bool(done)]
    assert completed(here, warm) == command.of_training(undisturbed)
    ran = [stage for stage in command.stages(here / "runs") if stage.startswith("epoch")]
    # Nothing twice; of a task that is stopped at its very end, when all is made, the log says that it was stopped.
    assert ran == [stage for number in range(1, 7) if (stage := f"epoch {number}") in ran]


def test_sigusr2_writes_a_checkpoint_and_training_goes_on(
    undisturbed: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = slow_experiment(tmp_path, SLOW_TOML.replace("autosave_seconds = 0.1", "autosave_seconds = 1000"))
    process = warm.start(*command.TRAINING, str(EPOCHS), cwd=here)
    middle_of(here, 2, process)
    assert command.trained(here / "runs")[1] == []

    def written() -> list[str]:
        os.kill(process.pid, signal.SIGUSR2)  # again: it is swept when the epoch ends, which may come before the look
        return command.trained(here / "runs")[1]

    command.wait_until(written, process)
    finished = command.end(process)
    assert (finished.code, finished.err) == (0, "")
    assert command.contents(here / "runs") == command.of_training(undisturbed)


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_before_training_is_one_line(asked: signal.Signals, tmp_path: Path) -> None:
    here = slow_experiment(tmp_path)
    process = start(*JOB, cwd=here)
    # It says so before it imports TensorFlow and builds the model, which takes seconds.
    command.wait_until(lambda: list(here.glob(f"runs/tiny/training-*/live/{progress_file.NAME}")), process)
    process.send_signal(asked)
    finished = command.end(process)
    assert finished.code == 128 + asked
    assert finished.err == BETWEEN


def test_a_stop_of_the_parent_stops_its_workers_too(undisturbed: dict[str, bytes], tmp_path: Path, warm: Warm) -> None:
    here = slow_experiment(tmp_path)
    process = warm.start(*command.TRAINING, str(EPOCHS), "--workers", "2", cwd=here)
    middle_of(here, 2, process)
    os.kill(process.pid, signal.SIGTERM)
    finished = command.end(process)
    assert finished.code == 143
    *first, last = finished.err.splitlines(keepends=True)
    assert all(map(stopped_in, first))
    assert (len(first) < 2, last) == (True, BETWEEN)
    assert completed(here, warm) == command.of_training(undisturbed)


def test_sigusr1_of_the_parent_ends_the_training_of_its_worker_after_the_epoch(
    undisturbed: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = slow_experiment(tmp_path)
    process = warm.start(*command.TRAINING, str(EPOCHS), "--workers", "2", cwd=here)
    middle_of(here, 2, process)
    os.kill(process.pid, signal.SIGUSR1)
    finished = command.end(process)
    assert finished.code == 143
    done, checkpoints = command.trained(here / "runs")
    assert (1 < done < EPOCHS, checkpoints) == (True, [])
    said = finished.err.splitlines()
    # Between two epochs it has nothing more to say of where it stands.
    assert (
        f"deeptrain: stopped after epoch {done} of {EPOCHS}; a checkpoint holds everything" in said[0] or not said[1:]
    )
    assert f"{said[-1]}\n" == BETWEEN
    assert completed(here, warm) == command.of_training(undisturbed)


def test_workers_whose_parent_was_killed_write_a_checkpoint_and_end(
    undisturbed: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = slow_experiment(tmp_path)
    process = warm.start(*command.TRAINING, str(EPOCHS), "--workers", "2", cwd=here)
    middle_of(here, 2, process)
    os.kill(process.pid, signal.SIGKILL)
    command.end(process)
    command.wait_until(lambda: not command.group_lives(process))
    done, checkpoints = command.trained(here / "runs")
    assert 1 <= done < EPOCHS
    assert checkpoints or done > 1  # just where an epoch ends there is none
    assert completed(here, warm) == command.of_training(undisturbed)
