"""The history of a training on one axis of iterations: loss, metrics, learning rate."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import NDArray

from deeptrain.drawing import canvas, curves, wording
from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.errors import DataError

MOST_POINTS = 3000
MOST_PANES = 4
LONGEST_PHASE = 22
FAR = 10.0
"""Times the width of the bulk that a loss is above it where it would press all others flat."""

NOTHING = "nothing to draw yet"
LOG_RATIO = 20.0
ROW = 18
STEPS = (1, 2, 2.5, 5, 10)
HEIGHTS = {"loss": 270, "metrics": 220, "rate": 90}


class Trained(Protocol):
    """What is drawn of a training, such as a `History` or the run of a report; see there for what each is."""

    @property
    def losses(self) -> NDArray[Any]:
        """Of each iteration."""

    @property
    def epochs(self) -> Sequence[Mapping[str, Any]]:
        """One mapping an epoch."""

    @property
    def key_metric(self) -> str:
        """The metric drawn first."""

    @property
    def best_epoch(self) -> int:
        """Its number."""

    @property
    def used_epoch(self) -> int:
        """Its number."""


@dataclass(frozen=True, eq=False)
class History:
    """A training's history as plain values.

    Attributes:
        losses: (iterations,) float, the training loss of each iteration; may hold NaN and infinities, and be empty.
        epochs: one mapping an epoch, ascending: `epoch`, `iterations` (of the whole training, at the epoch's end), and
            what there is of `train` and `validation` (value by metric, `loss` among them), `learning_rate`, and
            `phase`, the name of a phase that begins with the epoch.
        key_metric: the metric that is drawn first; "" for none.
        best_epoch: number of the best epoch, 0 for none.
        used_epoch: number of the epoch that predicted, 0 for none.
    """

    losses: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    epochs: Sequence[Mapping[str, Any]] = ()
    key_metric: str = ""
    best_epoch: int = 0
    used_epoch: int = 0

    def __post_init__(self) -> None:
        """Check what the picture relies on.

        Raises:
            DataError: for losses that are no vector, and epochs out of order.
        """
        if np.ndim(self.losses) != 1:
            raise DataError(f"history: losses must be a vector, got shape {np.shape(self.losses)}")
        numbers = [epoch["epoch"] for epoch in self.epochs]
        if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
            raise DataError(f"history: epochs must ascend, got {numbers[:12]}")


@dataclass(frozen=True)
class Line:
    """One curve: what the legend calls it ("" for nothing), its points, how it is drawn."""

    key: str
    label: str
    x: NDArray[Any]
    y: NDArray[np.float64]
    color: str
    dashed: bool = False
    thin: bool = False
    marker: bool = False


@dataclass(frozen=True)
class Pane:
    """One axis: its kind, heading, curves, whether it is logarithmic, what is to worry about, how far it reaches."""

    kind: str
    title: str
    lines: tuple[Line, ...]
    log: bool = False
    note: str = ""
    unit: bool = False
    top: float | None = None

    @property
    def height(self) -> int:
        """Of the axes, in pixels."""
        return HEIGHTS[self.kind]


def draw(run: Trained, theme: Theme = LIGHT, width: int = 1040) -> Picture:
    """The training's history in panes that share one axis of iterations.

    Every iteration's loss is a thin line, its moving mean a strong one; validation is a point an epoch. Long curves
    are thinned without losing a peak. Losses that are not finite are gaps and their number is written down. The
    vertical lines of the best epoch, and of where phases begin, go through all panes. A training of which there is
    nothing yet gets an empty pane that says so.

    Args:
        run: what is drawn.
        theme: colours.
        width: in pixels; below 600 the legend has fewer columns.
    """
    with canvas.drawing():
        return _draw(run, theme, width)


def _draw(run: Trained, theme: Theme, width: int) -> Picture:
    panes, undrawn = _panes(run, theme)
    left, right = (64, 18) if width >= 600 else (56, 20)
    columns = max(1, (width - left) // 185)
    marks = _marks(run, theme)
    tops, height = [], 10.0
    for index, pane in enumerate(panes):
        entries = sum(1 for line in pane.lines if line.label) + (len(marks) if index == 0 else 0)
        above = 30 + ROW * math.ceil(entries / columns) + (22 if index == 0 else 2) + (ROW if pane.note else 0)
        tops.append((height, height + above))
        height += above + pane.height + (26 if index < len(panes) - 1 else 54)
    figure = canvas.new_figure(width, height, theme)
    end = max(_last(run), 1)
    for index, (pane, (top, top_of_axes)) in enumerate(zip(panes, tops, strict=True)):
        canvas.heading(figure, theme, pane.title, 0, top)
        axes = canvas.add_axes(figure, theme, left, top_of_axes, width - left - right, pane.height)
        _plot(axes, pane, theme)
        axes.set_xlim(0, end * 1.005 + 0.5)
        _epoch_lines(axes, run, theme, width - left - right, numbered=index == 0)
        for label, x, color, style in marks:
            axes.axvline(
                x, color=color, linewidth=1.1, linestyle=style, label=label if index == 0 else None, zorder=2.5
            )
        if not any(np.isfinite(line.y).any() for line in pane.lines):
            axes.text(0.5, 0.5, NOTHING, transform=axes.transAxes, color=theme.muted, ha="center", va="center")
            axes.set_yticks([])
        if pane.note:
            canvas.write(figure, 0, top + 26, pane.note, color=theme.second, fontsize=canvas.points(12))
        canvas.legend(axes, theme, -left, top_of_axes - top - 29 - (ROW if pane.note else 0), columns)
        axes.xaxis.set_major_locator(MaxNLocator(8 if width >= 600 else 4, integer=True, steps=(1, 2, 5, 10)))
        canvas.plain_numbers(axes.xaxis)
        if index < len(panes) - 1:
            axes.tick_params(labelbottom=False)
        else:
            axes.set_xlabel("iteration (one fit of a batch or window)")
    return Picture(figure, _numbers(run, panes, undrawn), _words(run, panes, undrawn))


def _panes(run: Trained, theme: Theme) -> tuple[list[Pane], list[str]]:
    ends = np.array([epoch["iterations"] for epoch in run.epochs], np.float64)
    panes = [_loss_pane(run, theme, ends)]
    names = _metric_names(run)
    lines = {name: list(_metric_lines(run, theme, name, ends)) for name in names}
    unit = [name for name in names if all(_in_unit(line.y) for line in lines[name])]
    others = [name for name in names if name not in unit]
    shown = unit[: len(theme.series)]
    if shown:
        colored = [
            replace(line, color=theme.series[index], label=line.label if len(shown) <= 3 or not line.dashed else "")
            for index, name in enumerate(shown)
            for line in lines[name]
        ]
        title = "Metrics" if len(shown) > 1 else wording.capital(wording.metric_name(shown[0]))
        dashed = "" if len(shown) <= 3 or not any(line.dashed for line in colored) else " (dashed: training)"
        panes.append(Pane("metrics", title + dashed, tuple(colored), unit=True))
    for name in others[: MOST_PANES - len(panes)]:
        panes.append(
            Pane("metrics", wording.capital(wording.metric_name(name)), tuple(lines[name]), _log_helps(lines[name]))
        )
        shown.append(name)
    rates = np.array([wording.as_float(epoch.get("learning_rate")) for epoch in run.epochs])
    if len(set(rates[np.isfinite(rates)].tolist())) > 1:
        line = Line("learning_rate", "", ends, rates, theme.muted, marker=len(ends) <= 60)
        panes.append(Pane("rate", "Learning rate after each epoch", (line,), _log_helps([line])))
    return panes, [name for name in names if name not in shown]


def _loss_pane(run: Trained, theme: Theme, ends: NDArray[np.float64]) -> Pane:
    losses = np.asarray(run.losses)
    lines = []
    note = ""
    if len(losses):
        window = max(5, len(losses) // 20) if len(losses) >= 40 else 1
        iterations = np.arange(1, len(losses) + 1)
        lonely = int(np.isfinite(losses).sum()) == 1
        x, y = curves.thinned(iterations, losses, MOST_POINTS)
        lines.append(
            Line("each_iteration", "training, each iteration", x, y, theme.faint[0], thin=window > 1, marker=lonely)
        )
        if window > 1:
            x, y = curves.thinned(iterations, curves.smoothed(losses, window), MOST_POINTS)
            lines.append(Line("smoothed", f"training, mean of {window}", x, y, theme.main))
        else:
            lines[0] = replace(lines[0], color=theme.main)
        if missing := len(losses) - int(np.isfinite(losses).sum()):
            note = f"{wording.plural(missing, 'iteration')} without a finite loss, not drawn"
    else:
        lines.append(_by_epoch(run, "train", "loss", "training", ends, theme.main))
    validation = _by_epoch(run, "validation", "loss", "validation", ends, theme.second)
    if np.isfinite(validation.y).any():
        lines.append(validation)
    log = _log_helps(lines)
    top = None if log else _top(lines)
    if top is not None:
        far = losses[np.isfinite(losses) & (losses > top)]
        beyond = f"{wording.plural(len(far), 'iteration')} above the pane, up to {wording.score(far.max())}"
        note = f"{note}; {beyond}" if note else beyond
    return Pane("loss", "Loss" + (" (logarithmic)" if log else ""), tuple(lines), log, note, top=top)


def _top(lines: list[Line]) -> float | None:
    """The upper end of the pane where a few iterations' losses are far above all others, which are seen then."""
    values = lines[0].y[np.isfinite(lines[0].y)]
    if not len(values):
        return None
    low, high = np.quantile(values, (0.01, 0.99))
    needed = max([high, *(float(line.y[np.isfinite(line.y)].max()) for line in lines[1:] if line.marker)])
    return float(needed + 0.15 * (needed - low)) if values.max() - needed > FAR * (needed - low) > 0 else None


def _by_epoch(run: Trained, split: str, name: str, label: str, ends: NDArray[np.float64], color: str) -> Line:
    values = np.array([wording.as_float((epoch.get(split) or {}).get(name)) for epoch in run.epochs])
    values[~np.isfinite(values)] = np.nan
    return Line(f"{split}.{name}", label, ends, values, color, split == "train", marker=len(ends) <= 60)


def _metric_names(run: Trained) -> list[str]:
    found = {
        name: None for epoch in run.epochs for split in ("validation", "train") for name in (epoch.get(split) or {})
    }
    found.pop("loss", None)
    return sorted(found, key=lambda name: name != run.key_metric)


def _metric_lines(run: Trained, theme: Theme, name: str, ends: NDArray[np.float64]) -> Iterator[Line]:
    for split, word in (("validation", "validation"), ("train", "training")):
        line = _by_epoch(run, split, name, f"{wording.metric_name(name)}, {word}", ends, theme.main)
        if np.isfinite(line.y).any():
            yield line


def _in_unit(values: NDArray[np.float64]) -> bool:
    finite = values[np.isfinite(values)]
    return bool(((finite >= 0) & (finite <= 1)).all())


def _log_helps(lines: list[Line]) -> bool:
    """Whether the bulk of the values, all positive, spreads over more than a power of ten."""
    values = np.concatenate([line.y[np.isfinite(line.y)] for line in lines] or [np.zeros(0)])
    if not len(values) or values.min() <= 0:
        return False
    low, high = np.quantile(values, [0.02, 0.98])
    return bool(high > LOG_RATIO * low)


def _marks(run: Trained, theme: Theme) -> list[tuple[str, float, str, str]]:
    marks = []
    for label, number, style in (("best", run.best_epoch, "-"), ("predicted with", run.used_epoch, ":")):
        epoch = next((one for one in run.epochs if one["epoch"] == number), None)
        if epoch and (label == "best" or number != run.best_epoch):
            marks.append((f"{label}: epoch {number}", float(epoch["iterations"]), theme.ink, style))
    begins = 0.0
    for epoch in run.epochs:
        if epoch.get("phase"):
            label = wording.cut(f"epoch {epoch['epoch']}: {epoch['phase']}", LONGEST_PHASE)
            marks.append((canvas.legible(label), begins, theme.series[3], "-."))
        begins = float(epoch["iterations"])
    return marks


def _plot(axes: Axes, pane: Pane, theme: Theme) -> None:
    for line in pane.lines:
        lonely = int(np.isfinite(line.y).sum()) == 1
        axes.plot(
            line.x,
            line.y,
            color=line.color,
            label=canvas.legible(line.label) or None,
            linewidth=0.9 if line.thin else 1.8 if not line.dashed else 1.5,
            linestyle=(0, (3.5, 2)) if line.dashed else "-",
            marker="o" if line.marker or lonely else "",
            markersize=3.6 if line.marker else 5,
            markerfacecolor=theme.paper if line.dashed else line.color,
            solid_joinstyle="round",
            zorder=2 if line.thin else 3,
            clip_on=not line.marker,
        )
    if pane.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=_log_steps(pane), numticks=9 if pane.kind != "rate" else 4))
        axes.yaxis.set_minor_locator(LogLocator(subs=(), numticks=9))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5 if pane.kind != "rate" else 2, steps=STEPS))
    if pane.top is not None:
        low = min(float(np.nanmin(line.y)) for line in pane.lines if np.isfinite(line.y).any())
        axes.set_ylim(low - 0.04 * (pane.top - low), pane.top)
    if pane.unit:
        low, high = axes.get_ylim()
        axes.set_ylim(max(min(low, high - 0.1), -0.02), min(high, 1.02))
    if pane.kind == "rate":
        axes.margins(y=0.15)
    canvas.plain_numbers(axes.yaxis)


