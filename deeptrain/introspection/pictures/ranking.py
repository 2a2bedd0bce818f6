"""How well scores put positives before negatives: ROC, and precision against recall, with the points that were used."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain.calibration import operating_points
from deeptrain.drawing import canvas, curves, wording
from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.errors import DataError
from deeptrain.introspection.pictures.arrays import binary, left_out

MOST_POINTS = 2000
WIDTH, HEIGHT = 460, 312
LEFT, TOP, SIDE, GAP = 48, 92, 172, 62


def draw(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    split: str = "",
    thresholds: Mapping[str, float] | None = None,
    theme: Theme = LIGHT,
) -> Picture:
    """ROC, and precision against recall, over all operating points; scores that are not finite are left out and told.

    The area under the ROC is that of its straight lines (T. Fawcett, "An introduction to ROC analysis", 2006), the
    average precision the mean of precision over the steps of recall, without lines between them (W. Su et al., 2015).

    Args:
        labels: (samples,), 0 or 1, both among them.
        scores: (samples,) float, the greater the more likely 1.
        split: the name of what they are of, as it is told.
        thresholds: by what the legend calls them, at most two.
        theme: colours.

    Raises:
        DataError: for vectors of different length, and where the finite scores are of one class alone.
    """
    truth, found = binary("ranking", labels, scores)
    missing, known = left_out(found), ~np.isnan(found)
    truth, found = truth[known], found[known]
    if not 0 < np.count_nonzero(truth) < len(truth):
        raise DataError(f"ranking: expected samples of both classes, got {wording.plural(len(truth), 'sample')} of one")
    with canvas.drawing():
        return _draw(truth, found, split, thresholds or {}, missing, theme)


def _draw(
    truth: NDArray[np.bool_],
    scores: NDArray[np.float64],
    split: str,
    thresholds: Mapping[str, float],
    missing: str,
    theme: Theme,
) -> Picture:
    points = operating_points.of(truth, scores)
    recall, fall_out = points.tp / points.positives, points.fp / points.negatives
    precision = points.tp[1:] / (points.tp[1:] + points.fp[1:])
    area = float(np.sum(np.diff(fall_out) * (recall[1:] + recall[:-1])) / 2)
    average = float(np.sum(np.diff(recall) * precision))

    figure = canvas.new_figure(WIDTH, HEIGHT, theme)
    canvas.heading(figure, theme, ", ".join(filter(None, ("How scores rank", split))), 0, 4)
    if missing:
        canvas.write(figure, WIDTH, 6, missing, color=theme.second, fontsize=canvas.points(12), ha="right")
    panes = (
        (f"ROC, area {wording.score(area)}", fall_out, recall, "false positive rate", "recall"),
        (f"PR, average {wording.score(average)}", recall[1:], precision, "recall", "precision"),
    )
    marks = {name: points.point_of(value) for name, value in thresholds.items()}
    drawn = []
    for number, (title, x, y, below, beside) in enumerate(panes):
        left = LEFT + number * (SIDE + GAP)
        canvas.write(figure, left, 66, title, color=theme.ink, fontsize=canvas.points(13), fontweight="bold")
        axes = canvas.add_axes(figure, theme, left, TOP, SIDE, SIDE)
        told = curves.thinned(x, y, MOST_POINTS)
        drawn.append([values.tolist() for values in told])
        axes.plot(*told, color=theme.main, linewidth=1.8, drawstyle="default" if number == 0 else "steps-pre", zorder=3)
        chance = ([0, 1], [0, 1]) if number == 0 else ([0, 1], [points.positives / len(truth)] * 2)
        axes.plot(*chance, color=theme.muted, linewidth=1.0, linestyle=(0, (4, 3)), label="chance", zorder=2)
        for (name, point), marker, color in zip(marks.items(), "oD", (theme.ink, theme.second), strict=False):
            at = point - number  # precision has no value where none is called
            if at >= 0:
                axes.plot(
                    x[at], y[at], marker, color=color, markersize=7, markeredgecolor=theme.paper, markeredgewidth=1.2,
                    linestyle="", label=name, clip_on=False, zorder=4,
                )  # fmt: skip
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel(below)
        axes.set_ylabel(beside)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks([0, 0.5, 1])
            canvas.plain_numbers(axis)
        if number == 0:
            canvas.legend(axes, theme, -LEFT, 54, 3)
    numbers = {
        "roc": dict(zip(("false_positive_rate", "recall"), drawn[0], strict=True)),
        "precision_recall": dict(zip(("recall", "precision"), drawn[1], strict=True)),
        "roc_auc": area,
        "average_precision": average,
    }
    return Picture(figure, numbers, _words(split, area, average, points.positives / len(truth), missing))


def _words(split: str, area: float, average: float, chance: float, missing: str) -> str:
    of = f" of the {split} split" if split else ""
    return (
        f"Receiver operating characteristic{of}, area {wording.score(area)} where chance has 0.5; "
        f"precision against recall, {wording.score(average)} on average, where chance has {wording.score(chance)}."
        + (f" {missing}." if missing else "")
    )
