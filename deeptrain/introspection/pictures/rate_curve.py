"""The loss of a learning-rate range test."""

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import ArrayLike

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import LIGHT, Picture, Theme

WIDTH, HEIGHT, LEFT, TOP = 760, 460, 66, 74


def draw(
    rates: ArrayLike, losses: ArrayLike, smoothed: ArrayLike, suggestion: float | None, *, theme: Theme = LIGHT
) -> Picture:
    """Loss over learning rate, each batch's and smoothed, where it falls fastest and where it is least.

    What comes after the least loss is cut off above: an exploding loss would press all else flat.

    Args:
        rates: (n,) ascending, above 0.
        losses: (n,) of each batch.
        smoothed: (n,).
        suggestion: the rate to begin with, None for none.
        theme: colours.

    Returns:
        The picture; `numbers`: `rates`, `losses`, `smoothed`, `suggestion` and `least_at`.
    """
    x, y, mean = (np.asarray(one, np.float64) for one in (rates, losses, smoothed))
    least = int(np.argmin(mean))
    seen = y[: least + 1]
    low, high = float(min(seen.min(), mean[least])), float(seen.max())
    room = (high - low) or abs(high) or 1.0
    with canvas.drawing():
        figure = canvas.new_figure(WIDTH, HEIGHT, theme)
        canvas.heading(figure, theme, "Learning-rate range test", 8, 8)
        axes = canvas.add_axes(figure, theme, LEFT, TOP, WIDTH - LEFT - 24, HEIGHT - TOP - 56)
        axes.set_xscale("log")
        axes.plot(x, y, color=theme.faint[0], linewidth=1.0, label="loss of each batch", zorder=2)
        axes.plot(x, mean, color=theme.main, linewidth=2, label="smoothed", zorder=3)
        if suggestion is not None:
            label = f"falls fastest at {canvas.tick(float(f'{suggestion:.3g}'))}"
            axes.axvline(suggestion, color=theme.second, linewidth=1.5, label=label)
        label = f"least at {canvas.tick(float(f'{x[least]:.3g}'))}"
        axes.axvline(x[least], color=theme.ink, linewidth=1, linestyle=":", label=label)
        axes.set_xlim(x[0], x[-1])
        axes.set_ylim(low - 0.05 * room, high + 0.25 * room)
        axes.xaxis.set_major_locator(LogLocator(numticks=9))
        axes.xaxis.set_minor_locator(LogLocator(subs=(), numticks=9))
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 2.5, 5, 10)))
        canvas.plain_numbers(axes.xaxis)
        canvas.plain_numbers(axes.yaxis)
        axes.set_xlabel("learning rate of the iteration (logarithmic)")
        axes.set_ylabel("training loss of the batch")
        canvas.legend(axes, theme, 8 - LEFT, 34, 4)
    begin = "nowhere" if suggestion is None else f"fastest at {wording.rate(suggestion)}"
    words = (
        f"Learning-rate range test, {len(x)} iterations: the loss falls {begin} and is least at "
        f"{wording.rate(x[least])}."
    )
    numbers = {
        "rates": x.tolist(), "losses": y.tolist(), "smoothed": mean.tolist(), "suggestion": suggestion,
        "least_at": float(x[least]),
    }  # fmt: skip
    return Picture(figure, numbers, words)
