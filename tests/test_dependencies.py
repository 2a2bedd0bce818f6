"""What is installed, and the least that is asked for, is not older than the versions that mended what a stranger's
file or request could do. No network is asked: the list is kept by hand.
"""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

FLOORS = {
    "jinja2": ("3.1.6", "CVE-2025-27516, a template could leave its sandbox"),
    "keras": ("3.12", "CVE-2025-12060, CVE-2025-9905 and others: a model file could run code or write files"),
    "pillow": ("11.3", "CVE-2025-48379, an image could write behind a buffer"),
    "protobuf": ("6.31.1", "CVE-2025-4565, a message could exhaust the stack"),
    "pyarrow": ("14.0.1", "CVE-2023-47248, a file could run code"),
    "scikit-learn": ("1.5", "CVE-2024-5206, samples were kept in a model"),
    "tornado": ("6.5", "CVE-2025-47287, a request could fill the log and stop the server"),
}
PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
DECLARED = {one.name: one for one in map(Requirement, PROJECT["dependencies"])}


@pytest.mark.parametrize("name", FLOORS)
def test_what_is_installed_is_not_older_than_what_mended_it(name: str) -> None:
    floor, why = FLOORS[name]
    assert Version(metadata.version(name)) >= Version(floor), why


@pytest.mark.parametrize("name", DECLARED)
def test_the_least_that_is_asked_for_is_not_older_either(name: str) -> None:
    (least,) = (one.version for one in DECLARED[name].specifier if one.operator == ">=")
    assert Version(metadata.version(name)) >= Version(least)
    assert Version(least) >= Version(FLOORS.get(name, ("0", ""))[0])
