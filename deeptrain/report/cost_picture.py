"""What a sample costs against the threshold: missed positives, false alarms, and both together."""

import numpy as np

from deeptrain.calibration import threshold_curve
from deeptrain.drawing import canvas, curves, wording
from deeptrain.drawing.canvas import Picture, Theme
from deeptrain.report.run import Plain, Scores
from deeptrain.settings import Use

MOST_POINTS = 2000
WIDTH, HEIGHT = 460, 360


def draw(theme: Theme, scores: Scores, split: str, chosen: Plain) -> Picture:
    """The expected cost of a sample at every threshold; call it within `canvas.drawing()`.

    Where scores are probabilities, the cheapest threshold is false_positive / (false_positive + false_negative)
    (C. Elkan, "The foundations of cost-sensitive learning", 2001); it is marked, so that a choice far from it shows
    that they are none.

    Args:
        theme: colours.
        scores: of a split.
        split: its name, as it is told.
        chosen: the plain result of `calibration.threshold`, for the metric cost.
    """
    arguments = dict(chosen.get("arguments") or {})
    alarm, miss = (float(arguments.get(name, 1.0)) for name in ("false_positive", "false_negative"))
    found = threshold_curve.of(scores.labels, scores.scores, Use(use="cost", arguments=arguments), scores.weights)
    samples = float(found.tp[0] + found.fp[0] + found.fn[0] + found.tn[0])
    figure = canvas.new_figure(WIDTH, HEIGHT, theme)
    canvas.heading(figure, theme, f"What a sample costs, {split}", 0, 4)
    axes = canvas.add_axes(figure, theme, 52, 108, WIDTH - 66, HEIGHT - 108 - 50)
    drawn: dict[str, list[float]] = {}
    lines = (
        ("both", found.value, theme.main, "-", 2.0),
        ("missed positives", miss * found.fn / samples, theme.second, (0, (4, 2.5)), 1.5),
        ("false alarms", alarm * found.fp / samples, theme.muted, (0, (1.5, 1.5)), 1.5),
    )
    for label, values, color, style, width in lines:
        x, y = curves.thinned(np.append(found.threshold, 1.0), np.append(values, values[-1]), MOST_POINTS)
        axes.plot(x, y, color=color, linewidth=width, linestyle=style, drawstyle="steps-post", label=label, zorder=3)
        drawn[f"{label}, threshold"], drawn[label] = x.tolist(), y.tolist()
    value = wording.as_float(chosen["value"])
    fair = alarm / (alarm + miss) if alarm + miss else 0.5
    for label, place, style in (
        (f"threshold {wording.score(value)}", value, "-"),
        (f"{wording.score(fair)}, if scores were probabilities", fair, (0, (1.5, 2))),
    ):
        axes.axvline(min(max(place, 0.0), 1.0), color=theme.ink, linewidth=1.2, linestyle=style, label=label, zorder=2)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(0, None)
    axes.set_xlabel("threshold: positive if the score is greater")
    for axis in (axes.xaxis, axes.yaxis):
        canvas.plain_numbers(axis)
    canvas.legend(axes, theme, -52, 70, 2)
    step = max(int(np.searchsorted(found.threshold, value, side="right")) - 1, 0)
    half = max(int(np.searchsorted(found.threshold, 0.5, side="right")) - 1, 0)
    words = (
        f"Expected cost of a sample of the {split} split against the threshold, {wording.score(alarm)} for a false "
        f"alarm and {wording.score(miss)} for a missed positive: {wording.score(found.value[step])} at the threshold "
        f"{wording.score(value)}, {wording.score(found.value[half])} at 0.5, at least "
        f"{wording.score(np.nanmin(found.value))}."
    )
    prices = {"false_positive": alarm, "false_negative": miss}
    return Picture(figure, {**drawn, "prices": prices, "if_probabilities": fair}, words)
