"""`python -m pipelines clean`."""

import io
import json
import re
import sys
from pathlib import Path

import pytest

from deeptrain.store import artifact
from pipelines.__main__ import main
from tests.pipelines import command
from tests.pipelines.conftest import Trained

OTHER = ("--settings", '{"training.batch_size": 32}')


class Person(io.StringIO):
    """Somebody at a terminal, and what is typed."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_cleaning_keeps_the_last_run_whole_and_the_other_is_trained_again_if_asked_for(
    here: Path, warm: command.Warm, trained: Trained
) -> None:
    assert warm.job(*OTHER, "--epochs", "1", cwd=here).code == 0
    both = command.contents(here / "runs")
    asked = ("clean", "--keep-last", "1")
    listed = warm(*asked, cwd=here, module="pipelines")
    assert listed.code == 0
    assert listed.out.endswith("nothing was deleted; say --yes to delete it without being asked\n")
    assert command.contents(here / "runs") == both
    cleaned = warm(*asked, "--yes", cwd=here, module="pipelines")
    assert (cleaned.code, cleaned.err) == (0, "")
    assert re.search(r"\ndeleted [0-9.]+ kB\n$", cleaned.out)
    left = command.contents(here / "runs")
    assert left.items() < both.items()
    assert sum("manifest.json" in name and "/training-" in name and "/epochs/" in name for name in left) == 1
    before = len(command.stages(here / "runs"))
    assert warm.job(*OTHER, "--epochs", "1", cwd=here).code == 0
    assert command.stages(here / "runs")[before:] == []
    assert warm.job(cwd=here).code == 0
    assert command.contents(here / "runs") == {**left, **trained.contents}
    assert command.stages(here / "runs")[before:][:3] == ["epoch 1", "epoch 2", "epoch 3"]


@pytest.fixture
def damaged(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where something was set aside, as the working directory."""
    monkeypatch.chdir(here)
    return artifact.set_aside(next(here.glob("runs/tiny/threshold-*"))).parent


@pytest.mark.parametrize(("typed", "deleted"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_it_asks_before_it_deletes(typed: str, deleted: bool, damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Person()
    monkeypatch.setattr(sys, "stdin", Person(typed))
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["clean", "--quarantine"]) == 0
    assert "runs/tiny/quarantine  set aside as damaged or stale" in out.getvalue()
    assert "delete it? [y/N] " in out.getvalue()
    assert damaged.exists() != deleted


def test_json_tells_what_may_go_and_deletes_when_told(damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean", "--quarantine", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (piece,) = told["pieces"]
    assert (piece["path"], piece["bytes"], told["deleted"]) == ("runs/tiny/quarantine", told["bytes"], False)
    assert damaged.exists()
    assert main(["clean", "--quarantine", "--json", "--yes"]) == 0
    assert json.loads(capsys.readouterr().out)["deleted"] is True
    assert not damaged.exists()
    assert main(["clean", "--json", "--yes"]) == 0
    assert json.loads(capsys.readouterr().out)["pieces"] == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--older-than", "30"], "expected a number and a unit (m, h, d or w), such as 30d, got '30'"),
        (["--keep-last", "0"], "expected a number of at least 1, got '0'"),
        (["--keep-last", "2", "--quarantine"], "not allowed with argument --keep-last"),
    ],
)
def test_a_rule_that_is_none_is_told(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["clean", *arguments])
    assert line in capsys.readouterr().err


def test_a_store_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean", "--store", str(tmp_path / "gone")]) == 1
    assert (
        capsys.readouterr().err == f"deeptrain: {tmp_path / 'gone'}: no such directory of runs; name it with --store\n"
    )
