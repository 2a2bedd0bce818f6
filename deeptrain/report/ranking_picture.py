"""How well scores put positives before negatives: ROC, and precision against recall, with the points that were used."""

from collections.abc import Mapping

import numpy as np

from deeptrain.calibration import operating_points
from deeptrain.drawing import canvas, curves, wording
from deeptrain.drawing.canvas import Picture, Theme
from deeptrain.report.run import Scores

MOST_POINTS = 2000
WIDTH, HEIGHT = 460, 312
LEFT, TOP, SIDE, GAP = 48, 92, 172, 62


def draw(theme: Theme, scores: Scores, split: str, thresholds: Mapping[str, float]) -> Picture:
    """Both curves over all operating points; call it within `canvas.drawing()`.

    The area under the ROC is that of its straight lines (T. Fawcett, "An introduction to ROC analysis", 2006), the
    average precision the mean of precision over the steps of recall, without lines between them (W. Su et al., 2015).

    Args:
        theme: colours.
        scores: of a split that has both classes.
        split: its name, as it is told.
        thresholds: by what the legend calls them, at most two.
    """
    points = operating_points.of(np.asarray(scores.labels) > 0, np.asarray(scores.scores, np.float64))
    recall, fall_out = points.tp / points.positives, points.fp / points.negatives
    precision = points.tp[1:] / (points.tp[1:] + points.fp[1:])
    area = float(np.sum(np.diff(fall_out) * (recall[1:] + recall[:-1])) / 2)
    average = float(np.sum(np.diff(recall) * precision))

    figure = canvas.new_figure(WIDTH, HEIGHT, theme)
    canvas.heading(figure, theme, f"How scores rank, {split}", 0, 4)
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
        chance = ([0, 1], [0, 1]) if number == 0 else ([0, 1], [points.positives / len(scores.labels)] * 2)
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
    return Picture(figure, numbers, _words(split, area, average, points.positives / len(scores.labels)))


def _words(split: str, area: float, average: float, chance: float) -> str:
    return (
        f"Receiver operating characteristic of the {split} split, area {wording.score(area)} where chance has 0.5; "
        f"precision against recall, {wording.score(average)} on average, where chance has {wording.score(chance)}."
    )
