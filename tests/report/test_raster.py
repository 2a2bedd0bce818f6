"""Pixels are those of the figure in either theme, and a PNG file holds them."""

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deeptrain.drawing import canvas, raster
from deeptrain.drawing.canvas import DARK, LIGHT, Picture, Theme
from deeptrain.introspection.pictures import history as history_picture
from deeptrain.report import rendering
from deeptrain.report.run import Run


def test_a_picture_with_the_colours_of_the_other_theme_is_the_one_drawn_with_that_theme(run: Run) -> None:
    draws: dict[str, Callable[[Theme], Picture]] = {
        "history": partial(history_picture.draw, run, width=380),
        **rendering.applicable(run),
    }
    compared = []
    for name, draw in draws.items():
        with canvas.drawing():
            picture = draw(LIGHT)
            if picture.mixed:
                continue
            light, dark = raster.paint_both(picture.figure, 50, LIGHT.colors_in(DARK))
            np.testing.assert_array_equal(light, raster.paint(picture.figure, 50), name)
            np.testing.assert_array_equal(dark, raster.paint(draw(DARK).figure, 50), name)
        compared.append(name)
    assert compared == ["history", "threshold", "reliability", "scores", "ranking", "subset"]


def test_painting_leaves_the_figure_as_it_was_and_colours_not_named_as_they_are() -> None:
    with canvas.drawing():
        figure = canvas.new_figure(30, 20, LIGHT)
        own, other = raster.paint_both(figure, 200, {"#000000": "#ff0000"})
        assert figure.dpi == canvas.PIXELS_PER_INCH
    assert own.shape == (40, 60, 4)
    np.testing.assert_array_equal(own, other)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 2 * raster.LINES + 1), st.integers(1, 9), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_a_file_holds_the_pixels_and_the_margin(high: int, wide: int, margin: int, seed: int) -> None:
    pixels = np.random.Generator(np.random.Philox(seed)).integers(0, 256, (high, wide, 4), np.uint8)
    pixels[:, :, 3] = 255
    file = Image.open(io.BytesIO(raster.png(pixels, 200, margin, "#102030")))
    expected = np.full((high + 2 * margin, wide + 2 * margin, 3), (16, 32, 48), np.uint8)
    expected[margin : margin + high, margin : margin + wide] = pixels[:, :, :3]
    assert file.mode == "RGB"
    assert file.info["dpi"] == pytest.approx((200, 200), abs=0.01)
    np.testing.assert_array_equal(np.asarray(file), expected)
