"""Scores of each class on the way from 0 to 1, of all samples together and set by set, with the threshold."""

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.errors import DataError
from deeptrain.introspection.pictures.arrays import binary, left_out
from deeptrain.introspection.pictures.panes import EDGE, WIDTH, fitted

MOST_DRAWN = 5000
BINS = 40
LEFT, TOP, SIDE = 70, 100, 480
HEIGHT, ROW, HIGHEST = 260, 16, 900


def draw(
    labels: ArrayLike,
    scores: ArrayLike,
    sets: ArrayLike,
    threshold: float = 0.5,
    *,
    classes: tuple[str, str] = ("negative", "positive"),
    title: str = "",
    theme: Theme = LIGHT,
) -> Picture:
    """How scores are distributed in each class, and beside it each sample's, a row a set.

    Args:
        labels: (samples,), 0 or 1.
        scores: (samples,) float, the probability of 1.
        sets: (samples,) int, the set number of each sample.
        threshold: from which on a score is called positive.
        classes: names of the negative and the positive class.
        title: of the picture.
        theme: colours.

    Returns:
        The picture, 1200 pixels wide; `numbers`: `edges`, `counts` by class, `threshold`, `sets`. Of more than 5000
        samples every n-th is drawn beside the histograms; scores that are not finite are left out and told.

    Raises:
        DataError: for vectors of different length, and none at all.
    """
    truth, found = binary("by_set", labels, scores)
    numbered = np.asarray(sets)
    if numbered.shape != truth.shape:
        raise DataError(f"by_set: expected a set number for each of {len(truth)} samples, got {list(numbered.shape)}")
    numbers, rows = np.unique(numbered, return_inverse=True)
    missing, known = left_out(found), np.flatnonzero(~np.isnan(found))
    ends = found[known] if len(known) else np.zeros(1)
    edges = np.linspace(min(0.0, float(ends.min())), max(1.0, float(ends.max())), BINS + 1)
    height = int(min(max(HEIGHT, ROW * len(numbers)), HIGHEST))
    shown = known[:: -(-len(known) // MOST_DRAWN) or 1]
    counts, told = {}, []
    with canvas.drawing():
        figure = canvas.new_figure(WIDTH, TOP + height + 60, theme)
        canvas.heading(figure, theme, fitted(title or "Predictions", WIDTH - 2 * EDGE, 14.5, "bold"), EDGE, 10)
        left = canvas.add_axes(figure, theme, LEFT, TOP, SIDE, height)
        right = canvas.add_axes(figure, theme, WIDTH - EDGE - 10 - SIDE, TOP, SIDE, height)
        for name, chosen, color in zip(classes, (~truth, truth), (theme.main, theme.second), strict=True):
            counted = np.histogram(found[known][chosen[known]], edges)[0]
            label = f"{wording.cut(name, 20)}, {wording.plural(int(chosen.sum()), 'sample')}"
            left.stairs(counted, edges, color=color, linewidth=1.8, label=canvas.legible(label), zorder=3)
            left.stairs(counted, edges, color=color, fill=True, alpha=0.18, zorder=2)
            drawn = shown[chosen[shown]]
            right.plot(found[drawn], rows[drawn], "|", color=color, markersize=7, zorder=3)
            counts[name] = counted.tolist()
            called = int(np.count_nonzero(found[chosen] >= threshold))
            told.append(f"{name}: {called} of {int(chosen.sum())} at or above the threshold")
        for axes in (left, right):
            label = f"threshold {wording.score(threshold)}" if axes is left else ""
            axes.axvline(threshold, color=theme.ink, linewidth=1.2, label=label, zorder=4)
            axes.set_xlim(edges[0] - 0.01, edges[-1] + 0.01)
            axes.set_xlabel("score")
            canvas.plain_numbers(axes.xaxis)
        if missing:
            left_of = WIDTH - EDGE - 10
            canvas.write(figure, left_of, 12, missing, color=theme.second, fontsize=canvas.points(12.5), ha="right")
        left.set_ylim(0, max(map(max, counts.values())) * 1.05 or 1.0)
        left.set_ylabel("samples")
        left.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        canvas.plain_numbers(left.yaxis)
        ticks = np.unique(np.linspace(0, len(numbers) - 1, min(len(numbers), height // ROW)).astype(int))
        right.set_yticks(ticks, [str(numbers[tick]) for tick in ticks])
        right.set_ylim(len(numbers) - 0.5, -0.5)
        right.set_ylabel("set number")
        canvas.legend(left, theme, EDGE - LEFT, 58, 3)
        canvas.write(
            figure,
            LEFT,
            TOP - 24,
            "How scores are distributed",
            color=theme.ink,
            fontsize=canvas.points(13),
            fontweight="bold",
        )
        canvas.write(
            figure,
            WIDTH - EDGE - 10 - SIDE,
            TOP - 24,
            "Set by set, in the same colours",
            color=theme.ink,
            fontsize=canvas.points(13),
            fontweight="bold",
        )
    words = (
        f"{title or 'Predictions'}: scores of {len(truth):,} samples in {wording.plural(len(numbers), 'set')}. "
        f"{'; '.join(told)}." + (f" {missing}." if missing else "")
    )
    plain = {"edges": edges.tolist(), "counts": counts, "threshold": float(threshold), "sets": numbers.tolist()}
    return Picture(figure, plain, words)
