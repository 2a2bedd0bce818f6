"""Where the scores of each class lie, and which of them the threshold calls positive."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.introspection.pictures.arrays import binary, left_out

BINS = 25
WIDTH, HEIGHT = 460, 300


def draw(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    split: str = "",
    thresholds: Mapping[str, float] | None = None,
    classes: tuple[str, str] = ("negative", "positive"),
    theme: Theme = LIGHT,
) -> Picture:
    """A histogram of scores for each class, in percent of the class, so that a rare one is seen beside the other.

    Scores that are not finite are left out and told.

    Args:
        labels: (samples,), 0 or 1.
        scores: (samples,) float from 0 to 1, the probability of 1.
        split: the name of what they are of, as it is told.
        thresholds: by what the legend calls them, at most two.
        classes: names of the negative and the positive class.
        theme: colours.

    Raises:
        DataError: for vectors of different length, and none at all.
    """
    truth, found = binary("scores", labels, scores)
    with canvas.drawing():
        return _draw(truth, found, split, thresholds or {}, classes, theme)


def _draw(
    truth: NDArray[np.bool_],
    scores: NDArray[np.float64],
    split: str,
    thresholds: Mapping[str, float],
    classes: tuple[str, str],
    theme: Theme,
) -> Picture:
    edges = np.linspace(0, 1, BINS + 1)
    missing, known = left_out(scores), ~np.isnan(scores)
    truth, scores = truth[known], scores[known]
    figure = canvas.new_figure(WIDTH, HEIGHT, theme)
    canvas.heading(figure, theme, ", ".join(filter(None, ("Scores by class", split))), 0, 4)
    axes = canvas.add_axes(figure, theme, 46, 76, WIDTH - 60, HEIGHT - 76 - 50)
    numbers, told = {}, []
    for name, among, color in zip(classes, (~truth, truth), (theme.main, theme.second), strict=True):
        counted = np.histogram(scores[among], edges)[0]
        share = 100 * counted / max(int(among.sum()), 1)
        label = f"{wording.cut(name, 14)}, {wording.plural(int(among.sum()), 'sample')}"
        axes.stairs(share, edges, color=color, linewidth=1.8, label=label, zorder=3)
        axes.stairs(share, edges, color=color, fill=True, alpha=0.18, zorder=2)
        numbers[name] = counted.tolist()
        middle = wording.score(float(np.median(scores[among]))) if among.any() else "none"
        told.append(f"{name}: {int(among.sum())} samples, half of their scores above {middle}")
    for (name, value), style in zip(thresholds.items(), ((0, (1.5, 2)), "-"), strict=False):
        axes.axvline(min(max(value, 0.0), 1.0), color=theme.ink, linewidth=1.2, linestyle=style, label=name, zorder=4)
    if missing:
        canvas.write(figure, WIDTH, 6, missing, color=theme.second, fontsize=canvas.points(12), ha="right")
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(0, None)
    axes.set_xlabel("score")
    axes.set_ylabel("percent of the class")
    for axis in (axes.xaxis, axes.yaxis):
        canvas.plain_numbers(axis)
    canvas.legend(axes, theme, -46, 44, 2)
    words = f"Histograms of the scores{f' of the {split} split' if split else ''} by class. {'; '.join(told)}." + (
        f" {missing}." if missing else ""
    )
    return Picture(figure, {"edges": edges.tolist(), "counts": numbers}, words)
