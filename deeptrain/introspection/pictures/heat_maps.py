"""Heat maps of many arrays in a grid: blue below 0, orange above."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.errors import DataError
from deeptrain.introspection.pictures import arrays as given_arrays
from deeptrain.introspection.pictures.arrays import Arrays, Section
from deeptrain.introspection.pictures.colors import Scale, scale_of, told_color
from deeptrain.introspection.pictures.panes import TICK_SIZE, Grid, Pane

HEIGHT = 150
BELOW_PANE = 62
NAMED = 12


def draw(
    arrays: Arrays,
    *,
    title: str = "",
    unit: str = "value",
    rows: str = "row",
    across: str = "column",
    columns: int = 4,
    shared: bool = False,
    theme: Theme = LIGHT,
) -> Picture:
    """A heat map of each array, the colour of 0 in the middle of the scale, which is told below it.

    The scale is the same on both sides of 0, and has one side only where nothing is on the other. A few values far
    beyond all others do not stretch it: they have its end's colour and are counted. Of several values that fall on one
    pixel, the one furthest from 0 is drawn, and before it what is no number, so that none is overlooked.

    Args:
        arrays: by name, or by heading and name. (rows, columns), or (columns,); of more axes, such as a kernel's
            (height, width, in, out), all but the last are joined to rows.
        title: of the picture.
        unit: of the numbers.
        rows: what a row is, such as "input".
        across: what a column is, such as "unit".
        columns: panes in a row.
        shared: whether panes under one heading have one scale.
        theme: colours.

    Returns:
        The picture, 1200 pixels wide; `numbers` by name, or by heading and name: `values`, the array of what each
        drawn cell shows, the scale's ends `low` and `high`, `shape`, `nan`, `infinite`, `beyond`.

    Raises:
        DataError: without an array, for one that has no real numbers, and for less than a column.
    """
    if columns < 1:
        raise DataError(f"heat_maps: columns must be at least 1, got {columns}")
    found, left_out = given_arrays.first_panes(given_arrays.sections("heat_maps", arrays))
    notes = [
        f"Colour: {unit}. Down: {rows}. Across: {across}. What is no number is {told_color(theme)}."
        + (f" {left_out} more are not drawn." if left_out else "")
    ]
    numbers: dict[str, dict[str, Any]] = {}
    scales = [_scales(section, theme, shared=shared) for section in found]
    with canvas.drawing():
        grid = Grid(columns, HEIGHT, 1 + any(bad for some in scales for _, _, bad in some), BELOW_PANE)
        figure, panes = grid.sheet([(one.heading, len(one.arrays)) for one in found], theme, title, notes)
        places = iter(panes)
        for section, some in zip(found, scales, strict=True):
            numbers[section.heading] = {
                name: _pane(next(places), name, values, *one)
                for (name, values), one in zip(section.arrays.items(), some, strict=True)
            }
    plain = numbers.get("", numbers) if len(numbers) == 1 else numbers
    return Picture(figure, plain, _words(title, unit, numbers, left_out), mixed=True)


def _scales(section: Section, theme: Theme, *, shared: bool) -> list[tuple[Scale, int, list[str]]]:
    """Of each array its scale, how many values are beyond it, and what is to worry about."""
    together = scale_of(list(section.arrays.values()), theme) if shared else None
    found = []
    for values in section.arrays.values():
        scale = together or scale_of([values], theme)
        finite = values[np.isfinite(values)]
        beyond = int(np.count_nonzero(np.abs(finite) > scale.furthest))
        bad = given_arrays.told(*given_arrays.not_finite(values), values.size)
        if beyond:
            bad.append(f"{beyond:,} beyond, to {wording.score(finite[np.argmax(np.abs(finite))])}")
        found.append((scale, beyond, bad))
    return found


def _pane(pane: Pane, name: str, values: NDArray[Any], scale: Scale, beyond: int, bad: list[str]) -> dict[str, Any]:
    pane.titles(name, given_arrays.shape(values), ", ".join(bad), warn=True)
    nan, infinite = given_arrays.not_finite(values)
    flat = values.reshape(-1, values.shape[-1]) if values.ndim and values.shape[-1] else values.reshape(1, -1)
    told = {"low": scale.low, "high": scale.high, "shape": list(values.shape)}
    told |= {"nan": nan, "infinite": infinite, "beyond": beyond}
    if not values.size:
        pane.say("no value")
        pane.frame()
        return {"values": flat, **told}
    flat = thinned(flat, int(2 * pane.height), int(2 * pane.width))
    pane.pixels(scale.colors(flat))
    pane.frame()
    high, wide = values.reshape(-1, values.shape[-1]).shape if values.ndim else (1, 1)
    style: dict[str, Any] = {"color": pane.theme.muted, "size": TICK_SIZE}
    pane.text(pane.left - 6, pane.top, "0", ha="right", va="top", **style)
    if high > 1:
        pane.text(pane.left - 6, pane.top + pane.height, f"{high - 1:,}", ha="right", va="bottom", **style)
    if wide > 1:
        pane.text(pane.left, pane.top + pane.height + 6, "0", ha="left", va="top", **style)
        pane.text(pane.left + pane.width, pane.top + pane.height + 6, f"{wide - 1:,}", ha="right", va="top", **style)
    scale.bar(pane.sheet, pane.left + 0.2 * pane.width, pane.top + pane.height + 26, 0.6 * pane.width)
    return {"values": flat, **told}


def thinned(values: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """At most so many rows and columns: of each block the value furthest from 0, or what is no number.

    Args:
        values: (rows, columns).
        rows: at most.
        columns: at most.
    """
    for axis, most in ((0, rows), (1, columns)):
        size = values.shape[axis]
        if size > most:
            starts = np.linspace(0, size, most, endpoint=False).astype(int)
            least = np.minimum.reduceat(values, starts, axis=axis)
            greatest = np.maximum.reduceat(values, starts, axis=axis)
            values = np.where(np.abs(least) > np.abs(greatest), least, greatest)  # NaN is both, and stays
    return values


def _words(title: str, unit: str, numbers: dict[str, dict[str, Any]], left_out: int) -> str:
    told = [
        f"{heading + ', ' if heading else ''}{name}: {' by '.join(map(str, one['shape'])) or 'one value'}, colours "
        f"from {wording.score(one['low'])} to {wording.score(one['high'])}"
        + "".join(f", {one[key]} {word}" for key, word in (("nan", "NaN"), ("infinite", "infinite")) if one[key])
        for heading, some in numbers.items()
        for name, one in some.items()
    ]
    more = max(len(told) - NAMED, 0) + left_out
    rest = f"; and {more} more" if more else ""
    head = f"{title}: " if title else ""
    return f"{head}heat maps of {unit}, {wording.plural(len(told), 'array')}. {'; '.join(told[:NAMED])}{rest}."
