"""Which samples are hardest, and how they are drawn."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deeptrain import hardest as runs
from deeptrain.drawing import canvas
from deeptrain.drawing.canvas import DARK
from deeptrain.errors import DataError, SettingsError
from deeptrain.introspection import hardest
from deeptrain.introspection.hardest import HardSample
from deeptrain.introspection.pictures import samples
from deeptrain.introspection.pictures.samples import Sample
from tests.overlaps import assert_nothing_overlaps


def hard(x: Any, **changes: Any) -> HardSample:
    given: dict[str, Any] = {
        "split": "test",
        "index": 7,
        "loss": 3.5,
        "label": np.array(0),
        "output": np.array(0.97),
        "kind": "binary",
        "classes": ("other", "8"),
        "set_number": 12,
        "file": "digits-1.csv",
        "row": 4,
        "x": x,
    }
    return HardSample(**given | changes)


@given(st.lists(st.floats(width=32), min_size=1, max_size=30), st.integers(1, 40))
def test_the_hardest_lose_most_and_what_is_no_number_comes_first(lost: list[float], count: int) -> None:
    found = hardest.hardest(lost, count).tolist()
    assert len(found) == min(count, len(lost)) == len(set(found))
    keys = [
        (not np.isnan(lost[place]), -np.nan_to_num(lost[place], posinf=np.inf, neginf=-np.inf), place)
        for place in range(len(lost))
    ]
    assert found == sorted(range(len(lost)), key=keys.__getitem__)[:count]


@pytest.mark.parametrize("count", [0, -1, True, 1.5])
def test_a_count_that_is_none_is_refused(count: Any) -> None:
    with pytest.raises(SettingsError, match="expected an integer of at least 1 of samples or iterations, got"):
        hardest.hardest([1.0], count)


def test_what_a_sample_loses_is_its_cross_entropy_or_squared_error() -> None:
    lost = hardest.losses([1, 0, 1], [0.5, 0.25, np.nan], "binary")
    np.testing.assert_allclose(lost, [np.log(2), -np.log(0.75), np.nan])
    lost = hardest.losses([2, 0], [[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]], "classes")
    np.testing.assert_allclose(lost, [-np.log(0.5), -np.log(0.1)])
    lost = hardest.losses(np.zeros((2, 2)), [[1.0, 3.0], [np.inf, 0.0]], "values")
    np.testing.assert_allclose(lost, [5.0, np.nan])


def test_a_sample_says_in_words_what_it_is_and_where_it_is_from() -> None:
    assert hard(None).judgement == "other, said 8 (0.97)"
    assert hard(None).place == "set 12, digits-1.csv row 4"
    three = {"kind": "classes", "classes": ("walk", "run", "sit"), "output": np.array([0.1, 0.2, 0.7])}
    assert hard(None, label=np.array(1), **three).judgement == "run, said sit (0.70)"
    assert hard(None, kind="values", label=np.array(1.5), output=np.array(0.25)).judgement == "1.500, said 0.250"
    assert hard(None, kind="values", label=np.zeros(3), output=np.zeros(3)).judgement == ""


@pytest.mark.parametrize(
    "x", [np.arange(64.0).reshape(8, 8, 1), np.arange(90.0).reshape(30, 3), np.array([1.0, -2.0, np.nan])]
)
def test_samples_are_drawn_as_what_they_are_to_the_same_bytes(x: np.ndarray) -> None:
    found = [hard(x, loss=float(number)) for number in range(3)]
    drawn = runs.picture(found)
    assert [one["title"] for one in drawn.numbers["samples"]] == ["loss 0.000", "loss 1.000", "loss 2.000"]
    assert drawn.numbers["samples"][0]["told"] == ["other, said 8 (0.97)", "set 12, digits-1.csv row 4"]
    assert drawn.numbers["samples"][0]["not_finite"] == int(np.isnan(x).sum())
    assert drawn.words.startswith("Hardest samples: 3 samples. loss 0.000, other, said 8 (0.97), set 12")
    first = drawn.png()
    assert first == runs.picture(found).png()
    assert Image.open(io.BytesIO(first)).width == 1200
    assert runs.picture(found, theme=DARK).png() != first


@pytest.mark.filterwarnings("error")
def test_rows_of_a_table_are_drawn_column_by_column_each_in_its_own_scale() -> None:
    ends = [(30.0, 44.0), (-1200.0, 50000.0), (1.5, 1.5), (np.inf, -np.inf), (-1.7e308, 1.7e308), (0.0, 3.0)]
    columns = dict(zip(("age", "income", "constant", "never", "1e308", "far " * 20), ends, strict=True))
    rows = [[30.0, 56431.7, 1.5, np.nan, 1.7e308, 0.02685], [44.0, -1200.0, 1.5, np.nan, -np.inf, 3.0]]
    found = [hard(np.array(row), columns=columns, loss=float(number)) for number, row in enumerate(rows)]
    drawn = runs.picture(found)
    with canvas.drawing():
        assert_nothing_overlaps(drawn.figure)
    assert (drawn.numbers["low"]["age"], drawn.numbers["high"]["age"]) == (30.0, 44.0)
    assert (drawn.numbers["low"]["income"], drawn.numbers["high"]["income"]) == (-1200.0, 50000.0)
    texts = [text.get_text() for text in drawn.figure.axes[0].texts]
    assert {"age", "30", "44", "56,432", "\u22121200", "NaN", "\u2212\u221e", "0.02685"} <= set(texts)
    points = [float(line.get_xdata()[0]) for line in drawn.figure.axes[0].lines if line.get_marker() == "o"]
    tracks = [line.get_xdata() for line in drawn.figure.axes[0].lines if line.get_marker() != "o"]
    assert points[0] == pytest.approx(tracks[0][0])  # the younger at the left end
    assert points[1] == pytest.approx(tracks[1][1])  # beyond what was trained on: at the end
    assert points[2] == pytest.approx(tracks[2][:].mean())  # one value alone in the middle
    colors = [line.get_color() for line in drawn.figure.axes[0].lines if line.get_marker() == "o"]
    assert colors[:3] == [canvas.LIGHT.main, canvas.LIGHT.second, canvas.LIGHT.main]
    assert "in the training data; orange is beyond them." in " ".join(one.get_text() for one in drawn.figure.texts)
    assert runs.picture([hard(np.array(rows[0]))]).numbers["high"] == 1e300  # without names one scale


def test_the_first_columns_are_drawn_and_the_rest_is_counted() -> None:
    columns = {f"column_{number}": (0.0, 99.0) for number in range(100)}
    drawn = runs.picture([hard(np.arange(100.0), columns=columns)])
    assert list(drawn.numbers["low"]) == list(columns)[:24]
    assert any("76 columns more are not drawn." in text.get_text() for text in drawn.figure.texts)


def test_nothing_to_draw_is_told() -> None:
    with pytest.raises(DataError, match="samples: nothing to draw: expected at least one, got none"):
        runs.picture([])
    with pytest.raises(DataError, match="samples: b: expected an array with an axis and 1 lines as of the first, got"):
        samples.draw([Sample("a", ("x",), np.ones(3)), Sample("b", (), np.ones(3))])
