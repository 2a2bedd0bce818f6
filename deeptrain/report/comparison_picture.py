"""What runs have in common to draw: their histories on one axis, and their test scores with intervals."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import NDArray

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import Picture, Theme
from deeptrain.report.compared import ComparedRun, Comparison

HEIGHT, ROW = 250, 18
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (9, 3)))
"""Of the first runs that have all colours once, of the next, ..."""

LOG_RATIO = 20.0
FEW = 30
"""So many epochs have a dot each."""

LEAST_WIDTH = 600


@dataclass(frozen=True)
class _Curve:
    run: ComparedRun
    x: NDArray[Any]
    y: NDArray[np.float64]


def draw_histories(comparison: Comparison, theme: Theme, width: int = 1040) -> Picture:
    """Loss and key metrics of all runs over epochs; call it within `canvas.drawing()`.

    A ring marks each run's best epoch. Losses that span more than a factor of 20 are on a logarithmic axis; values that
    are not finite are gaps.

    Args:
        comparison: of runs with an epoch each.
        theme: colours.
        width: in pixels.
    """
    panes = [pane for pane in _panes(comparison) if pane[2]]
    left, right = (64, 18) if width >= LEAST_WIDTH else (56, 20)
    columns = max(1, (width - left) // 90)
    legend = ROW * math.ceil(len(comparison.runs) / columns) + 4
    top, figure_height = 10.0, sum(30 + (legend if n == 0 else 6) + HEIGHT + 44 for n in range(len(panes))) + 36.0
    figure = canvas.new_figure(width, figure_height, theme)
    last = max(run.epochs[-1]["epoch"] for run in comparison.runs)
    for number, (title, is_loss, curves) in enumerate(panes):
        canvas.heading(figure, theme, title, 0, top)
        above = 30 + (legend if number == 0 else 6)
        axes = canvas.add_axes(figure, theme, left, top + above, width - left - right, HEIGHT)
        for curve in curves:
            color, dashes = _look(curve.run, comparison, theme)
            marker = "o" if len(curve.x) <= FEW else ""
            label = curve.run.letter
            axes.plot(
                curve.x, curve.y, color=color, linestyle=dashes, linewidth=1.6, marker=marker, markersize=3, label=label
            )
            best = np.flatnonzero(curve.x == curve.run.best_epoch)
            axes.plot(curve.x[best], curve.y[best], "o", color=color, markersize=9, markerfacecolor="none")
        axes.set_xlim(0.5, last + 0.5)
        if is_loss and _spans(curves):
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        canvas.plain_numbers(axes.yaxis)
        axes.xaxis.set_major_locator(MaxNLocator(10 if width >= LEAST_WIDTH else 5, integer=True, steps=(1, 2, 5, 10)))
        canvas.plain_numbers(axes.xaxis)
        if number == 0:
            canvas.legend(axes, theme, -left, above - 29, columns)
        if number == len(panes) - 1:
            axes.set_xlabel("epoch")
        top += above + HEIGHT + 44
    numbers = {
        title: {curve.run.letter: {"epoch": curve.x, "value": curve.y} for curve in curves}
        for title, _, curves in panes
    }
    words = "; ".join(
        f"{title}: " + ", ".join(f"{curve.run.letter} ends at {wording.score(curve.y[-1])}" for curve in curves)
        for title, _, curves in panes
    )
    return Picture(figure, numbers, f"Histories over {wording.plural(last, 'epoch')}. {words}.")


def _panes(comparison: Comparison) -> Iterator[tuple[str, bool, list[_Curve]]]:
    runs = comparison.runs
    yield "Loss, training", True, _curves(runs, "train", "loss")
    yield "Loss, validation", True, _curves(runs, "validation", "loss")
    for name in dict.fromkeys(run.key_metric for run in runs if run.key_metric != "loss"):
        yield f"{wording.capital(wording.metric_name(name))}, validation", False, _curves(runs, "validation", name)


def _curves(runs: Sequence[ComparedRun], split: str, metric: str) -> list[_Curve]:
    found = []
    for run in runs:
        told = [(one["epoch"], wording.as_float(one[split][metric])) for one in run.epochs if metric in one[split]]
        if told:
            x, y = (np.array(column) for column in zip(*told, strict=True))
            found.append(_Curve(run, x, np.where(np.isfinite(y), y, np.nan)))
    return found


def _spans(curves: Sequence[_Curve]) -> bool:
    values = np.concatenate([curve.y for curve in curves])
    values = values[np.isfinite(values)]
    return len(values) > 0 and values.min() > 0 and values.max() > LOG_RATIO * values.min()


def _look(run: ComparedRun, comparison: Comparison, theme: Theme) -> tuple[str, Any]:
    """Colour and dashes of a run, which no other of 26 has."""
    turn, place = divmod(comparison.runs.index(run), len(theme.series))
    return theme.series[place], DASHES[turn % len(DASHES)]


def draw_scores(comparison: Comparison, theme: Theme, width: int = 1040) -> Picture:
    """Test scores in the first run's metric with their 95 % intervals, a line a run; within `canvas.drawing()`.

    Args:
        comparison: in which a run has a test score with an interval.
        theme: colours.
        width: in pixels.
    """
    shown = list(scored(comparison))
    metric = shown[0][1].metric
    left, right, line = 40, 24, 34
    height = 44 + line * len(shown) + 60
    figure = canvas.new_figure(width, height, theme)
    canvas.heading(
        figure, theme, f"{wording.capital(wording.metric_name(metric))} of the test split, with 95 % interval", 0, 10
    )
    axes = canvas.add_axes(figure, theme, left, 44, width - left - right, line * len(shown))
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=theme.line, linewidth=0.8)
    for place, (run, test) in enumerate(shown):
        color, _ = _look(run, comparison, theme)
        if test.interval is not None:
            axes.plot([test.interval.low, test.interval.high], [place, place], color=color, linewidth=2.2)
        axes.plot([test.value], [place], "o", color=color, markersize=7)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_yticks(range(len(shown)), [run.letter for run, _ in shown], color=theme.ink)
    canvas.plain_numbers(axes.xaxis)
    axes.xaxis.set_major_locator(MaxNLocator(8 if width >= LEAST_WIDTH else 4))
    axes.set_xlabel(wording.metric_name(metric))
    numbers = {
        run.letter: {"value": test.value, "interval": test.interval and test.interval.plain()} for run, test in shown
    }
    words = "; ".join(f"{run.letter} {wording.score(test.value)}" for run, test in shown)
    return Picture(figure, numbers, f"{wording.capital(wording.metric_name(metric))} of the test split: {words}.")


def scored(comparison: Comparison) -> Iterator[tuple[ComparedRun, Any]]:
    """The runs that have a test score in the first such run's metric, with it."""
    metric = next((run.test.metric for run in comparison.runs if run.test), None)
    yield from ((run, run.test) for run in comparison.runs if run.test and run.test.metric == metric)
