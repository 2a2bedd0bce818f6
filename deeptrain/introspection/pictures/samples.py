"""Samples as one looks at them: images as images, series as lines, rows of a table as bars."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.errors import DataError
from deeptrain.introspection.pictures import arrays as given_arrays
from deeptrain.introspection.pictures import images, reconstructions
from deeptrain.introspection.pictures.panes import Grid, Pane, bulk

MOST = 40
MOST_BARS = 64
"""Numbers of a row that are drawn as bars; of a longer one the line."""

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
    """

    title: str
    told: tuple[str, ...]
    values: ArrayLike


def draw(samples: Sequence[Sample], *, title: str = "", theme: Theme = LIGHT) -> Picture:
    """Samples in a grid, all in one scale: from the least to the greatest value of what is drawn.

    Images (height, width) are at most 4 times as long as wide; longer ones are series.

    Args:
        samples: the first 40 are drawn.
        title: of the picture.
        theme: colours.

    Returns:
        The picture, 1200 pixels wide; `numbers`: `low` and `high`, and of each drawn sample `title`, `told`, `shape`
        and `not_finite`.

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
    pictured = [reconstructions.is_image(values) for values in found]
    ends = images.ends(found) if all(pictured) else bulk(np.concatenate([one.reshape(-1) for one in found]))
    bad = [sum(given_arrays.not_finite(one)) for one in found]
    note = f"Values from {wording.score(ends[0])} to {wording.score(ends[1])}."
    if any(bad):
        note += f" {wording.plural(sum(bad), 'value')} not finite: orange in images, gaps elsewhere."
    if len(samples) > MOST:
        note += f" {len(samples) - MOST:,} more are not drawn."
    with canvas.drawing():
        lines = len(samples[0].told)
        width = Grid(COLUMNS, 0, lines, 16, 0).width
        sizes = [width * one.shape[0] / one.shape[1] for one, image in zip(found, pictured, strict=True) if image]
        height = min(max(sizes, default=LINES), HIGHEST)
        figure, panes = Grid(COLUMNS, height, lines, 16, 0).sheet([("", len(shown))], theme, title, [note])
        for pane, one, values, image in zip(panes, shown, found, pictured, strict=True):
            pane.titles(one.title, *one.told)
            if image:
                images.paint(pane, values, *ends)
            elif values.ndim == 1 and len(values) <= MOST_BARS:
                _bars(replace(pane, x=(0.0, float(len(values))), y=(min(ends[0], 0.0), max(ends[1], 0.0))), values)
            else:
                reconstructions.lines(replace(pane, y=ends), values)
    told = [
        {"title": one.title, "told": list(one.told), "shape": list(values.shape), "not_finite": count}
        for one, values, count in zip(shown, found, bad, strict=True)
    ]
    return Picture(figure, {"low": ends[0], "high": ends[1], "samples": told}, _words(title, shown), mixed=True)


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
