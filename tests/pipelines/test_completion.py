"""The script of `python -m pipelines completion`, in a real bash."""

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.__main__ import main

ASKED = """
source script.bash
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
{function}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the script and an experiment."""
    pytest.importorskip("shtab")
    directory = tmp_path_factory.mktemp("completion")
    (directory / "mine.toml").touch()
    with (directory / "script.bash").open("w") as file, contextlib.redirect_stdout(file):
        assert main(["completion"]) == 0
    return directory


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("python -m pipelines pl", {"plan"}),
        ("python3 -m pipelines plan mi", {"mine.toml"}),
        ("python -m pipelines plan mine.toml --ep", {"--epochs"}),
        ("python -m pipelines plan mine.toml --task Ca", {"Calibrate"}),
        ("python -m pipelines clean --k", {"--keep-last"}),
        ("python -m pdb pl", {""}),
        ("luigi --mod", {"--module"}),
        ("luigi --module pipelines Tr", {"TrainModel"}),
        ("luigi --module pipelines TrainModel --on", {"--on-code-change"}),
        ("luigi --module pipelines TrainModel --debug --experiment mi", {"mine.toml"}),
        ("luigi --module pipelines RawFiles --t", {"--to"}),
    ],
)
def test_bash_completes_commands_tasks_options_and_files(words: str, found: set[str], here: Path) -> None:
    first = words.split()[0]
    function = "_shtab_luigi" if first == "luigi" else "_deeptrain_of_python"
    asked = ASKED.format(words=words, function=function)
    done = subprocess.run(["bash", "-c", asked], cwd=here, capture_output=True, text=True, check=True)
    assert set(done.stdout.splitlines()) == found
    told = subprocess.run(
        ["bash", "-c", f"source script.bash; complete -p {first}"], cwd=here, capture_output=True, text=True, check=True
    )
    assert f"-F {function} " in told.stdout


def test_without_shtab_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion"]) == 1
    assert capsys.readouterr().err == ("deeptrain: completion needs the package shtab: pip install shtab\n")
