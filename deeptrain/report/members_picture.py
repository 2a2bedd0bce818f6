"""What each member counts for in the ensemble, what it is worth alone, and whose errors go together."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import Picture, Theme
from deeptrain.report import outcome
from deeptrain.report.confusion_picture import readable
from deeptrain.report.run import Plain

WIDTH, ROW, TOP, FOOT = 460, 30, 88, 40
NAMES, WEIGHTS, ALONE, CELLS = 134, 72, 62, 174
"""Widths of the columns: numbers and names, bars of weights, values alone, correlations."""
MOST = 10
"""Members that are drawn: those that count most, then the first."""
HOW = {
    "greedy": "taken one by one, some again",
    "convex": "with the weights that are the best of all",
    "exact": "all counting alike, the best of every subset",
}


def draw(theme: Theme, members: Plain) -> Picture:
    """One row a member, in the order given; call it within `canvas.drawing()`.

    Args:
        theme: colours.
        members: the plain result of `calibration.members`.
    """
    everyone = members["members"]
    rows = _drawn(members)
    shown = [everyone[row] for row in rows]
    count = len(shown)
    height = TOP + ROW * count + FOOT
    figure = canvas.new_figure(WIDTH, height, theme)
    metric = wording.metric_name(str(members["metric"]))
    canvas.heading(figure, theme, wording.cut(f"Members of the ensemble, for {metric}", 48), 0, 4)
    style: dict[str, Any] = {"color": theme.muted, "fontsize": canvas.points(12)}
    left, end = NAMES, NAMES + WEIGHTS + ALONE
    canvas.write(figure, left, TOP - 30, "weight", va="bottom", **style)
    canvas.write(figure, end, TOP - 30, "alone", ha="right", va="bottom", **style)
    canvas.write(figure, end + 16, TOP - 30, "correlation", va="bottom", **style)
    bars = canvas.add_axes(figure, theme, left, TOP, WEIGHTS, ROW * count)
    _bars(bars, theme, [float(member["weight"]) for member in shown])
    for row, member in enumerate(shown):
        middle = TOP + ROW * (row + 0.5)
        counts = member["weight"] > 0
        ink = theme.ink if counts else theme.muted
        canvas.write(figure, 16, middle, str(row + 1), ha="right", va="center", **style)
        name = wording.cut(str(member["name"]), 13)
        canvas.write(figure, 24, middle, name, va="center", color=ink, fontsize=canvas.points(12.5))
        canvas.write(figure, end, middle, wording.score(member["value"]), ha="right", va="center", **style)
    correlation = np.array(
        [[wording.as_float(one) for one in row] for row in members["diversity"]["error_correlation"]]
    )[np.ix_(rows, rows)]
    grid = canvas.add_axes(figure, theme, end + 16, TOP, CELLS, ROW * count)
    _correlations(grid, theme, correlation)
    for number in range(count):
        place = end + 16 + CELLS * (number + 0.5) / count
        canvas.write(figure, place, TOP - 8, str(number + 1), ha="center", va="bottom", **style)
    hidden = len(everyone) - count
    foot = f"{hidden} more not drawn; " if hidden else ""
    canvas.write(figure, 0, height - 24, f"{foot}correlation of the errors of two members", **style)
    words = "Members of the ensemble: " + "; ".join(
        f"{member['name']}, weight {wording.score(member['weight'])}, {metric} alone {wording.score(member['value'])}"
        for member in shown
    )
    drawn = {"member": [str(member["name"]) for member in shown], "error_correlation": correlation.tolist()}
    return Picture(figure, drawn, f"{words}. Together {wording.score(members['value'])} in sample.")


def caption(members: Plain, tested: Plain | None) -> str:
    """What there is to know beside the picture.

    Args:
        members: the plain result of `calibration.members`.
        tested: the part of the evaluation about them, or None.
    """
    everyone = members["members"]
    chosen = [member for member in everyone if member["weight"] > 0]
    metric = wording.metric_name(str(members["metric"]))
    words = (
        f"{len(chosen)} of {len(everyone)} models make the ensemble, {HOW[members['method']]}. The {metric} on the "
        f"{outcome.split_name(members)} split is {wording.score(members['value'])}, where they were chosen, and "
        f"{wording.score(members['cross_fitted'])} cross-fitted."
    )
    if tested:
        alone = ", ".join(f"{name} {wording.score(value)}" for name, value in list(tested["alone"].items())[:MOST])
        words += f" On the test split the ensemble has {wording.score(tested['value'])}; alone: {alone}."
    return words


def rows(members: Plain) -> list[tuple[str, str]]:
    """The table on the page."""
    found = [
        (str(member["name"]), wording.score(member["weight"])) for member in members["members"] if member["weight"] > 0
    ]
    found += [
        ("chosen for", wording.metric_name(str(members["metric"]))),
        ("in sample", wording.score(members["value"])),
        ("cross-fitted", wording.score(members["cross_fitted"])),
        ("all alike, in sample", wording.score(members["alike"])),
        ("proven best", "yes" if members["certified"] else "no"),
    ]
    if "threshold" in members:
        found.append(("its threshold", wording.score(members["threshold"]["value"], 4)))
    return found


def _drawn(members: Plain) -> list[int]:
    """Which members have a row, ascending."""
    everyone = members["members"]
    ranked = sorted(range(len(everyone)), key=lambda row: (-everyone[row]["weight"], row))
    return sorted(ranked[:MOST])


def _bars(axes: Axes, theme: Theme, weights: list[float]) -> None:
    axes.grid(visible=False)
    axes.set_axis_off()
    axes.set_xlim(0, max(1.0, *weights))
    axes.set_ylim(len(weights), 0)
    for row, weight in enumerate(weights):
        axes.add_patch(Rectangle((0, row + 0.2), 1, 0.6, facecolor=theme.panel, linewidth=0))
        axes.add_patch(Rectangle((0, row + 0.2), weight, 0.6, facecolor=theme.main, linewidth=0))
        if weight > 0:
            inside = weight > 0.6
            axes.text(
                weight - 0.04 if inside else weight + 0.05,
                row + 0.5,
                f"{weight:.2f}",
                ha="right" if inside else "left",
                va="center",
                fontsize=canvas.points(11.5),
                color=readable(to_rgb(theme.main)) if inside else theme.ink,
            )


def _correlations(axes: Axes, theme: Theme, correlation: np.ndarray) -> None:
    """Blue where errors go together, orange where they go against one another, paper where they do not."""
    count = len(correlation)
    axes.grid(visible=False)
    axes.set_axis_off()
    axes.set_xlim(0, count)
    axes.set_ylim(count, 0)
    paper = to_rgb(theme.panel)
    for row in range(count):
        for column in range(count):
            value = correlation[row, column]
            size = 0.0 if math.isnan(value) else min(abs(value), 1.0)
            full = to_rgb(theme.main if value >= 0 else theme.second)
            fill = tuple(p + (f - p) * size for p, f in zip(paper, full, strict=True))
            axes.add_patch(Rectangle((column + 0.02, row + 0.03), 0.96, 0.94, facecolor=fill, linewidth=0))
            text = wording.NOTHING if math.isnan(value) else f"{value:.2f}".replace("-", wording.MINUS)
            if count <= 5:
                axes.text(
                    column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=canvas.points(11),
                    color=readable(fill),
                )  # fmt: skip
