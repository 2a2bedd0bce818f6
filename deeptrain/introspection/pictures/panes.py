"""Many small panes in one picture, all drawn in one pair of axes that measures in pixels.

Axes of their own for each of a hundred layers take seconds, most of it for ticks that one then makes sparse again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Polygon, Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import Theme

WIDTH = 1200
EDGE = 16
HEAD, NOTE, HEADING = 30, 20, 32
TITLE_SIZE, TOLD_SIZE, TICK_SIZE = 13.0, 12.0, 11.5
TITLE_LINE = 18
LEAST, GREATEST = -1e300, 1e300
"""Beyond them the difference of two numbers may have no float64."""

NEAR, SMALLEST = 1e-9, 1e-290
"""Ends that are nearer to each other, in parts of the greater and alone, are one."""

SAMPLED = 1_000_000
"""Values that the bulk is looked for among; evenly taken from more."""

FAR = 4.0


@dataclass(frozen=True)
class Pane:
    """A place in pixels from the upper left corner, and the numbers at its edges.

    Attributes:
        sheet: what is drawn on, in pixels.
        theme: colours.
        left: of the place.
        top: of the place.
        width: of the place.
        height: of the place.
        lines: that there is room for below its name.
        x: numbers at its left and right edge.
        y: numbers at its lower and upper edge.
    """

    sheet: Axes
    theme: Theme
    left: float
    top: float
    width: float
    height: float
    lines: int
    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)

    def across(self, values: ArrayLike) -> NDArray[np.float64]:
        """Where numbers of the horizontal axis lie."""
        low, high = self.x
        return self.left + self.width * (np.asarray(values, np.float64) - low) / ((high - low) or 1.0)

    def down(self, values: ArrayLike) -> NDArray[np.float64]:
        """Where numbers of the vertical axis lie."""
        low, high = self.y
        return self.top + self.height * (1 - (np.asarray(values, np.float64) - low) / ((high - low) or 1.0))

    def titles(self, title: str, *told: str, warn: bool = False) -> None:
        """Its name in bold over it, below it what is told of it, the last line in another colour if it is a warning."""
        texts = [(title, self.theme.ink, TITLE_SIZE, "bold")]
        texts += [(line, self.theme.muted, TOLD_SIZE, "normal") for line in told]
        if warn:
            texts[-1] = (told[-1], self.theme.second, TOLD_SIZE, "bold")
        for number, (text, color, size, weight) in enumerate(texts):
            y = self.top - 9 - TITLE_LINE * (self.lines - number)
            self.text(self.left, y, fitted(text, self.width, size, weight), color, size, weight=weight)

    def text(self, x: float, y: float, text: str, color: str, size: float, **style: Any) -> None:
        """Text at a place in pixels, which is its lower left corner unless `ha` and `va` say otherwise."""
        style = {"ha": "left", "va": "baseline"} | style
        self.sheet.text(x, y, canvas.legible(text), color=color, fontsize=canvas.points(size), **style)

    def say(self, text: str) -> None:
        """What there is instead of a drawing, in the middle."""
        self.text(
            self.left + self.width / 2, self.top + self.height / 2, text, self.theme.muted, 12, ha="center", va="center"
        )

    def area(self, x: ArrayLike, y: ArrayLike, color: str, **style: Any) -> None:
        """A filled shape."""
        corners = np.column_stack([self.across(x), self.down(y)])
        self.sheet.add_patch(Polygon(corners, closed=True, facecolor=color, linewidth=0, **style))

    def line(self, x: ArrayLike, y: ArrayLike, color: str, **style: Any) -> None:
        """A curve; NaN is a gap."""
        self.sheet.plot(self.across(x), self.down(y), color=color, **({"linewidth": 1.5, "zorder": 3} | style))

    def upright(self, x: float, color: str, **style: Any) -> None:
        """A line over its height."""
        self.line([x, x], self.y, color, **style)

    def pixels(self, colors: NDArray[Any]) -> None:
        """Colours (rows, columns, 3), the first row on top, over the whole place."""
        place = (self.left, self.left + self.width, self.top + self.height, self.top)
        self.sheet.imshow(colors, extent=place, aspect="auto", interpolation="nearest", origin="upper", zorder=2)

    def frame(self) -> None:
        """A thin line around it."""
        self.sheet.add_patch(
            Rectangle(
                (self.left, self.top), self.width, self.height, fill=False, edgecolor=self.theme.line, linewidth=0.8
            )
        )

    def x_ticks(self, most: int = 5, *, integer: bool = False) -> None:
        """Numbers below it, as many as have room."""
        for place in ticks(*self.x, most, integer=integer, width=self.width):
            self.text(float(self.across(place)), self.top + self.height + 6, tick(place, self.x), self.theme.muted,
                      TICK_SIZE, ha="center", va="top")  # fmt: skip
        self.line(self.x, [self.y[0]] * 2, self.theme.line, linewidth=0.8, zorder=1.5)

    def y_ticks(self, most: int = 3, *, integer: bool = False) -> None:
        """Numbers beside it, and a thin line for each."""
        for place in ticks(*self.y, most, integer=integer):
            y = float(self.down(place))
            self.text(self.left - 6, y, tick(place, self.y), self.theme.muted, TICK_SIZE, ha="right", va="center")
            self.line(self.x, [place] * 2, self.theme.line, linewidth=0.8, zorder=1)


@dataclass(frozen=True)
class Grid:
    """Where panes lie: rows of equal ones under headings.

    Attributes:
        columns: in a row.
        height: of a pane.
        lines: that are written over a pane, below its name.
        below: for what is written under it.
        beside: for what is written left of it.
    """

    columns: int
    height: float
    lines: int
    below: float = 30
    beside: float = 48

    @property
    def above(self) -> float:
        """Pixels over a pane."""
        return 12 + (1 + self.lines) * TITLE_LINE

    @property
    def width(self) -> float:
        """Of a pane."""
        return (WIDTH - 2 * EDGE) / self.columns - self.beside - 10

    def sheet(
        self, panes: Sequence[tuple[str, int]], theme: Theme, title: str, notes: Sequence[str]
    ) -> tuple[Figure, list[Pane]]:
        """An empty figure with its title and headings, and the panes, row by row under each heading.

        Args:
            panes: each heading, "" for none, and how many panes it has.
            theme: colours.
            title: of the figure.
            notes: lines below it, shortened where they are too long.
        """
        top = float(EDGE + (HEAD if title else 0) + NOTE * len(notes))
        headings, places = [], []
        for heading, count in panes:
            if heading:
                headings.append((heading, top + 8))
                top += HEADING
            for number in range(count):
                row, column = divmod(number, self.columns)
                left = EDGE + column * (WIDTH - 2 * EDGE) / self.columns + self.beside
                places.append((left, top + row * (self.above + self.height + self.below) + self.above))
            top += -(-count // self.columns) * (self.above + self.height + self.below)
        figure, sheet = blank(WIDTH, top + EDGE / 2, theme)
        if title:
            canvas.heading(figure, theme, fitted(title, WIDTH - 2 * EDGE, 14.5, "bold"), EDGE, EDGE - 4)
        for number, note in enumerate(notes):
            below = EDGE + (HEAD if title else 0) + NOTE * number - 4
            note = fitted(note, WIDTH - 2 * EDGE, 12.5, "normal")
            canvas.write(figure, EDGE, below, note, color=theme.muted, fontsize=canvas.points(12.5))
        for heading, y in headings:
            text = fitted(heading, WIDTH - 2 * EDGE, 14, "bold")
            canvas.write(figure, EDGE, y, text, color=theme.ink, fontsize=canvas.points(14), fontweight="bold")
        return figure, [Pane(sheet, theme, left, y, self.width, self.height, self.lines) for left, y in places]


def blank(width: float, height: float, theme: Theme) -> tuple[Figure, Axes]:
    """An empty figure, and axes over all of it that measure in pixels from the upper left corner."""
    figure = canvas.new_figure(width, height, theme)
    sheet = figure.add_axes((0, 0, 1, 1))
    sheet.set_axis_off()
    sheet.set_autoscale_on(False)
    sheet.set_xlim(0, width)
    sheet.set_ylim(height, 0)
    return figure, sheet


def ticks(low: float, high: float, most: int, *, integer: bool = False, width: float = math.inf) -> list[float]:
    """Round numbers between two, as many as have room in a width in pixels."""
    for bins in range(most, 0, -1):
        locator = MaxNLocator(bins, integer=integer, steps=(1, 2, 5, 10), min_n_ticks=1)
        near = (high - low) * 1e-9
        found = [float(one) for one in locator.tick_values(low, high) if low - near <= one <= high + near]
        texts = [tick(one, (low, high)) for one in found]
        if sum(length(text, TICK_SIZE) + 10 for text in texts) <= width or bins == 1:
            return found[:1] if len(set(texts)) < len(texts) else found
    return []


def tick(value: float, ends: tuple[float, float]) -> str:
    """A tick's number; in more digits where the ends are nearly equal."""
    near = abs(ends[1] - ends[0]) < 1e-3 * max(map(abs, ends))
    text = f"{value:.10g}" if near else canvas.tick(0.0 if abs(value) < 1e-9 * (ends[1] - ends[0]) else value)
    return text.replace("-", wording.MINUS, 1) if text.startswith("-") else text


