"""Histograms of many arrays in a grid: weights, gradients, outputs by layer."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.errors import DataError
from deeptrain.introspection.pictures import arrays as given_arrays
from deeptrain.introspection.pictures.arrays import Arrays, Section
from deeptrain.introspection.pictures.panes import Grid, Pane, bulk, widened

HEIGHT = 96
PEAK = 4.0
"""A bar is cut off when it is so many times as high as the next lower one."""

MOST_PEAKS = 2
FEWEST_BINS = 10
NAMED = 12


@dataclass(frozen=True, eq=False)
class _Bars:
    counts: NDArray[np.int64]
    low: float
    high: float
    values: NDArray[Any]
    least: float
    greatest: float
    mean: float
    std: float
    nan: int
    infinite: int
    zeros: int
    below: int
    above: int

    @property
    def edges(self) -> NDArray[np.float64]:
        return np.linspace(self.low, self.high, len(self.counts) + 1)

    @property
    def finite(self) -> int:
        return self.values.size - self.nan - self.infinite


def draw(
    arrays: Arrays,
    *,
    title: str = "",
    unit: str = "value",
    columns: int = 4,
    bins: int = 60,
    shared_x: bool = False,
    shared_y: bool = False,
    theme: Theme = LIGHT,
) -> Picture:
    """A histogram of each array: its bulk in full, with what lies far away, is not finite or is zero told over it.

    At most two bars are cut off where they would flatten all others, as that at 0 of what went through a ReLU; their
    counts stand beside them. Values further from the bulk (1st to 99th percentile) than 4 times its width are counted
    and not drawn.

    Args:
        arrays: by name, such as a layer's; or by heading and name: `{"kernel": {"input": ..., "forget": ...}, ...}`.
            Of any shape; real numbers, NaN and infinities among them.
        title: of the picture.
        unit: of the numbers, told below the title.
        columns: panes in a row.
        bins: of each histogram, at most; fewer for few values.
        shared_x: whether panes under one heading have one range of values.
        shared_y: whether they have one range of counts.
        theme: colours.

    Returns:
        The picture, 1200 pixels wide; `numbers` by name, or by heading and name: `edges`, `counts`, `size`, `nan`,
        `infinite`, `zeros`, `below` and `above` (how many are beyond what is drawn), `mean`, `std`, `least`,
        `greatest`.

    Raises:
        DataError: without an array, for one that has no real numbers, and for less than a bin or a column.
    """
    if bins < 1 or columns < 1:
        raise DataError(f"histograms: bins and columns must be at least 1, got {bins} and {columns}")
    found, left_out = given_arrays.first_panes(given_arrays.sections("histograms", arrays))
    bars = [_section_bars(section, bins, shared=shared_x) for section in found]
    notes = [
        f"Across: {unit}. Up: how many values; the count stands beside a bar that is cut off. "
        "Over each: shape, mean \N{PLUS-MINUS SIGN} standard deviation."
        + (f" {left_out} more are not drawn." if left_out else "")
    ]
    with canvas.drawing():
        grid = Grid(columns, HEIGHT, 1 + any(_bad(one) or one.zeros for some in bars for one in some))
        figure, panes = grid.sheet([(one.heading, len(one.arrays)) for one in found], theme, title, notes)
        places = iter(panes)
        for section, some in zip(found, bars, strict=True):
            top = max(map(_top, some)) if shared_y else None
            for name, one in zip(section.arrays, some, strict=True):
                _pane(next(places), name, one, top)
    return Picture(figure, _numbers(found, bars), _words(title, found, bars, left_out))


def _section_bars(section: Section, bins: int, *, shared: bool) -> list[_Bars]:
    ends = [bulk(values) for values in section.arrays.values()]
    fewer = [min(bins, max(FEWEST_BINS, math.isqrt(4 * values.size))) for values in section.arrays.values()]
    drawn = [one for one, values in zip(ends, section.arrays.values(), strict=True) if np.isfinite(values).any()]
    if shared and drawn:
        ends = [widened(min(low for low, _ in drawn), max(high for _, high in drawn))] * len(ends)
        fewer = [max(fewer)] * len(ends)
    return [_bars(*one) for one in zip(section.arrays.values(), fewer, ends, strict=True)]


def _bars(values: NDArray[Any], bins: int, ends: tuple[float, float]) -> _Bars:
    low, high = ends
    nan, infinite = given_arrays.not_finite(values)
    flat = values.reshape(-1)
    finite = flat if nan + infinite == 0 else flat[np.isfinite(flat)]
    ends_64 = (
        np.float64(low),
        np.float64(high),
    )  # so that NumPy divides in float64, also half precision
    counts = np.histogram(finite, bins, ends_64)[0] if finite.size else np.zeros(bins, np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(finite.mean(dtype=np.float64)) if finite.size else float("nan")
        std = float(finite.std(dtype=np.float64)) if finite.size else float("nan")
    return _Bars(
        counts, low, high, values,
        least=float(finite.min()) if finite.size else float("nan"),
        greatest=float(finite.max()) if finite.size else float("nan"),
        mean=mean, std=std, nan=nan, infinite=infinite,
        zeros=int(np.count_nonzero(finite == 0)),
        below=int(np.count_nonzero(finite < low)),
        above=int(np.count_nonzero(finite > high)),
    )  # fmt: skip


def _top(one: _Bars) -> float:
    """The number at the pane's upper edge: the highest bar with some room, or the highest that is not cut off."""
    ordered = np.sort(one.counts)[::-1]
    for cut in range(min(MOST_PEAKS, len(ordered) - 1), 0, -1):
        if ordered[cut] > 0 and ordered[cut - 1] > PEAK * ordered[cut]:
            return 1.35 * float(ordered[cut])
    return 1.05 * float(ordered[0])


