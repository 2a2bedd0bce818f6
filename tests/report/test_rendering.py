"""The report's files follow from the run alone."""

import dataclasses
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain.report import rendering
from deeptrain.report.run import Run
from deeptrain.report.settings import ReportSettings

FAST = ReportSettings(dpi=50)
NAMES = ["index.html", "history.png", "state.png", "report.json"]


@pytest.fixture(scope="module")
def made(run: Run) -> dict[str, bytes]:
    return rendering.render(run, FAST)


def digests(made: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in made.items()}


def test_there_are_four_files(made: dict[str, bytes]) -> None:
    assert list(made) == NAMES
    assert all(made[name].startswith(b"\x89PNG") for name in NAMES if name.endswith("png"))
    assert made["index.html"].startswith(b"<!DOCTYPE html>")


def test_the_same_run_gives_the_same_bytes_and_another_run_others(
    made: dict[str, bytes], make_run: Callable[..., Run]
) -> None:
    assert rendering.render(make_run(), FAST) == made
    other = rendering.render(make_run(seed=1), FAST)
    assert not [name for name in NAMES if other[name] == made[name]]


def test_a_fresh_process_elsewhere_with_other_habits_gives_the_same_bytes(
    made: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's matplotlibrc, hash seed, locale, time zone and directory change nothing."""
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nlines.linewidth: 9\naxes.grid: False\nsavefig.dpi: 33\n")
    (tmp_path / "program.py").write_text(
        "import hashlib, json, runpy, sys, warnings\n"
        "warnings.simplefilter('error')\n"
        f"run = runpy.run_path({str(Path(__file__).with_name('conftest.py'))!r})['_run']()\n"
        "from deeptrain.report import rendering\n"
        "from deeptrain.report.settings import ReportSettings\n"
        "made = rendering.render(run, ReportSettings(dpi=50))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "print(json.dumps({name: hashlib.sha256(data).hexdigest() for name, data in made.items()}))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("LC_ALL", "C")
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == digests(made)


def test_nothing_of_the_place_gets_in(made: dict[str, bytes]) -> None:
    for data in made.values():
        assert str(Path.cwd()).encode() not in data
        assert str(Path.home()).encode() + b"/" not in data
        assert b"Matplotlib" not in data


def test_there_is_a_picture_of_what_applies(make_run: Callable[..., Run]) -> None:
    base = make_run()
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {"history", "threshold", "reliability", "scores", "ranking", "confusion", "subset"}),
        ({"subset": None}, {"history", "threshold", "reliability", "scores", "ranking", "confusion"}),
        ({"evaluation": None, "test": None}, {"history", "threshold", "reliability", "scores", "ranking", "subset"}),
        ({"calibration": None, "threshold": None, "subset": None}, {"history", "reliability", "confusion"}),
        ({"calibration": None, "threshold": None, "subset": None, "evaluation": None, "test": None}, {"history"}),
    ]
    for changes, names in cases:
        assert {"history", *rendering.applicable(dataclasses.replace(base, **changes))} == names


def test_report_json_is_strict_json_with_the_numbers(make_run: Callable[..., Run]) -> None:
    losses = np.array([0.5, np.nan, np.inf, 0.25] * 25)
    run = make_run(calibrated=False, losses=losses, stopped="No better for 3 epochs.")

    def refuse(name: str) -> None:
        raise AssertionError(name)

    told = json.loads(rendering.render(run, FAST)["report.json"], parse_constant=refuse)
    assert told["best_epoch"] == 4
    assert told["stopped"] == "No better for 3 epochs."
    assert told["lineage"][0]["identity"] == run.lineage[0].identity
    assert told["pictures"]["history"]["not_finite"] == 50
    assert told["pictures"]["history"]["lines"]["each_iteration"]["value"][:2] == [0.5, "nan"]


def test_the_pictures_are_as_sharp_as_asked_and_as_large_as_ever(made: dict[str, bytes], run: Run) -> None:
    sharp = rendering.render(run, ReportSettings(dpi=100))
    for found in (made, sharp):
        assert b'width="1040"' in found["index.html"]
    small, large = (np.frombuffer(found["state.png"][16:24], ">u4").astype(int) for found in (made, sharp))
    assert np.abs(large - 2 * small).max() <= 1


@pytest.mark.parametrize("epochs", [1, 300])
def test_short_and_long_trainings_have_a_report(make_run: Callable[..., Run], epochs: int) -> None:
    assert list(rendering.render(make_run(epochs=epochs, per_epoch=40, calibrated=False), FAST)) == NAMES


@pytest.mark.parametrize("losses", [[], [np.nan] * 8], ids=["empty", "not finite"])
def test_a_history_without_a_number_is_drawn(make_run: Callable[..., Run], losses: list[float]) -> None:
    nothing = [{**epoch, "train": {"loss": "nan"}, "validation": {}} for epoch in make_run(calibrated=False).epochs]
    run = make_run(calibrated=False, losses=np.array(losses))
    made = rendering.render(dataclasses.replace(run, epochs=tuple(nothing), health=(), hardest=(), examples=()), FAST)
    assert list(made) == NAMES
    assert b'id="health"' not in made["index.html"]
