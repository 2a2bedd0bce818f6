"""Finished runs to share, a way to run commands fast as the tests of the command have it, and how much is tried."""

import pytest

from tests.conftest import EVEN
from tests.pipelines.conftest import Trained, finished_job, here, warm
from tests.reliability.sample import SHARES
from tests.reliability.slow_runs import slow_run
from tests.reliability.stopped import stopped, two_epochs

__all__ = ["here", "slow_run", "stopped", "thorough", "trained", "two_epochs", "warm"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make reliability` tries everything, `make sample` some of it."""
    parser.addoption("--thorough", action="store_true", help="every fault at every operation, not a sample of them")


def pytest_configure(config: pytest.Config) -> None:
    """Tests that are no part of the sample say so before anything is made for them."""
    config.addinivalue_line("markers", "thorough: tried by `make reliability` alone")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip them, if not everything is tried."""
    if item.get_closest_marker("thorough") is not None and not _thorough(item.config):
        pytest.skip("not in the sample")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Divide everything that is tried of one kind among several tests; a sample of it is one."""
    if "share" in metafunc.fixturenames:
        metafunc.parametrize("share", range(SHARES if _thorough(metafunc.config) else 1))


def _thorough(config: pytest.Config) -> bool:
    return bool(config.getoption("--thorough", default=False))


@pytest.fixture(scope="session")
def thorough(request: pytest.FixtureRequest) -> bool:
    """Whether everything is tried."""
    return _thorough(request.config)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The tiny experiment after its complete job; its batches are of one size, so that damage is soon made good."""
    return finished_job(tmp_path_factory.mktemp("trained") / "here", EVEN)