def _log_steps(pane: Pane) -> tuple[float, ...]:
    values = np.concatenate([line.y[np.isfinite(line.y)] for line in pane.lines])
    return (1.0, 3.0) if np.log10(values.max() / values.min()) < 3.5 else (1.0,)


def _epoch_lines(axes: Axes, run: Trained, theme: Theme, width: float, *, numbered: bool) -> None:
    """A thin line at each epoch's end, as many as there is room for, and over the first pane the epochs' numbers."""
    if not run.epochs:
        return
    last = float(_last(run)) or 1.0
    every = _round_step(len(run.epochs) * 34 / width)
    transform = axes.get_xaxis_transform()
    for epoch in run.epochs:
        if epoch["epoch"] % every:
            continue
        x = float(epoch["iterations"])
        axes.axvline(x, color=theme.line, linewidth=0.8, zorder=1)
        if numbered and x < last * 1.004:
            axes.text(
                x,
                1.015,
                str(epoch["epoch"]),
                transform=transform,
                color=theme.muted,
                fontsize=canvas.points(11),
                ha="center",
                va="bottom",
            )
    if numbered:
        axes.text(
            -8 / width,
            1.015,
            "epoch",
            transform=axes.transAxes,
            color=theme.muted,
            fontsize=canvas.points(11),
            ha="right",
            va="bottom",
        )


