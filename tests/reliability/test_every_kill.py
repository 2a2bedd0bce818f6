"""A training task killed before one of its operations on the disk, and run again: the same bytes (law 6).

In `make sample` a few of them by chance, with `--thorough` all.
"""

import shlex
import shutil
from pathlib import Path

import pytest

from deeptrain.store import verification
from tests.conftest import TOML, write_experiment
from tests.pipelines import command
from tests.pipelines.command import Finished, Warm
from tests.reliability.disturbed import OPERATIONS
from tests.reliability.sample import chosen, randomly

FULL = (
    TOML.replace("val = 30, calibration = 48, test = 52", "val = 35, calibration = 35, test = 35")
    .replace("epochs = 3", "epochs = 2\nautosave_seconds = 0.000001")
    .replace("batch_size = 16", "batch_size = 35")
)
"""Two epochs of two iterations, with a checkpoint after each of them."""
SAMPLE = 3


def disturbed(warm: Warm, here: Path, fault: str, at: int) -> Finished:
    """The training task with a fault at an operation; 0 for none."""
    arguments = ("runs", fault, str(at), "luigi", *command.TRAINING, "2")
    return warm(*arguments, cwd=here, module="tests.reliability.disturbed")


@pytest.fixture(scope="session")
def converted(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment whose shards are there."""
    here = write_experiment(tmp_path_factory.mktemp("converted") / "here", toml=FULL).parent
    task = ("--module", "pipelines", "Shards", "--experiment", "tiny.toml", "--local-scheduler")
    assert warm(*task, cwd=here).err == ""
    return here


@pytest.fixture(scope="session")
def undisturbed(
    converted: Path, warm: Warm, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[str], dict[str, bytes]]:
    """The operations of the task, and the bytes that are there after it."""
    here = command.copied(converted, tmp_path_factory.mktemp("undisturbed") / "here")
    finished = disturbed(warm, here, "kill", 0)
    assert (finished.code, finished.err) == (0, "")
    return (here / OPERATIONS).read_text().splitlines(), command.contents(here / "runs")


def test_killed_before_any_operation_and_run_again_training_makes_the_same_bytes(
    share: int,
    converted: Path,
    undisturbed: tuple[list[str], dict[str, bytes]],
    tmp_path: Path,
    warm: Warm,
    thorough: bool,
) -> None:
    operations, expected = undisturbed
    every, rng = range(1, len(operations) + 1), randomly("every kill")
    for at in chosen(every, share, thorough=thorough, count=SAMPLE, rng=rng):
        here = command.copied(converted, tmp_path / str(at))
        again = shlex.join(["python", "-m", "tests.reliability.disturbed", "runs", "kill", str(at), "luigi"])
        told = f"killed before {operations[at - 1]}, again by {again} {shlex.join(command.TRAINING)} 2"
        finished = disturbed(warm, here, "kill", at)
        assert (finished.code, finished.err) == (-9, ""), told
        assert verification.verify(here / "runs").faults == (), told
        finished = warm.train(2, cwd=here)
        assert (finished.code, finished.err) == (0, ""), told
        left = command.litter(here / "runs")
        found = command.contents(here / "runs")
        if (
            left
        ):  # the last epoch was there already, and predictions may need a state that is rebuilt from its checkpoint
            assert all("/unfinished/0" in name for name in left), told
            found = {name: data for name, data in found.items() if not name.startswith(tuple(left))}
            assert warm.job(cwd=here).code == 0, told
            assert command.litter(here / "runs") == [], told
        assert found == expected, told
        shutil.rmtree(here)
