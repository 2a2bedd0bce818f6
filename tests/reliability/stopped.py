"""A job that was killed in the middle of an epoch, to share."""

import functools
from pathlib import Path

import pytest

from tests.conftest import write_experiment
from tests.pipelines import command
from tests.pipelines.command import JOB, SLOW_BUILDER, SLOW_TOML, Finished, Warm


@pytest.fixture(scope="session")
def stopped(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slow job that was killed when it had two checkpoints in the middle of its second epoch."""
    while True:
        here = write_experiment(tmp_path_factory.mktemp("stopped"), toml=SLOW_TOML, builder=SLOW_BUILDER).parent
        process = warm.start(*JOB, cwd=here)
        command.wait_until(functools.partial(has_two_checkpoints, here), process)
        command.kill_group(process)
        if has_two_checkpoints(here):  # it went on training between the look and the kill
            return here


def has_two_checkpoints(here: Path) -> bool:
    epochs, checkpoints = command.trained(here / "runs")
    return epochs == 1 and len([name for name in checkpoints if name.startswith("00002.")]) == 2


def trained_two_epochs(here: Path, warm: Warm) -> Finished:
    task = ("Epoch", "--number", "2", "--epochs", "2", "--experiment", "tiny.toml", "--local-scheduler")
    return warm("--module", "pipelines", *task, cwd=here)


@pytest.fixture(scope="session")
def two_epochs(stopped: Path, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The slow job after its second epoch."""
    here = command.copied(stopped, tmp_path_factory.mktemp("two") / "here")
    assert trained_two_epochs(here, warm).err == ""
    return command.contents(here / "runs")
