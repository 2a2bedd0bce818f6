"""A password in the address of a scheduler stays with the command: it is in no log, no lock, no artifact, no page."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import without_secrets
from deeptrain.store.events import EventLog
from deeptrain.store.locks import Lock, holder
from tests.pipelines.command import Warm

SECRET = "hunter2!x"
ADDRESS = f"http://me:{SECRET}@127.0.0.1:1"


def holding_it(directory: Path) -> list[str]:
    return [str(path) for path in directory.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def test_a_command_with_a_password_leaves_it_nowhere(make_experiment: Callable[..., Path], warm: Warm) -> None:
    here = make_experiment().parent
    asked = ("--module", "pipelines", "Shards", "--experiment", "tiny.toml", "--scheduler-url", ADDRESS)
    finished = warm(*asked, cwd=here)
    assert finished.code == 0, finished
    assert list(here.glob("runs/tiny/live/*.lock"))
    assert "***@127.0.0.1" in "".join(path.read_text() for path in here.glob("runs/tiny/live/**/*.lock"))
    assert holding_it(here) == []
    assert SECRET not in finished.out + finished.err


def test_an_address_that_is_none_is_told_without_its_password(make_experiment: Callable[..., Path], warm: Warm) -> None:
    here = make_experiment().parent
    asked = ("--module", "pipelines", "Shards", "--experiment", "tiny.toml", "--scheduler-url")
    finished = warm(*asked, ADDRESS.replace("http", "ftp"), cwd=here)
    assert finished.code != 0
    assert "ftp://***@127.0.0.1:1" in finished.err
    assert SECRET not in finished.out + finished.err


def test_who_holds_a_lock_and_what_an_event_says_are_told_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["luigi", "--scheduler-url", ADDRESS])
    EventLog(tmp_path / "events.jsonl").append("task", said=f"no answer of {ADDRESS}/api", more=[ADDRESS])
    with Lock(tmp_path / "a.lock"):
        assert "--scheduler-url http://***@127.0.0.1:1" in str(holder(tmp_path / "a.lock"))
    assert holding_it(tmp_path) == []
    assert (tmp_path / "events.jsonl").read_text().count("http://***@127.0.0.1:1") == 2


@given(
    st.text(st.characters(exclude_characters="/?#\\\"'", exclude_categories=["Z", "C"]), max_size=20),
    st.sampled_from(["http", "https", "ftp", "s3"]),
)
def test_no_password_of_an_address_is_told(password: str, scheme: str) -> None:
    told = without_secrets(f"see {scheme}://name:{password}@host:80/place?a=b, and mail me@host")
    assert told == f"see {scheme}://***@host:80/place?a=b, and mail me@host"
    assert without_secrets(told) == told
    assert without_secrets(f"{scheme}://host/a@b") == f"{scheme}://host/a@b"
