"""Finished runs to share and a way to run commands fast, as the tests of the command have them."""

from tests.pipelines.conftest import here, trained, warm

__all__ = ["here", "trained", "warm"]