def _round_step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that is at least that."""
    size = 1
    while True:
        for step in (size, 2 * size, 5 * size):
            if step >= least:
                return step
        size *= 10


def _numbers(run: Trained, panes: list[Pane], undrawn: list[str]) -> Mapping[str, Any]:
    return {
        "lines": {
            line.key: {"iteration": line.x.astype(int).tolist(), "value": line.y.tolist()}
            for pane in panes
            for line in pane.lines
        },
        "logarithmic": [pane.title for pane in panes if pane.log],
        "best_epoch": run.best_epoch,
        "used_epoch": run.used_epoch,
        "not_finite": int(len(run.losses) - np.isfinite(run.losses).sum()),
        "not_drawn": undrawn,
    }


def _words(run: Trained, panes: list[Pane], undrawn: list[str]) -> str:
    parts = [
        f"History of {wording.plural(len(run.epochs), 'epoch')}, {wording.plural(_last(run), 'iteration')}.",
    ]
    if run.epochs:
        first, last = run.epochs[0], run.epochs[-1]
        parts.append(
            f"Training loss from {wording.score(_loss(first, 'train'))} in epoch {first['epoch']} to "
            f"{wording.score(_loss(last, 'train'))} in epoch {last['epoch']}; validation loss from "
            f"{wording.score(_loss(first, 'validation'))} to {wording.score(_loss(last, 'validation'))}."
        )
    if run.best_epoch:
        parts.append(f"The best epoch is {run.best_epoch}.")
    parts += [
        f"From epoch {epoch['epoch']} on: {canvas.legible(str(epoch['phase']))}."
        for epoch in run.epochs
        if epoch.get("phase")
    ]
    if panes[0].note:
        parts.append(f"{wording.capital(panes[0].note)}.")
    if undrawn:
        parts.append(f"Not drawn: {', '.join(wording.metric_name(name) for name in undrawn)}.")
    return " ".join(parts)


def _last(run: Trained) -> int:
    """The number of iterations of the whole training."""
    return max(int(run.epochs[-1]["iterations"]) if run.epochs else 0, len(run.losses))


def _loss(epoch: Mapping[str, Any], split: str) -> Any:
    return (epoch.get(split) or {}).get("loss")
