"""Curves of many arrays in a grid: features along time, outputs of a layer, states of a recurrent one."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.drawing import canvas, wording
from deeptrain.drawing import curves as long_curves
from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.errors import DataError
from deeptrain.introspection.pictures import arrays as given_arrays
from deeptrain.introspection.pictures.arrays import Arrays, Section
from deeptrain.introspection.pictures.panes import Grid, Pane, bulk, widened

HEIGHT = 96
NAMED = 12
MOST_DRAWN = 60


def draw(
    arrays: Arrays,
    *,
    title: str = "",
    unit: str = "value",
    across: str = "step",
    columns: int = 4,
    shared_y: bool = False,
    theme: Theme = LIGHT,
) -> Picture:
    """A pane of curves for each array: up to 6 in colours of their own, more of them faint, with their median.

    Peaks are kept however long a curve is; what is not finite is a gap and told. A few values far beyond all others
    are drawn at the pane's edge, and told.

    Args:
        arrays: by name, or by heading and name; (steps,), or (curves, steps), such as the samples of one channel, see
            `arrays.by_channel`.
        title: of the picture.
        unit: of the numbers.
        across: what a step is.
        columns: panes in a row.
        shared_y: whether panes under one heading have one range of values.
        theme: colours.

    Returns:
        The picture, 1200 pixels wide; `numbers` by name, or by heading and name: `step` and `value` of each curve as
        drawn, `low` and `high` of the pane, `nan`, `infinite`, `beyond`.

    Raises:
        DataError: without an array, for one of more than two axes or without real numbers, and for less than a column.
    """
    if columns < 1:
        raise DataError(f"curves: columns must be at least 1, got {columns}")
    found, left_out = given_arrays.first_panes(given_arrays.sections("curves", arrays))
    for section in found:
        for name, values in section.arrays.items():
            if values.ndim not in {1, 2}:
                raise DataError(
                    f"curves: {name}: expected (steps,) or (curves, steps), got shape {list(values.shape)}; "
                    "by_channel(values) makes one array a channel"
                )
    ends = [_ends(section, shared=shared_y) for section in found]
    bad = [[_bad(*one) for one in zip(section.arrays.values(), some, strict=True)]
           for section, some in zip(found, ends, strict=True)]  # fmt: skip
    notes = [f"Across: {across}. Up: {unit}." + (f" {left_out} more are not drawn." if left_out else "")]
    numbers: dict[str, dict[str, Any]] = {}
    with canvas.drawing():
        grid = Grid(columns, HEIGHT, 1 + any(one for some in bad for one in some))
        figure, panes = grid.sheet([(one.heading, len(one.arrays)) for one in found], theme, title, notes)
        places = iter(panes)
        for section, some, worries in zip(found, ends, bad, strict=True):
            numbers[section.heading] = {
                name: _pane(next(places), name, values, end, bad_ones)
                for (name, values), end, bad_ones in zip(section.arrays.items(), some, worries, strict=True)
            }
    plain = numbers.get("", numbers) if len(numbers) == 1 else numbers
    return Picture(figure, plain, _words(title, numbers, left_out))


def _ends(section: Section, *, shared: bool) -> list[tuple[float, float]]:
    ends = [bulk(values) for values in section.arrays.values()]
    drawn = [one for one, values in zip(ends, section.arrays.values(), strict=True) if np.isfinite(values).any()]
    if shared and drawn:
        return [widened(min(low for low, _ in drawn), max(high for _, high in drawn))] * len(ends)
    return ends


def _beyond(values: NDArray[Any], ends: tuple[float, float]) -> NDArray[Any]:
    finite = values[np.isfinite(values)]
    found: NDArray[Any] = finite[(finite < ends[0]) | (finite > ends[1])]
    return found


def _bad(values: NDArray[Any], ends: tuple[float, float]) -> list[str]:
    bad = given_arrays.told(*given_arrays.not_finite(values), values.size)
    far = _beyond(values, ends)
    return [*bad, f"{far.size:,} beyond, to {wording.score(far[np.argmax(np.abs(far))])}"] if far.size else bad


def _pane(pane: Pane, name: str, values: NDArray[Any], ends: tuple[float, float], bad: list[str]) -> dict[str, Any]:
    lines = values[None] if values.ndim == 1 else values
    pane = replace(pane, x=widened(0.0, max(lines.shape[1] - 1.0, 0.0)), y=ends)
    pane.titles(name, given_arrays.shape(values), ", ".join(bad), warn=True)
    nan, infinite = given_arrays.not_finite(values)
    told = {
        "low": ends[0],
        "high": ends[1],
        "nan": nan,
        "infinite": infinite,
        "beyond": int(_beyond(values, ends).size),
    }
    if not np.isfinite(values).any():
        pane.say("no value" if not values.size else "no finite value")
        pane.frame()
        return {"step": [], "value": [], **told}
    pane.x_ticks(integer=True)
    pane.y_ticks(3)
    steps = np.arange(lines.shape[1])
    many = len(lines) > len(pane.theme.series)
    shown = lines[:: -(-len(lines) // MOST_DRAWN)] if many else lines
    drawn = [long_curves.thinned(steps, one, int(2 * pane.width)) for one in shown]
    for number, (x, y) in enumerate(drawn):
        style = {"linewidth": 0.7, "zorder": 2.0} if many else {"linewidth": 1.3, "zorder": 3.0}
        color = pane.theme.faint[0] if many else pane.theme.series[number]
        _curve(pane, x, y, color, **style)
    if many:
        with np.errstate(invalid="ignore"):
            finite = np.where(np.isfinite(lines), lines, np.nan)
            middle = np.full(lines.shape[1], np.nan)
            known = ~np.isnan(finite).all(axis=0)
            middle[known] = np.nanmedian(finite[:, known], axis=0)
        _curve(
            pane, *long_curves.thinned(steps, middle, int(2 * pane.width)), pane.theme.main, linewidth=1.8, zorder=3.0
        )
    return {"step": [x.tolist() for x, _ in drawn], "value": [y.tolist() for _, y in drawn], **told}


def _curve(pane: Pane, x: NDArray[Any], y: NDArray[Any], color: str, **style: Any) -> None:
    """A curve; a value between two gaps is a point."""
    y = np.clip(y, *pane.y)
    pane.line(x, y, color, **style)
    gap = np.r_[True, np.isnan(y), True]
    alone = ~np.isnan(y) & gap[:-2] & gap[2:]
    if alone.any():
        pane.line(x[alone], y[alone], color, **{**style, "linestyle": "", "marker": ".", "markersize": 5})


def _words(title: str, numbers: dict[str, dict[str, Any]], left_out: int) -> str:
    told = [
        f"{heading + ', ' if heading else ''}{name}: {wording.plural(len(one['value']), 'curve')} between "
        f"{wording.score(one['low'])} and {wording.score(one['high'])}"
        + "".join(f", {one[key]} {word}" for key, word in (("nan", "NaN"), ("infinite", "infinite")) if one[key])
        for heading, some in numbers.items()
        for name, one in some.items()
    ]
    more = max(len(told) - NAMED, 0) + left_out
    rest = f"; and {more} more" if more else ""
    head = f"{title}: " if title else ""
    return f"{head}curves of {wording.plural(len(told), 'array')}. {'; '.join(told[:NAMED])}{rest}."
