"""Law 6 from outside: however the command ends, starting it again leads to the bytes of a run that never stopped."""

import functools
import os
import re
import signal
from pathlib import Path

import pytest

from deeptrain.training import progress_file
from tests.pipelines import command
from tests.pipelines.command import JOB, SLOW_TOML, Warm, start
from tests.pipelines.conftest import Trained
from tests.reliability.sample import randomly
from tests.reliability.slow_runs import EPOCHS, completed, goes_on, held_in, killed_after, slow_experiment

SLOW_SECONDS = 4
"""That the slow job takes besides what the tiny one does."""


def test_killed_anywhere_and_run_again_the_job_makes_the_same_bytes(
    slow_run: dict[str, bytes], trained: Trained, tmp_path: Path, warm: Warm, thorough: bool
) -> None:
    """From the first import to the closing table, each going on with what the last one left."""
    rng = randomly("anywhere")
    here = slow_experiment(tmp_path / "0")
    for number in range(40 if thorough else 2):
        finished = killed_after(rng.uniform(0, trained.seconds + SLOW_SECONDS), start(*JOB, cwd=here))
        assert finished.err == ""
        if finished.code == 0:
            assert command.contents(here / "runs") == slow_run
            here = slow_experiment(tmp_path / str(number + 1))
    finished = warm.job(cwd=here)
    assert (finished.code, finished.err) == (0, "")
    assert command.litter(here / "runs") == []
    assert command.contents(here / "runs") == slow_run


@pytest.mark.parametrize(("sample", "all_of_them", "arguments"), [(6, 100, ()), (3, 40, ("--workers", "2"))])
def test_killed_while_it_trains_and_run_again_training_makes_the_same_bytes(
    sample: int,
    all_of_them: int,
    arguments: tuple[str, ...],
    slow_run: dict[str, bytes],
    tmp_path: Path,
    warm: Warm,
    thorough: bool,
) -> None:
    """And so does a whole group of processes: within a second after training goes on."""
    kills = all_of_them if thorough else sample
    rng = randomly("while it trains")
    here = slow_experiment(tmp_path / "0")
    hits = 0
    for number in range(3 * kills):
        before = command.trained(here / "runs")
        process = warm.start(*command.TRAINING, str(EPOCHS), *arguments, cwd=here)
        command.wait_until(functools.partial(goes_on, here, before), process)
        finished = killed_after(rng.uniform(0, 1), process)
        assert finished.err == ""
        done, _ = command.trained(here / "runs")
        hits += finished.code == -signal.SIGKILL and done < EPOCHS
        if done == EPOCHS:
            assert completed(here, warm) == command.of_training(slow_run)
            here = slow_experiment(tmp_path / str(number + 1))
        if hits == kills:
            break
    assert completed(here, warm) == command.of_training(slow_run)
    assert hits == kills


BETWEEN = "deeptrain: stopped; run the same command to go on\n"
"""What is said where nothing is trained, as between the tasks of two epochs."""


def stopped_in(told: str) -> tuple[int, int] | None:
    """The epoch in which training stopped, and how many of its iterations were done; None between two tasks."""
    where, _, rest = told.partition(" of 18 iterations; ")
    found = re.fullmatch(r"deeptrain: stopped in epoch (\d) after (\d+)", where)
    assert (found and rest == "a checkpoint holds everything: run the same command to go on\n") or told == BETWEEN, told
    return (int(found[1]), int(found[2])) if found else None


@pytest.mark.parametrize(("asked", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_writes_a_checkpoint_says_where_it_stopped_and_changes_nothing(
    asked: signal.Signals, code: int, slow_run: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = slow_experiment(tmp_path, SLOW_TOML.replace("autosave_seconds = 0.1", "autosave_seconds = 1000"))
    process = held_in(here, 3, warm)
    os.kill(process.pid, asked)
    command.let_go(here)
    finished = command.end(process)
    assert finished.code == code
    epochs, checkpoints = command.trained(here / "runs")
    epoch, done = stopped_in(finished.err) or (epochs + 1, 0)
    assert epochs == epoch - 1 >= 2
    # Just where an epoch ends there is nothing more to hold.
    assert checkpoints == [f"{epoch:05d}.{epochs * 18 + done:010d}"][: bool(done)]
    assert completed(here, warm) == command.of_training(slow_run)
    ran = [stage for stage in command.stages(here / "runs") if stage.startswith("epoch")]
    # Nothing twice; of a task that is stopped at its very end, when all is made, the log says that it was stopped.
    assert ran == [stage for number in range(1, 7) if (stage := f"epoch {number}") in ran]


def test_sigusr2_writes_a_checkpoint_and_training_goes_on(
    slow_run: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = slow_experiment(tmp_path, SLOW_TOML.replace("autosave_seconds = 0.1", "autosave_seconds = 1000"))
    process = held_in(here, 2, warm)
    assert command.trained(here / "runs")[1] == []

    def written() -> list[str]:
        os.kill(process.pid, signal.SIGUSR2)  # again: it is swept when the epoch ends, which may come before the look
        return command.trained(here / "runs")[1]

    command.wait_until(written, process)
    command.let_go(here)
    finished = command.end(process)
    assert (finished.code, finished.err) == (0, "")
    assert command.contents(here / "runs") == command.of_training(slow_run)


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


def test_a_stop_of_the_parent_stops_its_workers_too(slow_run: dict[str, bytes], tmp_path: Path, warm: Warm) -> None:
    here = slow_experiment(tmp_path)
    process = held_in(here, 2, warm, "--workers", "2")
    os.kill(process.pid, signal.SIGTERM)
    finished = command.end(process)
    command.let_go(here)
    assert finished.code == 143
    *first, last = finished.err.splitlines(keepends=True)
    assert all(map(stopped_in, first))
    assert (len(first) < 2, last) == (True, BETWEEN)
    assert completed(here, warm) == command.of_training(slow_run)


def test_sigusr1_of_the_parent_ends_the_training_of_its_worker_after_the_epoch(
    slow_run: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = slow_experiment(tmp_path)
    process = held_in(here, 2, warm, "--workers", "2")
    os.kill(process.pid, signal.SIGUSR1)
    (here / "held.1").rename(here / "held.4")  # until the end of this epoch, or of one soon after it
    finished = command.end(process)
    command.let_go(here)
    assert finished.code == 143
    done, checkpoints = command.trained(here / "runs")
    assert (1 < done < EPOCHS, checkpoints) == (True, [])
    said = finished.err.splitlines()
    # Between two epochs it has nothing more to say of where it stands.
    assert (
        f"deeptrain: stopped after epoch {done} of {EPOCHS}; a checkpoint holds everything" in said[0] or not said[1:]
    )
    assert f"{said[-1]}\n" == BETWEEN
    assert completed(here, warm) == command.of_training(slow_run)


def test_workers_whose_parent_was_killed_write_a_checkpoint_and_end(
    slow_run: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = slow_experiment(tmp_path)
    process = held_in(here, 2, warm, "--workers", "2")
    os.kill(process.pid, signal.SIGKILL)
    command.end(process)
    command.wait_until(lambda: not command.group_lives(process))
    command.let_go(here)
    done, checkpoints = command.trained(here / "runs")
    assert 1 <= done < EPOCHS
    assert checkpoints or done > 1  # just where an epoch ends there is none
    assert completed(here, warm) == command.of_training(slow_run)
