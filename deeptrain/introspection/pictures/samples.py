"""Samples as one looks at them: images as images, series as lines, rows of a table as rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.errors import DataError
from deeptrain.introspection.pictures import arrays as given_arrays
from deeptrain.introspection.pictures import images, reconstructions
from deeptrain.introspection.pictures.panes import GREATEST, LEAST, TICK_SIZE, Grid, Pane, bulk, fitted, length, widened

MOST = 40
MOST_BARS = 64
"""Numbers without names that are drawn as bars; of more the line."""

MOST_ROWS = 24
"""Named numbers of a sample that are drawn."""

ROW = 17.0
LONGEST_NAME = 110.0
APART = 16.0
"""Between the values of a sample and the names of that beside it."""

COLUMNS = 4
LINES, HIGHEST = 110.0, 240.0
NAMED = 12


@dataclass(frozen=True, eq=False)
class Sample:
    """What is drawn in a pane.

    Attributes:
        title: over it, in bold.
        told: lines below the title; equally many of all samples of a picture.
        values: (height, width) or with 1, 3 or 4 channels: an image; (numbers,): a row of a table; anything else a
            series along its first axis.
        columns: by name the ends of the scale of each number of a row; empty where they have no names.
    """

    title: str
    told: tuple[str, ...]
    values: ArrayLike
    columns: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def draw(samples: Sequence[Sample], *, title: str = "", theme: Theme = LIGHT) -> Picture:
    """Samples in a grid, all in one scale: from the least to the greatest value of what is drawn.

    Rows of a table whose columns have names are drawn column by column, each with its value and the place of that on
    the column's own scale: columns have different units. Images (height, width) are at most 4 times as long as wide;
    longer ones are series.

    Args:
        samples: the first 40 are drawn; of named columns the first 24.
        title: of the picture.
        theme: colours.

    Returns:
        The picture, 1200 pixels wide; `numbers`: `low` and `high`, by name of the drawn columns where they have names,
        and of each drawn sample `title`, `told`, `shape` and `not_finite`.

    Raises:
        DataError: without a sample, for one without numbers, and for samples of which differently much is told.
    """
    if not samples:
        raise DataError("samples: nothing to draw: expected at least one, got none")
    shown = samples[:MOST]
    found = [given_arrays.numbers(f"samples: {one.title}", one.values) for one in shown]
    for one, values in zip(shown, found, strict=True):
        if not values.size or not values.ndim or len(one.told) != len(samples[0].told):
            raise DataError(
                f"samples: {one.title}: expected an array with an axis and {len(samples[0].told)} lines as of the "
                f"first, got shape {list(values.shape)} and {len(one.told)} lines"
            )
    bad = [sum(given_arrays.not_finite(one)) for one in found]
    told = [
        {"title": one.title, "told": list(one.told), "shape": list(values.shape), "not_finite": count}
        for one, values, count in zip(shown, found, bad, strict=True)
    ]
    more = f" {len(samples) - MOST:,} more are not drawn." if len(samples) > MOST else ""
    columns = shown[0].columns
    if columns and all(
        one.columns == columns and values.shape == (len(columns),) for one, values in zip(shown, found, strict=True)
    ):
        with canvas.drawing():
            figure, ends_of = _rows(shown, found, columns, theme, title, more)
        low, high = ({name: ends[side] for name, ends in ends_of.items()} for side in (0, 1))
        return Picture(figure, {"low": low, "high": high, "samples": told}, _words(title, shown))
    pictured = [reconstructions.is_image(values) for values in found]
    ends = images.ends(found) if all(pictured) else bulk(np.concatenate([one.reshape(-1) for one in found]))
    note = f"Values from {wording.score(ends[0])} to {wording.score(ends[1])}."
    if any(bad):
        note += f" {wording.plural(sum(bad), 'value')} not finite: orange in images, gaps elsewhere."
    with canvas.drawing():
        lines = len(samples[0].told)
        width = Grid(COLUMNS, 0, lines, 16, 0).width
        sizes = [width * one.shape[0] / one.shape[1] for one, image in zip(found, pictured, strict=True) if image]
        height = min(max(sizes, default=LINES), HIGHEST)
        figure, panes = Grid(COLUMNS, height, lines, 16, 0).sheet([("", len(shown))], theme, title, [note + more])
        for pane, one, values, image in zip(panes, shown, found, pictured, strict=True):
            pane.titles(one.title, *one.told)
            if image:
                images.paint(pane, values, *ends)
            elif values.ndim == 1 and len(values) <= MOST_BARS:
                _bars(replace(pane, x=(0.0, float(len(values))), y=(min(ends[0], 0.0), max(ends[1], 0.0))), values)
            else:
                reconstructions.lines(replace(pane, y=ends), values)
    return Picture(figure, {"low": ends[0], "high": ends[1], "samples": told}, _words(title, shown), mixed=True)


def _rows(
    shown: Sequence[Sample],
    found: Sequence[NDArray[Any]],
    columns: Mapping[str, tuple[float, float]],
    theme: Theme,
    title: str,
    more: str,
) -> tuple[Figure, dict[str, tuple[float, float]]]:
    """Rows of a table, and the ends of each drawn column's scale."""
    table = np.stack(found).astype(np.float64)[:, :MOST_ROWS]
    ends = [_apart(*one) for one in list(columns.values())[:MOST_ROWS]]
    left = f" {len(columns) - MOST_ROWS:,} columns more are not drawn." if len(columns) > MOST_ROWS else ""
    beyond = any(not _within(value, scale) for row in table.tolist() for value, scale in zip(row, ends, strict=True))
    orange = "; orange is beyond them" if beyond else ""
    note = f"Each column from its least to its greatest value in the training data{orange}.{left}{more}"
    grid = Grid(COLUMNS, ROW * len(ends), len(shown[0].told), 16, 0)
    texts = [[wording.cell(value) for value in row] for row in table.tolist()]
    names = [fitted(name, LONGEST_NAME, TICK_SIZE) for name in list(columns)[: len(ends)]]
    name_ends = max(length(name, TICK_SIZE) for name in names) + 12
    value_begins = grid.width - APART - max(length(text, TICK_SIZE) for row in texts for text in row) - 12
    figure, panes = grid.sheet([("", len(shown))], theme, title, [note])
    for pane, one, row, told in zip(panes, shown, table.tolist(), texts, strict=True):
        pane.titles(one.title, *one.told)
        line = replace(pane, left=pane.left + name_ends, width=value_begins - name_ends, height=ROW)
        for number, (name, value, text, scale) in enumerate(zip(names, row, told, ends, strict=True)):
            place = replace(line, top=pane.top + ROW * number, x=scale)
            style: dict[str, Any] = {"y": place.top + ROW / 2, "size": TICK_SIZE, "va": "center"}
            known = math.isfinite(value)
            pane.text(pane.left, text=name, color=theme.muted, **style)
            right = pane.left + pane.width - APART
            pane.text(right, text=text, color=theme.ink if known else theme.second, ha="right", **style)
            place.line(scale, [0.5, 0.5], theme.line, linewidth=1.2)
            if known:
                color = theme.main if _within(value, scale) else theme.second
                place.line([min(max(value, scale[0]), scale[1])], [0.5], color, marker="o", markersize=5, linestyle="")
    return figure, dict(zip(columns, ends, strict=False))


