"""Finished runs to share, since a run takes seconds: tests copy them."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import TOML, write_experiment
from tests.pipelines import command
from tests.pipelines.command import Finished, Warm


class Trained(NamedTuple):
    """A finished job.

    Attributes:
        directory: of the experiment, with its runs.
        finished: what the command left.
        contents: the bytes of the runs.
        seconds: how long it took.
    """

    directory: Path
    finished: Finished
    contents: dict[str, bytes]
    seconds: float


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The tiny experiment after its complete job."""
    return finished_job(tmp_path_factory.mktemp("trained") / "here")


def finished_job(directory: Path, toml: str = TOML) -> Trained:
    """The complete job of an experiment, run in a process of its own."""
    write_experiment(directory, toml)
    begun = time.monotonic()
    finished = command.job(cwd=directory)
    return Trained(directory, finished, command.contents(directory / "runs"), time.monotonic() - begun)


@pytest.fixture
def here(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the trained experiment's directory, of one's own."""
    return command.copied(trained.directory, tmp_path / "here")


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """Runs commands fast."""
    runner = Warm(tmp_path_factory.mktemp("warm"))
    yield runner
    runner.close()
