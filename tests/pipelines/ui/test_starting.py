"""Runs that are started from the page: which may be, by whom, and what becomes of them."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deeptrain.errors import DataError, SettingsError
from pipelines.ui.starting import Starter
from tests.conftest import TOML
from tests.pipelines.command import environment, wait_until
from tests.pipelines.ui.served import Served, serving

NO_TASKS = "[experiment\nname = 1"
WAITING = """
import os, time

while os.path.exists("held"):
    time.sleep(0.01)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """With two experiments, one of which is wrong, and what is none."""
    here = tmp_path / "here"
    for below in ("below", "first", ".hidden"):
        (here / below).mkdir(parents=True)
    for name, text in (
        ("b.toml", TOML), ("a.toml", '[experiment]\nname = "a"\n'), ("pyproject.toml", "[project]\nname = 'x'"),
        ("broken.toml", NO_TASKS), (".hidden.toml", TOML), ("-x.toml", TOML), ("below/c.toml", TOML), ("d.txt", TOML),
        ("first/experiment.toml", TOML), (".hidden/experiment.toml", TOML),
        ("list.toml", "experiment = [1]"), ("large.toml", TOML + "#" * (1 << 20)),
    ):  # fmt: skip
        (here / name).write_text(text)
    (here / "link.toml").symlink_to(here / "b.toml")
    (here / "linked").symlink_to(here / "first")
    os.mkfifo(here / "pipe.toml")
    return here


@pytest.fixture
def held(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file; while it is there, what is started does not come to its first line, and so not to its end."""
    (directory / "sitecustomize.py").write_text(WAITING)
    around = environment()
    for name, value in {**around, "PYTHONPATH": f"{directory}{os.pathsep}{around['PYTHONPATH']}"}.items():
        monkeypatch.setenv(name, value)
    file = directory / "held"
    file.touch()
    return file


@pytest.fixture
def served(store: Path, directory: Path) -> Iterator[Served]:
    with serving(store, experiments=directory) as one:
        yield one


def test_only_experiments_of_the_directory_may_be_started(store: Path, directory: Path) -> None:
    starter = Starter(directory, store, "http://127.0.0.1:1/")
    assert starter.experiments() == ["a.toml", "b.toml", "first/experiment.toml"]
    (directory / "list.toml").write_text(TOML + "# now it is one\n")
    assert starter.experiments() == ["a.toml", "b.toml", "first/experiment.toml", "list.toml"]
    outside = directory.parent / "outside.toml"
    outside.write_text(TOML)
    for name in (
        "c.toml",
        "below/c.toml",
        "../outside.toml",
        str(outside),
        "link.toml",
        "linked/experiment.toml",
        ".hidden/experiment.toml",
        "first",
        "--help",
        "",
        "b.toml\0",
        "B",
    ):
        with pytest.raises(SettingsError, match="is no experiment here"):
            starter.start(name)
    assert starter.started() == []
    assert Starter(directory / "gone", store, "http://127.0.0.1:1/").experiments() == []


def test_what_is_started_is_a_command_of_its_own_whose_mistake_is_told(served: Served, held: Path) -> None:
    answer = served.start("a.toml")
    assert answer.status == 200
    process = int(json.loads(answer.text)["answer"].removeprefix("started as process "))
    assert os.getpgid(process) == process != os.getpgid(0)
    assert f"process {process} is at work" in served.ask("/").text
    again = served.start("a.toml")
    assert (again.status, json.loads(again.text)["error"]) == (409, f"a.toml runs already, as process {process}")
    held.unlink()
    wait_until(lambda: "ended with 40" in served.ask("/").text)
    assert "missing; expected a table" in served.ask("/").text
    assert not Path(f"/proc/{process}").exists()


@pytest.mark.usefixtures("held")
def test_of_an_experiment_one_run_is_started_at_a_time_apart_from_the_server(store: Path, directory: Path) -> None:
    starter = Starter(directory, store, "http://127.0.0.1:1/")
    process = starter.start("b.toml")
    with pytest.raises(DataError, match=f"b.toml runs already, as process {process}"):
        starter.start("b.toml")
    assert os.getsid(process) == process
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: starter.started()[0].code == -signal.SIGKILL)
    again = starter.start("b.toml")
    assert again != process
    os.kill(again, signal.SIGKILL)
    wait_until(lambda: starter.started()[0].code is not None)


def test_nobody_else_starts_anything(served: Served) -> None:
    for headers in (
        {"X_Deeptrain_Token": "another"},
        {"X_Deeptrain_Token": ""},
        {"Origin": "http://evil.example"},
        {"Host": "evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
    ):
        assert served.start("a.toml", **headers).status == 403
    assert served.ask("/start", "POST", b'{"text": "a.toml"}').status == 403
    assert served.ask("/start?text=a.toml").status == 405
    assert "at work" not in served.ask("/").text.partition('class="started"')[2].partition("</section>")[0]
    for body in (b"", b"[]", b'{"text": 1}', b"\xff"):
        assert served.ask("/start", "POST", body, **served.own).status == 409


def test_a_server_of_a_store_alone_starts_nothing(store: Path) -> None:
    with serving(store) as served:
        assert 'id="start"' not in served.ask("/").text
        answer = served.start("a.toml")
        assert (answer.status, json.loads(answer.text)["error"]) == (409, "no run is started from this page")
