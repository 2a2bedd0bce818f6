"""Numbers along a training: the gradients' norm of each layer, the learning rate, anything that was recorded."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from deeptrain.drawing import canvas, curves, wording
from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.errors import DataError
from deeptrain.introspection.pictures import arrays as given_arrays
from deeptrain.introspection.pictures.colors import Scale, told_color
from deeptrain.introspection.pictures.heat_maps import thinned
from deeptrain.introspection.pictures.panes import (
    EDGE,
    HEAD,
    NOTE,
    TICK_SIZE,
    WIDTH,
    Pane,
    blank,
    fitted,
    length,
    ticks,
    widened,
)

MOST_LINES = 6
MOST_ROWS = 400
LOG_RATIO = 20.0
HEIGHT, ROW = 300, 18
LONGEST_NAME = 330.0
LOWEST = 0.06
"""Of the scale of colours, what the least number above 0 gets: 0 itself is seen beside it."""


def draw(
    values: Mapping[str, ArrayLike],
    iterations: ArrayLike | None = None,
    *,
    title: str = "",
    unit: str = "value",
    across: str = "iteration",
    log: bool | None = None,
    theme: Theme = LIGHT,
) -> Picture:
    """Up to 6 as curves; more, such as of the layers of a model, as a heat map with a row each.

    The scale helps to be logarithmic where nothing is below 0 and the bulk spreads over more than a factor of 20. What
    has no place on it, such as NaN, is a gap, or has a colour of its own, and is told. However many: peaks are kept.

    Args:
        values: by name, (recorded,) each, such as the norm of a layer's gradients.
        iterations: (recorded,) ascending, at which they were recorded; by default 0, 1, ...
        title: of the picture.
        unit: of the numbers.
        across: what `iterations` are.
        log: whether the scale is logarithmic; None for where it helps.
        theme: colours.

    Returns:
        The picture, 1200 pixels wide; `numbers`: `logarithmic`, `not_finite` by name, and as drawn, curves by name with
        `iteration` and `value`, or `values` (rows, columns) of the heat map with `names`.

    Raises:
        DataError: without any, for other than vectors of one length, and for iterations that do not ascend.
    """
    (section,) = given_arrays.sections("over_time", values)
    lengths = {one.shape for one in section.arrays.values()}
    if len(lengths) != 1 or len(next(iter(lengths))) != 1 or not next(iter(lengths))[0]:
        raise DataError(
            "over_time: expected vectors of one length of at least 1, got shapes "
            + ", ".join(str(list(one)) for one in sorted(lengths)[:5])
        )
    (size,) = next(iter(lengths))
    at = (
        np.arange(size, dtype=np.float64)
        if iterations is None
        else given_arrays.numbers("over_time: iterations", iterations)
    )
    if at.shape != (size,) or not np.isfinite(at).all() or (np.diff(at) <= 0).any():
        raise DataError(f"over_time: expected {size} ascending iterations, one a value, got shape {list(at.shape)}")
    names = list(section.arrays)[:MOST_ROWS]
    table = np.stack([section.arrays[name] for name in names])
    log = _log_helps(table) if log is None else log
    if log and not (table[np.isfinite(table)] > 0).any():
        raise DataError("over_time: nothing is above 0, so the scale cannot be logarithmic; leave log out")
    missing = {name: int(np.count_nonzero(~np.isfinite(row))) for name, row in zip(names, table, strict=True)}
    notes = [f"{wording.capital(unit)}{', logarithmic' if log else ''}."]
    if log and (least := int(np.count_nonzero(table <= 0))):
        where = (
            "gaps"
            if len(names) <= MOST_LINES
            else "0 in the paper's colour"
            if (table >= 0).all()
            else told_color(theme)
        )
        notes.append(f"Not above 0: {wording.plural(least, 'value')} ({where}).")
    if worst := [name for name in names if missing[name]]:
        notes.append(
            f"Not finite: {wording.plural(sum(missing.values()), 'value')} of {', '.join(worst[:3])}"
            + (f" and {len(worst) - 3} more" if len(worst) > 3 else "")
            + (f" ({told_color(theme)})." if len(names) > MOST_LINES else " (gaps).")
        )
    if len(section.arrays) > MOST_ROWS:
        notes.append(f"{len(section.arrays) - MOST_ROWS} more are not drawn.")
    with canvas.drawing():
        if len(names) > MOST_LINES:
            figure, drawn = _map(names, table, at, log, title, notes, across, theme)
        else:
            figure, drawn = _lines(names, table, at, log, title, notes, across, theme)
    numbers = {"logarithmic": log, "not_finite": missing, **drawn}
    return Picture(figure, numbers, _words(title, unit, names, table), mixed=len(names) > MOST_LINES)


def _log_helps(table: NDArray[Any]) -> bool:
    finite = table[np.isfinite(table)]
    positive = finite[finite > 0]
    if not positive.size or (finite < 0).any():
        return False
    low, high = np.quantile(positive, (0.02, 0.98))
    return bool(high > LOG_RATIO * low)


def _head(figure: Figure, theme: Theme, title: str, notes: list[str]) -> float:
    """Title and notes, and where what is below them begins."""
    top = EDGE
    if title:
        canvas.heading(figure, theme, fitted(title, WIDTH - 2 * EDGE, 14.5, "bold"), EDGE, top - 4)
        top += HEAD
    for number, note in enumerate(notes):
        color = theme.muted if number == 0 else theme.second
        text = fitted(note, WIDTH - 2 * EDGE, 12.5)
        canvas.write(figure, EDGE, top - 4, text, color=color, fontsize=canvas.points(12.5))
        top += NOTE
    return top


def _lines(
    names: list[str],
    table: NDArray[Any],
    at: NDArray[Any],
    log: bool,
    title: str,
    notes: list[str],
    across: str,
    theme: Theme,
) -> tuple[Figure, dict[str, Any]]:
    above = EDGE + (HEAD if title else 0) + NOTE * len(notes)
    columns = max(1, min(4, len(names)))
    widest = (WIDTH - 2 * EDGE) / columns - 50
    rows = -(-len(names) // columns) if len(names) > 1 else 0
    top = above + 19 * rows + 8
    figure = canvas.new_figure(WIDTH, top + HEIGHT + 58, theme)
    _head(figure, theme, title, notes)
    left = 76
    axes = canvas.add_axes(figure, theme, left, top, WIDTH - left - EDGE - 12, HEIGHT)
    drawn = {}
    for name, row, color in zip(names, table, theme.series, strict=False):
        x, y = curves.thinned(at, np.where(row > 0, row, np.nan) if log else row, 2 * WIDTH)
        drawn[name] = {"iteration": x.tolist(), "value": y.tolist()}
        alone = np.isfinite(y).sum() <= 60
        axes.plot(
            x,
            y,
            color=color,
            linewidth=1.4,
            label=fitted(name, widest, 12),
            marker="o" if alone else "",
            markersize=3.4,
        )
    if not np.isfinite(table).any():
        axes.text(0.5, 0.5, "no finite value", transform=axes.transAxes, color=theme.muted, ha="center", va="center")
        axes.set_yticks([])
    elif log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0,), numticks=8))
        axes.yaxis.set_minor_locator(LogLocator(subs=(), numticks=8))
        low, high = axes.get_ylim()
        if math.log10(high / low) < 2.5:
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 2.5, 5, 10)))
    axes.set_xlim(*(widened(at[0], at[-1])))
    axes.xaxis.set_major_locator(MaxNLocator(9, steps=(1, 2, 5, 10), integer=True))
    canvas.plain_numbers(axes.xaxis)
    canvas.plain_numbers(axes.yaxis)
    axes.set_xlabel(canvas.legible(across))
    if rows:
        canvas.legend(axes, theme, EDGE - left, top - above + 2, columns)
    return figure, {"curves": drawn}


def _map(
    names: list[str],
    table: NDArray[Any],
    at: NDArray[Any],
    log: bool,
    title: str,
    notes: list[str],
    across: str,
    theme: Theme,
) -> tuple[Figure, dict[str, Any]]:
    scale, shares, names_of_ends = _shares(table, log, theme)
    top = EDGE + (HEAD if title else 0) + NOTE * len(notes) + 34
    height = ROW * len(names)
    figure, sheet = blank(WIDTH, top + height + 58, theme)
    _head(figure, theme, title, notes)
    texts = [fitted(name, LONGEST_NAME, TICK_SIZE) for name in names]
    left = EDGE + max(length(text, TICK_SIZE) for text in texts) + 10
    pane = Pane(sheet, theme, left, top, WIDTH - left - EDGE - 12, height, 0)
    drawn = thinned(shares, len(names), int(2 * pane.width))
    pane.pixels(scale.colors(drawn))
    pane.frame()
    for row, text in enumerate(texts):
        pane.text(left - 8, top + ROW * (row + 0.5), text, theme.ink, TICK_SIZE, ha="right", va="center")
    for place in (
        ticks(float(at[0]), float(at[-1]), 9, integer=True, width=pane.width) if len(at) > 1 else [float(at[0])]
    ):
        x = left + pane.width * (np.interp(place, at, np.arange(len(at))) + 0.5) / len(at)
        pane.text(x, top + height + 6, canvas.tick(place), theme.muted, TICK_SIZE, ha="center", va="top")
    pane.text(left + pane.width / 2, top + height + 28, across, theme.muted, 12.5, ha="center", va="top")
    scale.bar(sheet, WIDTH - EDGE - 12 - 260, top - 34, 260, names_of_ends)
    return figure, {"values": drawn, "names": names}


def _shares(table: NDArray[Any], log: bool, theme: Theme) -> tuple[Scale, NDArray[Any], tuple[str, str, str] | None]:
    """What is drawn in colours: of a logarithmic scale the share of the way from the least above 0 to the greatest."""
    finite = table[np.isfinite(table)]
    if not log:
        most = min(float(np.abs(finite).max()), 1e300) if finite.size else 1.0
        low = -most if (finite < 0).any() else 0.0
        high = most if not finite.size or (finite >= 0).any() else 0.0
        scale = Scale(low, high, theme) if most else Scale(0.0, 1.0, theme)
        return scale, table, None
    least, greatest = float(finite[finite > 0].min()), float(finite.max())
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (np.log(table) - math.log(least)) / ((math.log(greatest) - math.log(least)) or 1.0)
    shares = np.where(table == 0, 0.0, LOWEST + (1 - LOWEST) * share)
    shares[~np.isfinite(table) | (table < 0)] = np.nan
    return Scale(0.0, 1.0, theme), shares, (canvas.tick(least), "", canvas.tick(greatest))


def _words(title: str, unit: str, names: list[str], table: NDArray[Any]) -> str:
    told = []
    for name, row in list(zip(names, table, strict=True))[:12]:
        finite = row[np.isfinite(row)]
        if finite.size:
            told.append(
                f"{name}: from {wording.score(finite[0])} to {wording.score(finite[-1])}, at most "
                f"{wording.score(finite.max())}"
            )
        else:
            told.append(f"{name}: no finite value")
    more = f"; and {len(names) - 12} more" if len(names) > 12 else ""
    return f"{title + ': ' if title else ''}{unit} over {table.shape[1]:,} records. {'; '.join(told)}{more}."
