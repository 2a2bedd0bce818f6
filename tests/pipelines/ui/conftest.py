"""A store whose artifacts hold next to nothing, and a server of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines.ui.served import Served, serving


@pytest.fixture
def store(published: Path, tmp_path: Path) -> Path:
    """One run of three epochs with its report."""
    return Path(shutil.copytree(published / "runs", tmp_path / "runs"))


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
