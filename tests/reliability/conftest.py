"""Finished runs to share, a way to run commands fast as the tests of the command have it, and how much is tried."""

import pytest

from tests.pipelines.conftest import here, trained, warm
from tests.reliability.stopped import stopped, two_epochs

__all__ = ["here", "stopped", "thorough", "trained", "two_epochs", "warm"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make reliability` tries everything, `make sample` some of it."""
    parser.addoption("--thorough", action="store_true", help="every fault at every operation, not a sample of them")


@pytest.fixture(scope="session")
def thorough(request: pytest.FixtureRequest) -> bool:
    """Whether everything is tried."""
    return bool(request.config.getoption("--thorough", default=False))
