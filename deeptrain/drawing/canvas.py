"""What all pictures share: two themes, a figure without global state, text every font can draw.

Lengths are pixels of the page. A picture is drawn inside `drawing()`, which puts matplotlib's settings to its own
defaults and ours, so that a user's `matplotlibrc` changes no byte; the settings found are put back afterwards.
"""

import contextlib
import functools
import math
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from deeptrain.drawing import raster, wording

PIXELS_PER_INCH = 100
POINTS_PER_PIXEL = 72 / PIXELS_PER_INCH
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono")
_settings_lock = threading.RLock()


@dataclass(frozen=True)
class Theme:
    """Colours of a picture; the series are told apart by all common kinds of colour vision (after Okabe and Ito)."""

    name: str
    paper: str
    panel: str
    ink: str
    muted: str
    line: str
    series: tuple[str, ...]
    faint: tuple[str, ...]

    @property
    def main(self) -> str:
        """Colour of what the picture is about."""
        return self.series[0]

    @property
    def second(self) -> str:
        """Colour of what it is compared with."""
        return self.series[1]

    def colors_in(self, other: "Theme") -> dict[str, str]:
        """For each colour of this theme the one that has its part in the other."""
        return dict(zip(self._colors, other._colors, strict=True))

    @property
    def _colors(self) -> tuple[str, ...]:
        return (self.paper, self.panel, self.ink, self.muted, self.line, *self.series, *self.faint)


LIGHT = Theme(
    name="light",
    paper="#ffffff",
    panel="#f4f5f3",
    ink="#1d2329",
    muted="#59626b",
    line="#dde0e2",
    series=("#0b62a8", "#c4500a", "#00805c", "#a3478c", "#8a6a00", "#4b5a68"),
    faint=("#a9cbe8", "#f3c3a2"),
)
DARK = Theme(
    name="dark",
    paper="#1a1f24",
    panel="#232a30",
    ink="#e8e9e6",
    muted="#a7b0b8",
    line="#353d44",
    series=("#6db6f2", "#f2975c", "#4fc9a4", "#e39ccb", "#e0c05a", "#b4c0cb"),
    faint=("#2f5877", "#7c4c2d"),
)
THEMES = (LIGHT, DARK)


@dataclass(frozen=True, repr=False)
class Picture:
    """A drawn figure, the numbers it shows as plain values, and what it shows in words, for who cannot see it.

    A notebook shows it, with its words for screen readers. `mixed` says that it has colours that are not of its theme
    but made from them, so that it has to be drawn again for another theme.
    """

    figure: Figure
    numbers: Mapping[str, Any]
    words: str
    mixed: bool = False

    def png(self, dpi: int = PIXELS_PER_INCH) -> bytes:
        """The bytes of a PNG file: the same picture gives the same bytes.

        Args:
            dpi: 100 for one pixel a pixel of the page, 200 for a screen of high density and for print.
        """
        with drawing():
            return raster.png(raster.paint(self.figure, dpi), dpi)

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        """What IPython shows, and the text instead of it."""
        return self.png(), {"alt": self.words}

    def __repr__(self) -> str:
        """Its size and its words; the numbers of a picture may be millions."""
        wide, high = (round(size * PIXELS_PER_INCH) for size in self.figure.get_size_inches())
        return f"Picture of {wide} by {high} pixels: {wording.cut(self.words, 200)}"


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Within it, matplotlib's settings are its defaults and ours; for making a figure and for painting it."""
    style = {
        "font.family": "DejaVu Sans",
        "text.parse_math": False,  # a name like "$x" is text
        "font.size": points(13),
        "axes.titlesize": points(13),
        "axes.labelsize": points(12.5),
        "xtick.labelsize": points(12),
        "ytick.labelsize": points(12),
        "legend.fontsize": points(12),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        "axes.axisbelow": True,
        "legend.frameon": False,
        "legend.borderpad": 0.0,
        "legend.borderaxespad": 0.0,
        "legend.handlelength": 1.6,
        "legend.handletextpad": 0.5,
        "legend.columnspacing": 1.4,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "xtick.minor.size": 0,
        "ytick.minor.size": 0,
        "xtick.major.pad": points(7),
        "ytick.major.pad": points(7),
    }
    with _settings_lock, matplotlib.style.context(["default", style]):
        yield