def _pane(pane: Pane, name: str, one: _Bars, top: float | None) -> None:
    top = top or _top(one) or 1.0
    pane = replace(pane, x=(one.low, one.high), y=(0.0, top))
    bad = _bad(one)
    pane.titles(name, _told(one), ", ".join([*bad, *_zeros(one)]), warn=bool(bad))
    if not one.finite:
        pane.say("no value" if not one.values.size else "no finite value")
        pane.frame()
        return
    edges = one.edges
    heights = np.minimum(one.counts, top)
    x, y = np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])
    pane.area(x, y, pane.theme.main, zorder=2)
    tall = [int(place) for place in np.argsort(-one.counts, kind="stable") if one.counts[place] > top][:MOST_PEAKS]
    for number, place in enumerate(sorted(tall)):
        middle = (edges[place] + edges[place + 1]) / 2
        to_the_right = middle < (one.low + one.high) / 2
        edge = edges[place + 1] if to_the_right else edges[place]
        x_text = float(pane.across(edge)) + (4 if to_the_right else -4)
        text = f"{int(one.counts[place]):,}"
        y_text = pane.top + 10 + (13 * number if len(tall) > 1 else 0)
        pane.text(x_text, y_text, text, pane.theme.ink, 11.5, ha="left" if to_the_right else "right")
        cut = np.array([0.9, 0.94, 0.99, 0.95]) * top
        pane.area([edges[place], edges[place], edges[place + 1], edges[place + 1]], cut, pane.theme.paper, zorder=2.5)
    if one.low < 0 < one.high:
        pane.upright(0.0, pane.theme.muted, linewidth=0.8, linestyle=(0, (2, 2)), zorder=2.7)
    pane.x_ticks()
    pane.y_ticks(2, integer=True)


def _told(one: _Bars) -> str:
    shape = given_arrays.shape(one.values)
    if not one.finite:
        return shape
    return f"{shape} \N{MIDDLE DOT} {wording.score(one.mean)} \N{PLUS-MINUS SIGN} {wording.score(one.std)}"


def _bad(one: _Bars) -> list[str]:
    ends = [(one.below, one.least), (one.above, one.greatest)]
    far = [f"{number:,} beyond, to {wording.score(end)}" for number, end in ends if number]
    return given_arrays.told(one.nan, one.infinite, one.values.size) + far


def _zeros(one: _Bars) -> list[str]:
    return [f"{wording.share(one.zeros, one.values.size)} zero"] if one.zeros else []


def _numbers(found: list[Section], bars: list[list[_Bars]]) -> dict[str, Any]:
    plain = {
        section.heading: {name: _plain(one) for name, one in zip(section.arrays, some, strict=True)}
        for section, some in zip(found, bars, strict=True)
    }
    return plain.get("", plain) if len(plain) == 1 else plain


def _plain(one: _Bars) -> dict[str, Any]:
    return {
        "edges": one.edges.tolist(), "counts": one.counts.tolist(), "size": one.values.size,
        "nan": one.nan, "infinite": one.infinite, "zeros": one.zeros, "below": one.below, "above": one.above,
        "mean": one.mean, "std": one.std, "least": one.least, "greatest": one.greatest,
    }  # fmt: skip


def _words(title: str, found: list[Section], bars: list[list[_Bars]], left_out: int) -> str:
    told = [
        f"{section.heading + ', ' if section.heading else ''}{name}: "
        + ", ".join([_told(one), *_bad(one), *_zeros(one)])
        for section, some in zip(found, bars, strict=True)
        for name, one in zip(section.arrays, some, strict=True)
    ]
    more = max(len(told) - NAMED, 0) + left_out
    rest = f"; and {more} more" if more else ""
    head = f"{title}: " if title else ""
    return f"{head}histograms of {wording.plural(len(told), 'array')}. {'; '.join(told[:NAMED])}{rest}."