def _apart(low: float, high: float) -> tuple[float, float]:
    """The ends of a scale, apart by enough to draw something between them."""
    return widened(max(low, LEAST), min(high, GREATEST)) if math.isfinite(low) and math.isfinite(high) else (0.0, 1.0)


def _within(value: float, scale: tuple[float, float]) -> bool:
    return not math.isfinite(value) or scale[0] <= value <= scale[1]


def _bars(pane: Pane, values: NDArray[Any]) -> None:
    """A bar for each number of a row, up or down from 0; those beyond the scale are cut off at its end."""
    pane.frame()
    clipped = np.clip(np.nan_to_num(values.astype(np.float64), nan=0.0), *pane.y)
    for place, value in enumerate(clipped.tolist()):
        left, right = place + 0.15, place + 0.85
        pane.area([left, right, right, left], [0, 0, value, value], pane.theme.main, zorder=2)
    pane.line(pane.x, [0.0, 0.0], pane.theme.muted, linewidth=0.8)


def _words(title: str, shown: Sequence[Sample]) -> str:
    said = [", ".join((one.title, *one.told)) for one in shown]
    more = f"; and {len(said) - NAMED} more" if len(said) > NAMED else ""
    return f"{title + ': ' if title else ''}{wording.plural(len(said), 'sample')}. {'; '.join(said[:NAMED])}{more}."
