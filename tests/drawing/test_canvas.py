"""What all pictures share."""

import io
import itertools

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from PIL import Image

from deeptrain.drawing import canvas, raster
from deeptrain.report.confusion_picture import luminance


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
@example("\N{MATHEMATICAL MONOSPACE DIGIT ZERO}")  # only the monospaced font has it
def test_any_text_is_drawn_without_a_warning(text: str) -> None:
    with canvas.drawing():
        figure = canvas.new_figure(120, 30, canvas.LIGHT)
        canvas.write(figure, 2, 2, text, color="black")
        assert raster.paint(figure, 50).shape == (15, 60, 4)


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("$x$ and $", "$x$ and $"),
        ("a\nb\tc", "a b c"),
        ("caf\u0065\u0301", "caf\u00e9"),
        ("\u4e2d\U0001f600\x00\ud800", "\u25a1\u25a1\u25a1\u25a1"),
    ],
)
def test_text_is_one_line_of_known_characters(text: str, drawn: str) -> None:
    assert canvas.legible(text) == drawn


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    before = dict(mpl.rcParams)
    with canvas.drawing():
        assert mpl.rcParams["text.parse_math"] is False
        raster.paint(canvas.new_figure(10, 10, canvas.DARK), 50)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (1000, "1,000"), (-0.5, "\u22120.5"), (1e-5, "1e-05"), (0.003, "0.003"), (2.5, "2.5")],
)
def test_ticks_read_as_people_write_numbers(value: float, text: str) -> None:
    assert canvas.tick(value) == text


def test_a_notebook_shows_a_picture_with_its_words_and_none_of_its_numbers() -> None:
    words = "Losses: from 2.1 to 0.3." + " More." * 100
    with canvas.drawing():
        figure = canvas.new_figure(120, 30, canvas.LIGHT)
    picture = canvas.Picture(figure, {"values": np.zeros(1000)}, words)
    shown, told = picture._repr_png_()
    assert shown == picture.png() == picture.png(100)
    assert told == {"alt": words}
    assert Image.open(io.BytesIO(picture.png(200))).size == (240, 60)
    assert repr(picture).startswith("Picture of 120 by 30 pixels: Losses: from 2.1 to 0.3. More.")
    assert len(repr(picture)) < 240


def test_each_colour_of_a_theme_has_one_part_so_that_it_has_one_in_the_other() -> None:
    colors = canvas.LIGHT.colors_in(canvas.DARK)
    assert len(colors) == len(set(colors)) == 5 + len(canvas.LIGHT.series) + len(canvas.LIGHT.faint)
    assert colors[canvas.LIGHT.main] == canvas.DARK.main


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(to_rgb(one)), luminance(to_rgb(other))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", canvas.THEMES, ids=lambda theme: theme.name)
def test_text_and_curves_have_the_contrast_wcag_asks_for(theme: canvas.Theme) -> None:
    assert contrast(theme.ink, theme.paper) >= 7
    assert contrast(theme.muted, theme.paper) >= 4.5
    assert all(contrast(color, theme.paper) >= 3 for color in theme.series)


@pytest.mark.parametrize("theme", canvas.THEMES, ids=lambda theme: theme.name)
def test_curves_of_one_picture_are_told_apart_by_every_common_colour_vision(theme: canvas.Theme) -> None:
    """Simulated after Viénot, Brettel and Mollon, 1999, in linear RGB."""
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    for seen in (np.eye(3), protan, deutan):
        colors = [seen @ np.array(to_rgb(color)) ** 2.2 for color in theme.series[:3]]
        for one, other in itertools.combinations(colors, 2):
            assert np.abs(np.clip(one, 0, 1) ** (1 / 2.2) - np.clip(other, 0, 1) ** (1 / 2.2)).max() > 0.15
