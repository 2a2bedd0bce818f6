"""The slow job: what tests do to it while it trains, and what it makes when nothing happens to it."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import write_experiment
from tests.pipelines import command
from tests.pipelines.command import SLOW_BUILDER, SLOW_TOML, Finished, Fork, Warm

EPOCHS = 6


def slow_experiment(directory: Path, toml: str = SLOW_TOML) -> Path:
    """The slow experiment, written into a directory."""
    return write_experiment(directory, toml=toml, builder=SLOW_BUILDER).parent


@pytest.fixture(scope="session")
def slow_run(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the slow job makes."""
    here = slow_experiment(tmp_path_factory.mktemp("slow"))
    assert warm.job(cwd=here).err == ""
    return command.contents(here / "runs")


def held_in(here: Path, epoch: int, warm: Warm, *arguments: str) -> Fork:
    """A training that has come to the middle of an epoch, and is held there until it is let go."""
    command.hold(here, epoch)
    process = warm.start(*command.TRAINING, str(EPOCHS), *arguments, cwd=here)
    command.arrive(here, process)
    return process


def goes_on(here: Path, before: object) -> bool:
    """Whether an epoch or a checkpoint was published since."""
    return command.trained(here / "runs") != before


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
