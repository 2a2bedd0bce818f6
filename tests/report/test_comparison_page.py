"""The page of a comparison is whole in itself, safe with any text, and the same every time."""

import dataclasses
import math

import pytest

from deeptrain.calibration.intervals import Gain, Interval
from deeptrain.drawing import canvas
from deeptrain.drawing.canvas import LIGHT
from deeptrain.report import comparison_page, comparison_picture
from deeptrain.report.compared import ComparedRun, Comparison, Difference, OnTest
from deeptrain.report.settings import ReportSettings
from tests.report.test_page import HOSTILE, Page

SHARP = ReportSettings(dpi=50)


def compared(count: int = 3, epochs: int = 4) -> Comparison:
    runs = []
    for place in range(count):
        told = tuple(
            {
                "epoch": number,
                "train": {"loss": 1 / number},
                "validation": {
                    "loss": "nan" if number == 2 else 30 / number**3,
                    "f1_score": 0.1 * number + place / 100,
                },
                "stopped": None,
            }
            for number in range(1, epochs + place % 3)
        )
        runs.append(
            ComparedRun(
                letter=chr(ord("A") + place),
                name=f"M{place + 1}__cnn__max.9",
                where=f"runs/digits/training-{place}",
                settings={"training.batch_size": 32 * (place + 1), "training.loss": "mse"},
                epochs=told,
                key_metric="f1_score",
                maximize=True,
                best_epoch=1,
                parameters=10,
                test=OnTest("f1_score", 0.8 + place / 100, Interval(0.7, 0.9), "", 500),
                seconds=None,
            )
        )
    gain = Gain(-0.1, 0.2, 0.01)
    return Comparison(tuple(runs), (Difference("B", "f1_score", gain, 500),), (("C", "There is no test score."),))


def test_a_notebook_shows_the_runs_side_by_side() -> None:
    lines = repr(compared()).splitlines()
    assert lines == str(compared()).splitlines()
    assert lines[0] == "A  M1__cnn__max.9  runs/digits/training-0"
    (batch,) = [line for line in lines if line.startswith("training.batch_size")]
    assert batch.split() == ["training.batch_size", "32", "64", "96"]
    assert [lines[3].index(letter) for letter in "ABC"] == [batch.index(size) for size in ("32", "64", "96")]
    assert lines[-2].startswith("B against A: a gain of 0.010 in F1 score")
    assert lines[-1] == "C: There is no test score."


def test_the_page_says_what_differs_and_what_it_is_worth() -> None:
    found = Page(comparison_page.render(compared(), SHARP).decode())
    text = " ".join(found.text.split())
    assert (
        "B against A: a gain of 0.010 in F1 score on the same 500 test samples (−0.100 to 0.200), within noise." in text
    )
    assert "training.batch_size326496" in text
    assert "training.loss" not in text
    assert "C. There is no test score." in text
    assert text.index("within noise") < text.index("Outcome") < text.index("Settings that differ")


def test_the_page_needs_no_script_and_no_network_and_shows_nothing_only_in_pictures() -> None:
    html = comparison_page.render(compared(), SHARP).decode()
    found = Page(html)
    assert not {"script", "iframe", "object"} & {name for name, _ in found.tags}
    assert all(str(one["src"]).startswith("data:image/png;base64,") for one in found.of("img"))
    assert all(one["alt"] for one in found.of("img"))
    assert "default-src 'none'" in html


def test_texts_of_runs_are_never_markup() -> None:
    first, *others = compared().runs
    hostile = dataclasses.replace(first, name=HOSTILE, where=HOSTILE, settings={HOSTILE: HOSTILE})
    given = dataclasses.replace(compared(), runs=(hostile, *others), notices=((HOSTILE, HOSTILE),))
    html = comparison_page.render(given, ReportSettings(title=HOSTILE, dpi=50)).decode()
    assert "<script" not in html
    assert Page(html).text.count(HOSTILE) >= 6


def test_the_same_comparison_gives_the_same_bytes() -> None:
    assert comparison_page.render(compared(), SHARP) == comparison_page.render(compared(), SHARP)


@pytest.mark.parametrize("width", [380, 1040])
@pytest.mark.parametrize("count", [2, 26])
def test_the_histories_have_every_run_once_and_gaps_where_no_number_is(count: int, width: int) -> None:
    given = compared(count)
    with canvas.drawing():
        picture = comparison_picture.draw_histories(given, LIGHT, width)
    assert list(picture.numbers) == ["Loss, training", "Loss, validation", "F1 score, validation"]
    for drawn in picture.numbers.values():
        assert list(drawn) == [run.letter for run in given.runs]
    assert math.isnan(picture.numbers["Loss, validation"]["A"]["value"][1])
    looks = {comparison_picture._look(run, given, LIGHT) for run in given.runs}
    assert len(looks) == count
    assert [axes.get_yscale() for axes in picture.figure.axes] == ["linear", "log", "linear"]


def test_runs_without_a_validation_or_a_test_score_are_drawn_as_far_as_they_are() -> None:
    bare = [
        dataclasses.replace(
            run, test=None, key_metric="loss", epochs=tuple({**one, "validation": {}} for one in run.epochs)
        )
        for run in compared().runs
    ]
    given = Comparison(tuple(bare), (), ())
    found = Page(comparison_page.render(given, SHARP).decode())
    assert len(found.of("img")) == 1
    assert given.runs[0].best == 1.0
