"""A figure without global state, and its bytes: what callbacks that draw share."""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = 0.4
"""Inches for the figure's title."""

LABELLED, BARE = (0.4, 0.45, 0.6, 0.15), (0.25, 0.02, 0.05, 0.05)
"""Inches above, below, left and right of a pane for its title, labels and ticks; for its title alone."""

INK, FAINT, MAIN, SECOND = "#1d2329", "#59626b", "#0b62a8", "#c4500a"


def figure(
    rows: int,
    columns: int,
    width: float,
    height: float,
    title: str,
    around: tuple[float, float, float, float] = LABELLED,
) -> "tuple[Figure, list[Any]]":
    """A figure of panes, each `width` by `height` inches with what is written around it, and the panes row by row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    wide, high = width * columns, height * rows + TITLE
    made = Figure(figsize=(wide, high), dpi=100, facecolor="white")
    FigureCanvasAgg(made)
    made.suptitle(title, y=1 - 0.2 / high, fontsize=11, color=INK, parse_math=False)
    # By hand: matplotlib's own layouts draw everything several times, a second for a dozen panes.
    above, below, left, right = around
    inner = (width - left - right, height - below - above)
    space = {"wspace": (left + right) / inner[0], "hspace": (below + above) / inner[1]}
    edges = {"left": left / wide, "right": 1 - right / wide, "bottom": below / high, "top": 1 - (TITLE + above) / high}
    panes = made.subplots(rows, columns, squeeze=False, gridspec_kw={**space, **edges})
    return made, list(panes.reshape(-1))


def bare(pane: Any) -> None:
    """Take ticks and frame off a pane."""
    pane.set_xticks([])
    pane.set_yticks([])
    pane.set_frame_on(False)


def quiet(pane: Any, title: str, x: str, y: str) -> None:
    """Title and labels of a pane, in small letters."""
    pane.set_title(title, fontsize=8, color=INK, parse_math=False)
    pane.set_xlabel(x, fontsize=8, color=FAINT)
    pane.set_ylabel(y, fontsize=8, color=FAINT)
    pane.tick_params(labelsize=7, colors=FAINT)
    pane.spines[["top", "right"]].set_visible(False)


def few_ticks(pane: Any) -> None:
    """As many ticks along a small pane as have room, numbers far from 1 as powers of ten, and whole counts."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    numbers = ScalarFormatter(useMathText=True)
    numbers.set_powerlimits((-3, 4))
    pane.xaxis.set_major_formatter(numbers)
    pane.xaxis.set_major_locator(MaxNLocator(4))
    pane.xaxis.get_offset_text().set_fontsize(7)
    pane.yaxis.set_major_locator(MaxNLocator(4, integer=True))


def scale(made: "Figure", image: Any, panes: Any, label: str) -> None:
    """What the colours of an image mean."""
    bar = made.colorbar(image, ax=panes, shrink=0.8)
    bar.set_label(label, fontsize=8, color=FAINT)
    bar.ax.tick_params(labelsize=7, colors=FAINT)


def png(made: "Figure") -> bytes:
    """The figure as a PNG without a date."""
    data = io.BytesIO()
    made.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()
