"""Samples by true and by predicted class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.errors import DataError
from deeptrain.introspection.pictures import arrays as given_arrays
from deeptrain.introspection.pictures.colors import Scale
from deeptrain.introspection.pictures.panes import EDGE, HEAD, NOTE, TICK_SIZE, Pane, blank, fitted, length

CELL, LEAST_CELL = 46.0, 4.0
LARGEST = 920.0
COUNTED = 20
"""Classes up to which the counts are written into the cells."""

LONGEST_NAME = 150.0
LINE = 15.0


def draw(counts: ArrayLike, classes: Sequence[str] | None = None, *, title: str = "", theme: Theme = LIGHT) -> Picture:
    """A row for each true class: what share of its samples was called each class, with the counts.

    Args:
        counts: (classes, classes), the true class first.
        classes: their names; by default 0, 1, ...
        title: of the picture.
        theme: colours.

    Returns:
        The picture; `numbers`: `counts`, and `shares` of each row, 0 of a class without samples.

    Raises:
        DataError: for other than a square of counts, and for a wrong number of names.
    """
    table = given_arrays.numbers("confusion", counts)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or not table.size or not (table >= 0).all():
        raise DataError(f"confusion: expected counts (classes, classes), got {_what(table)}")
    names = [str(one) for one in (range(len(table)) if classes is None else classes)]
    if len(names) != len(table):
        raise DataError(f"confusion: expected {len(table)} names of classes, got {len(names)}")
    totals = table.sum(axis=1, keepdims=True)
    shares = table / np.maximum(totals, 1)
    with canvas.drawing():
        figure = _sheet(table, shares, names, title, theme)
    total = float(table.sum())
    words = (
        f"{title + ': ' if title else ''}{int(total):,} samples of {len(table)} classes, "
        f"{wording.share(float(np.trace(table)), total)} of them called their own."
    )
    return Picture(figure, {"counts": table.astype(int).tolist(), "shares": shares.tolist()}, words, mixed=True)


def _what(table: NDArray[Any]) -> str:
    return f"shape {list(table.shape)}" + (" with numbers that are no counts" if table.size else "")


def _sheet(table: NDArray[Any], shares: NDArray[Any], names: list[str], title: str, theme: Theme) -> Any:
    count = len(table)
    counted = count <= COUNTED
    widest = max(length(f"{int(one):,}", 12) for one in table.reshape(-1)) + 10 if counted else 0.0
    cell = max(min(LARGEST / count, CELL), LEAST_CELL, widest)
    texts = [fitted(name, LONGEST_NAME, TICK_SIZE) for name in names]
    longest = max(length(text, TICK_SIZE) for text in texts)
    every = max(1, int(np.ceil(LINE / cell)))
    upright = longest > cell * every - 6
    top = EDGE + (HEAD if title else 0) + NOTE + 12
    left = EDGE + 24 + longest + 8
    side = cell * count
    below = (longest if upright else LINE) + 10
    width = max(left + side + EDGE + 10, 420)
    figure, sheet = blank(width, top + side + below + 78, theme)
    if title:
        canvas.heading(figure, theme, fitted(title, width - 2 * EDGE, 14.5, "bold"), EDGE, EDGE - 4)
    canvas.write(
        figure, EDGE, EDGE + (HEAD if title else 0) - 4, "Down: true class. Across: what it was called.",
        color=theme.muted, fontsize=canvas.points(12.5),
    )  # fmt: skip
    pane = Pane(sheet, theme, left, top, side, side, 0)
    scale = Scale(0.0, 1.0, theme)
    colors = scale.colors(shares)
    pane.pixels(colors)
    pane.frame()
    for row in range(count):
        middle = (row + 0.5) * cell
        if row % every == 0:
            pane.text(left - 8, top + middle, texts[row], theme.ink, TICK_SIZE, ha="right", va="center")
            style = {"rotation": 90} if upright else {}
            pane.text(left + middle, top + side + 8, texts[row], theme.ink, TICK_SIZE, ha="center", va="top", **style)
        for column in range(count) if counted else ():
            ink = _readable(colors[row, column])
            pane.text(
                left + (column + 0.5) * cell,
                top + middle,
                f"{int(table[row, column]):,}",
                ink,
                12,
                ha="center",
                va="center",
            )
    canvas.write(
        figure, EDGE, top + side + below + 12, "share of the true class", color=theme.muted, fontsize=canvas.points(12)
    )
    scale.bar(sheet, EDGE + 150, top + side + below + 14, 120)
    return figure


def _readable(color: NDArray[np.uint8]) -> str:
    """Black or white, whichever has the higher contrast on a colour (WCAG 2.2, relative luminance)."""
    linear = (color / 255) ** 2.2
    return "#ffffff" if float(linear @ (0.2126, 0.7152, 0.0722)) < 0.179 else "#000000"