def fitted(text: str, width: float, size: float, weight: str = "normal") -> str:
    """The text, its middle left out where it is wider than that many pixels."""
    text = canvas.legible(text)
    characters = len(text)
    while characters > 1 and length(cut := wording.cut(text, characters), size, weight) > width:
        characters -= max(1, int((length(cut, size, weight) - width) / size))
    return wording.cut(text, characters)


def length(text: str, size: float, weight: str = "normal") -> float:
    """Pixels that a line of text takes."""
    font = get_font(findfont(FontProperties(family="DejaVu Sans", weight=weight)))
    font.set_size(canvas.points(size), canvas.PIXELS_PER_INCH)
    font.set_text(text, 0.0)
    return float(font.get_width_height()[0]) / 64


def widened(low: float, high: float) -> tuple[float, float]:
    """The ends, apart by enough to draw something between them."""
    if high - low >= max(NEAR * max(abs(low), abs(high)), SMALLEST):
        return low, high
    half = 0.5 * max(abs(low), abs(high))
    half = half if half >= SMALLEST else 0.5
    return low - half, high + half


def bulk(values: NDArray[Any]) -> tuple[float, float]:
    """The ends of what is drawn: least and greatest, but for what lies far from nearly all others.

    A value is far when it is further from the bulk (1st to 99th percentile) than 4 times its width.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = max(float(finite.min()), LEAST), min(float(finite.max()), GREATEST)
    some = finite.reshape(-1)[:: -(-finite.size // SAMPLED)].astype(np.float64)
    first, last = (float(one) for one in np.quantile(np.clip(some, low, high), (0.01, 0.99)))
    width = last - first
    if width > 0:
        low = low if first - low <= FAR * width else first - width / 2
        high = high if high - last <= FAR * width else last + width / 2
    return widened(low, high)
