"""Two hundred thousand iterations take no more of the machine than the first few: memory, threads, open files, disk."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines import command
from tests.reliability.long_runs import EPOCHS, ITERATIONS, LOG_BYTES

GROWTH = 0.02
"""Of the memory, after the first 5 % of the epochs."""
EPOCH_BYTES = 8_000
"""That an epoch which has ended may cost of it, whatever the model's size: its results, and what is shown of them."""
NOISE = 256 << 10
A_LINE = 500


def taken(directory: Path, kind: str, epochs: int, iterations: int) -> dict[str, Any]:
    asked = (kind, str(directory), "--epochs", str(epochs), "--iterations", str(iterations))
    process = subprocess.run(
        [sys.executable, "-m", "tests.reliability.long_runs", *asked],
        cwd=command.ROOT,
        env=command.environment(OMP_NUM_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    found: dict[str, Any] = json.loads(process.stdout)
    assert (found["epochs"], found["iterations"]) == (epochs, epochs * iterations)
    return found


def hold(found: dict[str, Any]) -> None:
    """What must hold of a training of any length."""
    memory = {int(epoch): size for epoch, size in found["memory"].items()}
    first, last = sorted(memory)[1], max(memory)
    assert memory[last] - memory[first] < EPOCH_BYTES * (last - first) + NOISE, memory
    for fewest, most in (found["threads"], found["files"]):
        assert most - fewest <= 4, found  # a thread that writes has a file open, and a display may have ended
    assert found["checkpoints"] <= 3  # two, and the one that is being written
    assert found["states"] == found["kept"]
    middle, end = found["epoch"]
    assert abs(end - middle) < 100, "an epoch takes more of the disk than one before"


@pytest.mark.thorough
def test_a_long_training_by_the_command_takes_no_more_of_the_machine_at_its_end(tmp_path: Path) -> None:
    """It takes three minutes of a quiet machine."""
    found = taken(tmp_path / "here", "command", EPOCHS, ITERATIONS)
    hold(found)
    assert found["growth"] < GROWTH, found["memory"]


def test_a_training_of_many_epochs_takes_no_more_of_the_machine_at_its_end_and_its_log_is_rotated(
    tmp_path: Path, thorough: bool
) -> None:
    """A model in NumPy, where little hides what grows."""
    epochs, iterations = (EPOCHS, ITERATIONS) if thorough else (300, 2)
    found = taken(tmp_path / "here", "trainer", epochs, iterations)
    hold(found)
    rotated, log = found["log"]
    assert max(rotated, log) <= LOG_BYTES + A_LINE
