"""Panes of many arrays: each shows its numbers, and tells what it does not show."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from deeptrain.drawing import canvas
from deeptrain.drawing.canvas import DARK, LIGHT, Picture
from deeptrain.errors import DataError
from deeptrain.introspection.pictures import curves, heat_maps, histograms, images, modes, panes, reconstructions
from deeptrain.introspection.pictures.arrays import by_channel
from tests.overlaps import assert_nothing_overlaps

GRIDS: dict[str, Callable[..., Picture]] = {
    "histograms": histograms.draw,
    "heat_maps": heat_maps.draw,
    "curves": curves.draw,
}
RNG = np.random.Generator(np.random.Philox(5))
STRANGE = {
    "NaN": np.full((2, 3), np.nan),
    "empty": np.zeros((0, 4)),
    "one": np.array([2.5]),
    "constant": np.full((3, 4), -7.0),
    "some NaN and infinities": np.array([[np.nan, np.inf, -np.inf, 0.5, 0.1]]),
    "an outlier": np.r_[RNG.normal(0, 0.1, 500), 1e30],
    "huge": RNG.uniform(-1, 1, 30) * 1.7e308,
    "tiny": RNG.normal(0, 1, 30) * 1e-308,
    "whole": np.arange(12).reshape(3, 4),
    "WWWW" * 30: RNG.normal(0, 1, (2, 9)).astype(np.float16),
    "\u4e2d$x$\n": RNG.random(20) > 0.5,
}


def drawn(draw: Callable[..., Picture], *arguments: Any, **options: Any) -> Picture:
    picture = draw(*arguments, **options)
    with canvas.drawing():
        assert_nothing_overlaps(picture.figure)
    assert picture.words.endswith(".")
    return picture


@pytest.mark.parametrize("kind", GRIDS)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_whatever_arrays_hold_is_drawn_without_a_warning_and_nothing_overlaps(kind: str, theme: canvas.Theme) -> None:
    picture = drawn(GRIDS[kind], STRANGE, title="T" * 300, theme=theme)
    assert picture.figure.get_size_inches()[0] * canvas.PIXELS_PER_INCH == 1200
    assert list(picture.numbers) == list(STRANGE)
    assert (picture.numbers["NaN"]["nan"], picture.numbers["some NaN and infinities"]["infinite"]) == (6, 2)


@pytest.mark.parametrize("kind", GRIDS)
def test_the_same_arrays_give_the_same_bytes_and_stand_under_their_headings(kind: str) -> None:
    by_gate = {"kernel": {"input": RNG.random((3, 4)), "forget": RNG.random((3, 4))}, "bias": {"input": RNG.random(4)}}
    first, second = drawn(GRIDS[kind], by_gate), GRIDS[kind](by_gate)
    assert first.png() == second.png()
    assert {heading: list(found) for heading, found in first.numbers.items()} == {
        "kernel": ["input", "forget"],
        "bias": ["input"],
    }
    assert {text.get_text() for text in first.figure.texts} >= {"kernel", "bias"}


@pytest.mark.parametrize("kind", GRIDS)
def test_a_model_of_very_many_layers_gets_one_picture_that_says_what_is_not_on_it(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deeptrain.introspection.pictures.arrays.MOST_PANES", 5)
    picture = GRIDS[kind]({"a": {f"layer {number}": np.zeros(2) for number in range(12)}, "b": {"c": np.zeros(2)}})
    assert {heading: len(found) for heading, found in picture.numbers.items()} == {"a": 5}
    assert any("8 more are not drawn" in text.get_text() for text in picture.figure.texts)


@pytest.mark.parametrize("kind", GRIDS)
@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "nothing to draw: expected at least one array, got none"),
        ({"a": {}}, "nothing to draw"),
        ({"a": ["x"]}, r"a: expected an array of real numbers, got <U1 of shape \(1,\)"),
        ({"a": [[1, 2], [3]]}, "a: expected an array of real numbers: ValueError"),
        ({"a": [1j]}, "got complex128"),
        ({"a": [1.0], "b": {"c": [1.0]}}, "arrays by name, or mappings of them by heading; got both"),
    ],
)
def test_what_cannot_be_drawn_is_said(kind: str, arrays: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"{kind}: .*{message}|{kind}: {message}"):
        GRIDS[kind](arrays)


VALUES = arrays_of.arrays(
    np.float32, st.integers(0, 200), elements=st.floats(width=32, allow_nan=True, allow_infinity=True)
)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(1, 70))
@example(np.array([1e-45, 0], np.float32), 2)
@example(np.linspace(1, 1.01, 99).astype(np.float16), 70)
def test_of_every_value_a_histogram_knows_where_it_is(values: np.ndarray, bins: int) -> None:
    found = histograms.draw({"a": values}, bins=bins).numbers["a"]
    counted = sum(found["counts"])
    assert counted + found["below"] + found["above"] + found["nan"] + found["infinite"] == len(values) == found["size"]
    assert len(found["counts"]) <= bins
    finite = values[np.isfinite(values)]
    if len(finite):
        assert (found["least"], found["greatest"]) == (finite.min(), finite.max())


def test_one_far_value_and_one_high_bar_do_not_flatten_the_others() -> None:
    picture = drawn(
        histograms.draw, {"far": np.r_[RNG.normal(0, 1, 1000), 1e6], "zeros": np.r_[np.zeros(5000), RNG.random(500)]}
    )
    assert picture.numbers["far"]["above"] == 1
    assert max(picture.numbers["far"]["edges"]) < 10
    texts = [text.get_text() for text in picture.figure.axes[0].texts]
    assert "1 beyond, to 1.00e+06" in texts
    assert f"{max(picture.numbers['zeros']['counts']):,}" in texts
    assert "90.9 % zero" in texts


def test_axes_are_shared_under_one_heading() -> None:
    by_gate = {"a": {"x": RNG.random(99), "y": 10 * RNG.random(99)}, "b": {"x": RNG.random(99)}}
    numbers = histograms.draw(by_gate, shared_x=True).numbers
    assert numbers["a"]["x"]["edges"] == numbers["a"]["y"]["edges"] != numbers["b"]["x"]["edges"]
    scales = heat_maps.draw(by_gate, shared=True).numbers
    assert scales["a"]["x"]["high"] == scales["a"]["y"]["high"] > 2 * scales["b"]["x"]["high"]


def test_a_heat_map_has_0_in_the_middle_and_one_side_where_nothing_is_on_the_other() -> None:
    given_values = {"both": np.array([-1.0, 0.5]), "above": np.array([0.0, 3.0]), "below": np.array([-2.0, -1.0])}
    numbers = heat_maps.draw(given_values).numbers
    assert {name: (one["low"], one["high"]) for name, one in numbers.items()} == {
        "both": (-1, 1),
        "above": (0, 3),
        "below": (-2, 0),
    }


@settings(max_examples=60, deadline=None)
@given(
    arrays_of.arrays(
        np.float64, arrays_of.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.floats(-9, 9)
    ),
    st.integers(1, 12),
    st.integers(1, 12),
)
def test_a_thinned_map_has_the_value_furthest_from_0_and_every_kind_of_gap(
    values: np.ndarray, rows: int, columns: int
) -> None:
    found = heat_maps.thinned(values, rows, columns)
    assert found.shape == (min(rows, values.shape[0]), min(columns, values.shape[1]))
    assert np.abs(found).max() == np.abs(values).max()
    assert set(found.reshape(-1).tolist()) <= set(values.reshape(-1).tolist())
    values[-1, -1] = np.nan
    assert np.isnan(heat_maps.thinned(values, rows, columns)[-1, -1])


def test_a_curve_keeps_its_peak_and_its_gap() -> None:
    values = np.sin(np.arange(100_000) / 9000)
    values[12_345] = 1.8
    values[50_000:70_000] = np.nan
    found = drawn(curves.draw, {"a": values}).numbers["a"]
    assert len(found["value"][0]) < 2000
    assert max(found["value"][0]) == 1.8
    assert sum(np.isnan(found["value"][0])) > 40


def test_channels_get_a_pane_each_and_other_shapes_are_refused() -> None:
    outputs = RNG.normal(size=(9, 50, 3))
    assert list(drawn(curves.draw, by_channel(outputs)).numbers) == ["channel 0", "channel 1", "channel 2"]
    with pytest.raises(DataError, match=r"curves: a: expected \(steps,\) or \(curves, steps\), got shape \[9, 50, 3\]"):
        curves.draw({"a": outputs})
    with pytest.raises(DataError, match="whose last axis are channels, got a scalar"):
        by_channel(1.0)


@pytest.mark.parametrize("shape", [(3, 8, 8), (5, 4, 7, 3), (2, 4, 4, 4), (40, 2, 9, 1), (1, 900, 700)])
def test_images_are_drawn_in_one_scale(shape: tuple[int, ...]) -> None:
    values = RNG.random(shape)
    values.reshape(-1)[3] = np.nan
    numbers = drawn(images.draw, values, title="Images").numbers
    assert (numbers["low"], numbers["high"]) == (np.nanmin(values), np.nanmax(values))
    assert [one["nan"] for one in numbers["images"].values()] == [1] + [0] * (shape[0] - 1)


def test_an_image_shows_its_pixels_with_orange_for_what_is_no_number() -> None:
    painted = images.draw({"a": [[0.0, 1.0], [np.nan, 0.0]]}, columns=4).figure.axes[0].images[0].get_array()
    assert painted is not None
    np.testing.assert_array_equal(painted[0], [[0, 0, 0], [255, 255, 255]])
    assert painted[1, 0].tolist() == [196, 80, 10]


@pytest.mark.parametrize("given_images", [np.zeros((2, 3, 3, 2)), np.zeros((2, 2)), {"a": np.zeros((0, 4))}, {}])
def test_what_is_no_image_is_said(given_images: Any) -> None:
    with pytest.raises(DataError, match=r"images: .*(expected an image|expected \(images, |nothing to draw)"):
        images.draw(given_images)


@pytest.mark.parametrize("shape", [(1, 6, 6), (8, 5, 9, 1), (30, 4, 4, 3), (3, 60, 2), (2, 9)])
def test_reconstructions_stand_under_their_originals_with_their_errors(shape: tuple[int, ...]) -> None:
    originals = RNG.random(shape)
    made = originals + 0.1
    made.reshape(-1)[0] = np.nan
    numbers = drawn(reconstructions.draw, originals, made, title="After 3 iterations").numbers
    np.testing.assert_allclose(numbers["errors"], 0.01)
    assert len(numbers["errors"]) == min(shape[0], reconstructions.MOST)
    assert numbers["not_finite"] == 1


def test_reconstructions_must_be_like_the_originals() -> None:
    with pytest.raises(DataError, match=r"of one shape \(samples, ...\), got \[2, 3\] and \[2, 4\]"):
        reconstructions.draw(np.zeros((2, 3)), np.zeros((2, 4)))


def test_each_mode_stands_under_its_own_name() -> None:
    dropped = np.r_[np.zeros(50), np.full(50, 2.0)]
    picture = drawn(modes.draw, {"dropout": np.ones(100)}, {"dropout": dropped})
    assert picture.numbers["dropout"]["inference mode (training=False)"]["zeros"] == 0
    assert picture.numbers["dropout"]["training mode (training=True)"]["zeros"] == 50
    with pytest.raises(DataError, match="the same layers in both modes; in one of them only: b"):
        modes.draw({"a": [1.0]}, {"a": [1.0], "b": [1.0]})


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.floats(20, 400))
def test_fitted_text_is_no_wider_than_its_place(text: str, width: float) -> None:
    found = panes.fitted(text, width, 12)
    assert panes.length(found, 12) <= width or len(found) <= 1


@settings(max_examples=100, deadline=None)
@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300), st.integers(1, 6))
def test_ticks_lie_between_the_ends(one: float, other: float, most: int) -> None:
    low, high = panes.widened(min(one, other), max(one, other))
    assert low < high
    room = 1e-6 * (high - low)
    assert all(low - room <= place <= high + room for place in panes.ticks(low, high, most, width=200))
