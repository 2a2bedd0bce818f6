"""The metric of each calibration set by itself, the chosen ones marked; and the best value against how many are."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import Picture, Theme
from deeptrain.report.run import Plain

WIDTH, HEIGHT, BELOW = 460, 300, 210
MOST_LABELS = 24


def draw(theme: Theme, subset: Plain) -> Picture:
    """One bar a set, by number; a cross where the metric is undefined. Below it the best value of every size.

    Call it within `canvas.drawing()`.

    Args:
        theme: colours.
        subset: the plain result of `calibration.subset`; with `sizes`, the best value of other sizes, these too.
    """
    numbers = [int(one["number"]) for one in subset["per_set"]]
    values = np.array([wording.as_float(one["value"]) for one in subset["per_set"]])
    chosen = np.isin(numbers, subset["sets"])
    name = wording.capital(wording.metric_name(str(subset["metric"])))
    sizes = list(subset.get("sizes", ()))
    figure = canvas.new_figure(WIDTH, HEIGHT + (BELOW if sizes else 0), theme)
    canvas.heading(figure, theme, f"{name} by calibration set, in sample", 0, 4)
    axes = canvas.add_axes(figure, theme, 52, 90, WIDTH - 66, HEIGHT - 90 - 50)
    places = np.arange(len(numbers))
    for marked, color, label in ((True, theme.main, "chosen"), (False, theme.faint[0], "not chosen")):
        rows = (chosen == marked) & np.isfinite(values)
        if rows.any():
            axes.bar(places[rows], values[rows], width=0.78, color=color, label=label, zorder=2)
    if np.isnan(values).any():
        axes.plot(
            places[np.isnan(values)], np.zeros(int(np.isnan(values).sum())), linestyle="", marker="x", markersize=6,
            color=theme.second, label="undefined", clip_on=False, zorder=3,
        )  # fmt: skip
    for label, key, style in (("chosen together", "value", "-"), ("all together", "all_sets", (0, (4, 2.5)))):
        value = wording.as_float(subset[key])
        if np.isfinite(value):
            text = f"{label}: {wording.score(value)}"
            axes.axhline(value, color=theme.ink, linewidth=1.2, linestyle=style, label=text, zorder=3)
    axes.set_xlim(-0.6, len(numbers) - 0.4)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.0), max(high, 0.05))
    axes.set_xlabel("set number")
    if len(numbers) <= MOST_LABELS:
        axes.set_xticks(places, [str(number) for number in numbers])
        if len(numbers) * max(len(str(number)) for number in numbers) * 8.5 > WIDTH - 66:
            axes.tick_params(axis="x", labelrotation=90)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        shown = {place: str(number) for place, number in enumerate(numbers)}
        axes.xaxis.set_major_formatter(lambda place, _: shown.get(round(place), ""))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    canvas.plain_numbers(axes.yaxis)
    canvas.legend(axes, theme, -52, 53, 2)
    at = "" if subset["threshold"] is None else f" at the threshold {wording.score(subset['threshold'])}"
    words = (
        f"{name} of {wording.plural(len(numbers), 'calibration set')}{at}, in sample: "
        f"{wording.score(subset['value'])} on the chosen sets {', '.join(str(number) for number in subset['sets'])} "
        f"together, {wording.score(subset['all_sets'])} on all."
    )
    drawn: dict[str, Any] = {"set": numbers, "value": values.tolist(), "chosen": list(subset["sets"])}
    if sizes:
        drawn["sizes"] = sizes
        words += (
            f" The best {sizes[0]['size']} have {wording.score(sizes[0]['value'])}, the best {sizes[-1]['size']} "
            f"{wording.score(sizes[-1]['value'])}."
        )
        _against_size(figure, theme, name, subset, sizes)
    return Picture(figure, drawn, words)


def _against_size(figure: Figure, theme: Theme, name: str, subset: Plain, sizes: list[Plain]) -> None:
    """The best value of each size, the one that was asked for marked."""
    canvas.heading(figure, theme, f"{name} of the best sets, by how many", 0, HEIGHT + 14)
    axes = canvas.add_axes(figure, theme, 52, HEIGHT + 72, WIDTH - 66, BELOW - 72 - 50)
    x, y = ([wording.as_float(one[key]) for one in sizes] for key in ("size", "value"))
    axes.plot(
        x, y, color=theme.main, linewidth=1.6, marker="o", markersize=3.2, label="best of that size", clip_on=False,
        zorder=3,
    )  # fmt: skip
    size = len(subset["sets"])
    axes.plot(
        [size], [wording.as_float(subset["value"])], linestyle="", marker="D", markersize=7, color=theme.second,
        markeredgecolor=theme.paper, markeredgewidth=1.2, label=f"the chosen {size}", clip_on=False, zorder=4,
    )  # fmt: skip
    axes.set_xlim(0.5, max(x) + 0.5)
    axes.margins(y=0.12)
    if all(not value > 1 for value in y):
        low, high = axes.get_ylim()
        axes.set_ylim(low, min(high, 1.0))  # no tick where no value can be
    axes.set_xlabel("sets chosen" + ("" if subset["threshold"] is None else ", each time with their best threshold"))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    for axis in (axes.xaxis, axes.yaxis):
        canvas.plain_numbers(axis)
    canvas.legend(axes, theme, -52, 30, 2)