def points(pixels: float) -> float:
    """A length of the page in the unit of matplotlib's fonts and lines."""
    return pixels * POINTS_PER_PIXEL


def new_figure(width: float, height: float, theme: Theme) -> Figure:
    """An empty figure of that many pixels, drawn by Agg and known to nobody else."""
    figure = Figure(
        figsize=(width / PIXELS_PER_INCH, height / PIXELS_PER_INCH), dpi=PIXELS_PER_INCH, facecolor=theme.paper
    )
    FigureCanvasAgg(figure)
    return figure


def add_axes(figure: Figure, theme: Theme, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place counted from the figure's upper left corner, with horizontal lines only."""
    wide, high = figure.get_size_inches() * PIXELS_PER_INCH
    axes = figure.add_axes((left / wide, 1 - (top + height) / high, width / wide, height / high))
    axes.set_facecolor(theme.paper)
    axes.tick_params(which="both", colors=theme.muted)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(theme.line)
    axes.grid(visible=True, axis="y", color=theme.line, linewidth=0.8)
    axes.xaxis.label.set_color(theme.muted)
    axes.yaxis.label.set_color(theme.muted)
    return axes


def write(figure: Figure, left: float, top: float, text: str, **style: Any) -> None:
    """Text at a place counted from the upper left corner; `top` is its upper edge unless `va` says otherwise."""
    wide, high = figure.get_size_inches() * PIXELS_PER_INCH
    style = {"va": "top", "ha": "left"} | style
    figure.text(left / wide, 1 - top / high, legible(text), **style)


def heading(figure: Figure, theme: Theme, text: str, left: float, top: float) -> None:
    """The bold line over a pane."""
    write(figure, left, top, text, color=theme.ink, fontsize=points(14.5), fontweight="bold")


def legend(axes: Axes, theme: Theme, left: float, top: float, columns: int) -> None:
    """The legend over the axes, its upper left corner `top` pixels over them: it can hide no data."""
    figure = axes.get_figure(root=True)
    if figure is None or not axes.get_legend_handles_labels()[0]:
        return
    wide, high = figure.get_size_inches() * PIXELS_PER_INCH
    place = axes.get_position()
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(place.x0 + left / wide, place.y1 + top / high),
        bbox_transform=figure.transFigure,
        ncols=columns,
        labelcolor=theme.ink,
        labelspacing=0.45,
    )


def plain_numbers(axis: Any) -> None:
    """Tick labels like 1,000 and 0.01, on linear and logarithmic axes, without mathematics in them."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    axis.set_minor_formatter(FuncFormatter(lambda _value, _: ""))


def tick(value: float) -> str:
    """A tick's number: 0, 0.25, 1,000, 1e-05."""
    size = abs(value)
    if size >= 1e6 or 0 < size < 1e-4:
        text = f"{value:.3g}"
    elif math.isclose(value, round(value), abs_tol=1e-9):
        text = f"{round(value):,}"
    else:
        text = f"{value:.4f}".rstrip("0") if size < 1 else f"{value:.4g}"
    return text.replace("-", wording.MINUS, 1) if text.startswith("-") else text


def legible(text: str) -> str:
    """The text in one line, with a box for each character that the pictures' font cannot draw."""
    known = _characters()
    return "".join(
        " " if character.isspace() else character if ord(character) in known else "\N{WHITE SQUARE}"
        for character in unicodedata.normalize("NFC", text)
    )


@functools.cache
def _characters() -> frozenset[int]:
    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    known = (font_manager.get_font(str(fonts / f"{name}.ttf")).get_charmap() for name in FONTS)
    return frozenset(code for code in set.intersection(*map(set, known)) if code >= 32)
