"""A store whose artifacts hold next to nothing, and a server of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deeptrain import lineage
from tests.conftest import write_experiment
from tests.pipelines.ui.served import Served, serving
from tests.published_runs import publish


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = write_experiment(tmp_path_factory.mktemp("published") / "here")
    publish(lineage.read(file, store=file.parent / "runs"))
    return file.parent / "runs"


@pytest.fixture
def store(published: Path, tmp_path: Path) -> Path:
    """One run of three epochs with its report."""
    return Path(shutil.copytree(published, tmp_path / "runs"))


@pytest.fixture
def training(store: Path) -> Path:
    return next(store.glob("tiny/training-*"))


@pytest.fixture
def place(training: Path) -> str:
    """The training in an address."""
    return f"tiny/{training.name}"


@pytest.fixture
def served(store: Path) -> Iterator[Served]:
    with serving(store) as one:
        yield one
