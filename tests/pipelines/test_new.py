"""`python -m pipelines new`."""

import hashlib
import re
import shlex
from pathlib import Path

import pytest

from pipelines.__main__ import main
from tests.conftest import tree
from tests.pipelines import command


def test_the_new_experiment_runs_by_the_command_it_prints(tmp_path: Path, warm: command.Warm) -> None:
    made = warm("new", "my first", cwd=tmp_path, module="pipelines")
    assert made.code == 1
    assert made.err == (
        "deeptrain: my first: the experiment is called as its directory: expected letters, digits, '.', '_' and '-', "
        "beginning with a letter or digit\n"
    )
    made = warm("new", "mine", cwd=tmp_path, module="pipelines")
    assert (made.code, made.err) == (0, "")
    said = re.search(r"^run it: luigi (.+)$", made.out, re.MULTILINE)
    assert said is not None
    finished = warm(*shlex.split(said[1]), "--epochs", "2", "--local-scheduler", cwd=tmp_path)
    assert (finished.code, finished.err) == (0, "")
    assert len(list(tmp_path.glob("runs/mine/report-*/index.html"))) == 1
    assert len(list(tmp_path.glob("runs/mine/subset-*"))) == 1


def test_two_new_experiments_are_the_same_but_for_their_names(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    for name in ("first", "second"):
        assert main(["new", str(tmp_path / name)]) == 0
    first, second = tree(tmp_path / "first"), tree(tmp_path / "second")
    settings = first.pop("experiment.toml")
    assert b'name = "first"' in settings
    assert settings.replace(b'"first"', b'"second"') == second.pop("experiment.toml")
    assert first == second
    assert sorted(first) == [*(f"data/tumours-{number}.csv" for number in range(1, 5)), "model.py"]
    data = b"".join(first[name] for name in sorted(first) if name != "model.py")
    assert data.count(b"\n") == 569 + 4
    assert hashlib.sha256(data).hexdigest() == "bd10fefaac2788b9cc14803aa541fd00e92ec9c419610c37351e961fb72207b1"


def test_a_directory_that_is_not_empty_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work").write_text("hours")
    (tmp_path / "file").write_text("x")
    for name in ("mine", "file"):
        assert main(["new", str(tmp_path / name)]) == 1
        assert capsys.readouterr().err == (
            f"deeptrain: {tmp_path / name}: is not empty; name a directory that is, or one that is not there yet\n"
        )
    assert tree(tmp_path) == {"mine/work": b"hours", "file": b"x"}
    assert main(["new", str(tmp_path / "file" / "mine")]) == 1
    assert "cannot be written: File exists" in capsys.readouterr().err
