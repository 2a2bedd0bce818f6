"""Originals over what an autoencoder made of them."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain.drawing import canvas, curves, wording
from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.errors import DataError
from deeptrain.introspection.pictures import arrays as given_arrays
from deeptrain.introspection.pictures import images
from deeptrain.introspection.pictures.panes import Grid, Pane, bulk

LONGEST_IMAGE = 4
"""Times as long as wide: what is longer is a series of some channels."""

MOST = 24
COLUMNS = 8
BETWEEN = 6
LINES = 90.0
HIGHEST = 200.0
NAMES = ("original", "reconstruction")


def draw(originals: ArrayLike, made: ArrayLike, *, title: str = "", theme: Theme = LIGHT) -> Picture:
    """Each original over its reconstruction, the mean squared error over both, all in one scale.

    Images (height, width), at most 4 times as long as wide, or with 1, 3 or 4 channels are drawn as such; anything else
    as curves along its first axis. The scale is that of the originals: what a reconstruction has beyond it is cut off.

    Args:
        originals: (samples, ...); the first 24 are drawn.
        made: reconstructions, of the same shape.
        title: of the picture.
        theme: colours.

    Returns:
        The picture, 1200 pixels wide; `numbers`: `errors`, the mean squared error of each drawn sample over its finite
        values, `low`, `high`, `not_finite` (of the reconstructions).

    Raises:
        DataError: for arrays of different shapes, without a sample, or without an axis beside that of the samples.
    """
    first, second = (
        given_arrays.numbers(f"reconstructions: {name}", one)
        for name, one in zip(NAMES, (originals, made), strict=True)
    )
    if first.shape != second.shape or first.ndim < 2 or not first.size:
        raise DataError(
            "reconstructions: expected originals and reconstructions of one shape (samples, ...), got "
            f"{list(first.shape)} and {list(second.shape)}"
        )
    left_out = max(len(first) - MOST, 0)
    first, second = first[:MOST], second[:MOST]
    errors = [_error(one, other) for one, other in zip(first, second, strict=True)]
    bad = int(second.size - np.count_nonzero(np.isfinite(second)))
    low, high = bulk(first)
    with canvas.drawing():
        figure = _sheet(first, second, errors, (low, high), title, _notes(first, bad, left_out, (low, high)), theme)
    numbers = {"errors": errors, "low": low, "high": high, "not_finite": bad}
    known = [one for one in errors if np.isfinite(one)]
    words = (
        f"{title + ': ' if title else ''}{wording.plural(len(first), 'original')} over reconstructions, mean squared "
        f"errors {', '.join(map(wording.score, errors))}"
        + (f"; {wording.score(float(np.mean(known)))} on average." if known else ".")
    )
    return Picture(figure, numbers, words, mixed=True)


def is_image(sample: NDArray[Any]) -> bool:
    """Whether a sample is drawn as an image."""
    if sample.ndim == 3:
        return sample.shape[-1] in images.CHANNELS
    return sample.ndim == 2 and max(sample.shape) <= LONGEST_IMAGE * min(sample.shape)


def _error(original: NDArray[Any], made: NDArray[Any]) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        squares = (original.astype(np.float64) - made.astype(np.float64)) ** 2
    finite = squares[np.isfinite(squares)]
    return float(finite.mean()) if finite.size else float("nan")


def _notes(first: NDArray[Any], bad: int, left_out: int, ends: tuple[float, float]) -> list[str]:
    low, high = map(wording.score, ends)
    note = f"Above the original, below its reconstruction; values from {low} to {high}."
    if left_out:
        note += f" {left_out:,} more samples are not drawn."
    if bad:
        gap = "orange" if is_image(first[0]) else "gaps"
        note += f" {bad:,} values of reconstructions are not finite: {gap}."
    return [note]


def _sheet(
    first: NDArray[Any],
    second: NDArray[Any],
    errors: list[float],
    ends: tuple[float, float],
    title: str,
    notes: list[str],
    theme: Theme,
) -> Any:
    columns = max(min(len(first), COLUMNS), 4)
    pictured = is_image(first[0])
    width = Grid(columns, 0, 0, 0, 0).width
    height = min(width * first.shape[1] / first.shape[2], HIGHEST) if pictured else LINES
    grid = Grid(columns, 2 * height + BETWEEN, 0, 10, 0)
    figure, panes = grid.sheet([("", len(first))], theme, title, notes)
    for pane, one, other, error in zip(panes, first, second, errors, strict=True):
        pane.titles(f"error {wording.score(error)}")
        for row, values in enumerate((one, other)):
            place = replace(pane, top=pane.top + row * (height + BETWEEN), height=height, y=ends)
            if pictured:
                images.paint(place, values, *ends)
            else:
                _lines(place, values)
    return figure


def _lines(pane: Pane, sample: NDArray[Any]) -> None:
    series = sample.reshape(len(sample), -1).T
    pane = replace(pane, x=(0.0, max(len(sample) - 1.0, 1.0)))
    pane.frame()
    for number, values in enumerate(series):
        x, y = curves.thinned(np.arange(len(sample)), values, int(2 * pane.width))
        color = pane.theme.series[number % len(pane.theme.series)]
        pane.line(x, np.clip(y, *pane.y), color, linewidth=1.1)
