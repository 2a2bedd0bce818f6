"""Predicted values over true ones."""

import numpy as np
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import ArrayLike

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.errors import DataError
from deeptrain.introspection.pictures import arrays as given_arrays
from deeptrain.introspection.pictures.panes import widened

SIDE, LEFT = 400, 82
MOST_DRAWN = 5000


def draw(truth: ArrayLike, predicted: ArrayLike, *, title: str = "", theme: Theme = LIGHT) -> Picture:
    """A point for each value, with the line on which there is no error; of more than 5000 every n-th.

    Args:
        truth: of any shape.
        predicted: of the same shape.
        title: of the picture.
        theme: colours.

    Returns:
        The picture; `numbers`: `true` and `predicted` of the drawn points, `root_mean_squared_error` and
        `mean_absolute_error` over all pairs that are finite, `not_finite`, the number of the others.

    Raises:
        DataError: for arrays of different shapes, and without a value.
    """
    first, second = given_arrays.numbers("values: truth", truth), given_arrays.numbers("values: predicted", predicted)
    if first.shape != second.shape or not first.size:
        raise DataError(
            f"values: expected true and predicted values of one shape, got {list(first.shape)} and {list(second.shape)}"
        )
    known = np.isfinite(first) & np.isfinite(second)
    x, y = first[known].astype(np.float64), second[known].astype(np.float64)
    missing = first.size - len(x)
    with np.errstate(over="ignore"):
        root = float(np.sqrt(np.mean((x - y) ** 2))) if len(x) else float("nan")
        absolute = float(np.mean(np.abs(x - y))) if len(x) else float("nan")
    told = f"root mean squared error {wording.score(root)}, mean absolute error {wording.score(absolute)}"
    every = -(-len(x) // MOST_DRAWN) or 1
    drawn = [np.clip(one[::every], -1e300, 1e300) for one in (x, y)]
    with canvas.drawing():
        figure = canvas.new_figure(LEFT + SIDE + 40, 84 + SIDE + 60, theme)
        canvas.heading(figure, theme, wording.cut(title or "Predicted over true values", 58), 8, 8)
        canvas.write(figure, 8, 34, wording.capital(told) + ".", color=theme.muted, fontsize=canvas.points(12.5))
        if missing:
            canvas.write(
                figure, 8, 54, f"{wording.plural(missing, 'pair')} not finite, not drawn", color=theme.second,
                fontsize=canvas.points(12.5),
            )  # fmt: skip
        axes = canvas.add_axes(figure, theme, LEFT, 84, SIDE, SIDE)
        if len(x):
            low, high = widened(min(one.min() for one in drawn), max(one.max() for one in drawn))
            room = 0.03 * (high - low)
            axes.plot([low, high], [low, high], color=theme.muted, linewidth=1.0, linestyle=(0, (4, 3)), zorder=2)
            axes.plot(*drawn, ".", color=theme.main, markersize=4, alpha=0.5, markeredgewidth=0, zorder=3)
            axes.set_xlim(low - room, high + room)
            axes.set_ylim(low - room, high + room)
        else:
            axes.text(0.5, 0.5, "no finite value", transform=axes.transAxes, color=theme.muted, ha="center")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=(1, 2, 2.5, 5, 10)) if len(x) else NullLocator())
            canvas.plain_numbers(axis)
        axes.set_xlabel("true value")
        axes.set_ylabel("predicted value")
    numbers = {
        "true": drawn[0].tolist(), "predicted": drawn[1].tolist(), "root_mean_squared_error": root,
        "mean_absolute_error": absolute, "not_finite": missing,
    }  # fmt: skip
    return Picture(figure, numbers, f"{title or 'Predicted over true values'}: {len(x):,} values, {told}.")
