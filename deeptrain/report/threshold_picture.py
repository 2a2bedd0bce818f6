"""The metric against the threshold, with the chosen threshold and 0.5, and what they are worth on the test split."""

import numpy as np

from deeptrain.calibration import threshold_curve
from deeptrain.drawing import canvas, curves, wording
from deeptrain.drawing.canvas import Picture, Theme
from deeptrain.metrics.counts import Values
from deeptrain.report import outcome
from deeptrain.report.run import Plain, Run, Scores
from deeptrain.settings import Use

MOST_POINTS = 2000
WIDTH, HEIGHT = 460, 430


def draw(run: Run, theme: Theme, scores: Scores, chosen: Plain) -> Picture:
    """The exact step function of the metric on the split that tuned it; call it within `canvas.drawing()`.

    Args:
        run: for what the thresholds are worth on the test split, if it was scored.
        theme: colours.
        scores: of the split the threshold was chosen on.
        chosen: the plain result of `calibration.threshold`.
    """
    metric = str(chosen["metric"])
    use = Use(use=metric, arguments=dict(chosen.get("arguments") or {}))
    found = threshold_curve.of(scores.labels, scores.scores, use, scores.weights)
    steps, ends = np.append(found.threshold, 1.0), np.append(found.value, found.value[-1])
    x, y = curves.thinned(steps, ends, MOST_POINTS)
    figure = canvas.new_figure(WIDTH, HEIGHT, theme)
    canvas.heading(figure, theme, f"{wording.capital(wording.metric_name(metric))} against the threshold", 0, 4)
    axes = canvas.add_axes(figure, theme, 52, 90, WIDTH - 66, HEIGHT - 90 - 50)
    axes.plot(x, y, color=theme.main, linewidth=1.8, drawstyle="steps-post", label=outcome.split_name(chosen), zorder=3)
    value = wording.as_float(chosen["value"])
    if chosen["interval"]:
        low, high = (min(max(wording.as_float(bound), 0.0), 1.0) for bound in chosen["interval"])
        label = f"{100 * chosen['confidence']:g} % of resamples"
        axes.axvspan(low, high, color=theme.faint[0], alpha=0.45, linewidth=0, label=label, zorder=1)
    for label, place, style in (
        (f"threshold {wording.score(value)}", min(max(value, 0.0), 1.0), "-"),
        ("0.5", 0.5, (0, (1.5, 2))),
    ):
        axes.axvline(place, color=theme.ink, linewidth=1.2, linestyle=style, label=label, zorder=2)
    low, high = (min(max(wording.as_float(bound), 0.0), 1.0) for bound in chosen["plateau"])
    in_sample = wording.as_float(chosen["in_sample"])
    label = f"as good {wording.score(low)} to {wording.score(high)}"
    axes.plot([low, high], [in_sample] * 2, color=theme.main, linewidth=5, solid_capstyle="butt", label=label, zorder=3)
    points = {}
    for name in ("half", "threshold"):
        scored = outcome.at(run, name)
        if scored is not None:
            points[name] = (wording.as_float(scored["threshold"]), wording.as_float(scored["metrics"].get(metric)))
    if points:
        axes.plot(
            [min(max(place, 0.0), 1.0) for place, _ in points.values()],
            [worth for _, worth in points.values()],
            linestyle="",
            marker="D",
            markersize=6.5,
            color=theme.second,
            markeredgecolor=theme.paper,
            markeredgewidth=1.2,
            label="test, scored once",
            clip_on=False,
            zorder=4,
        )
    axes.set_xlim(-0.01, 1.01)
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, -0.02) if np.nanmin(y) >= 0 else bottom, min(top, 1.02) if np.nanmax(y) <= 1 else top)
    axes.set_xlabel("threshold: positive if the score is greater")
    for axis in (axes.xaxis, axes.yaxis):
        canvas.plain_numbers(axis)
    canvas.legend(axes, theme, -52, 53, 2)
    numbers = {"threshold": x.tolist(), "value": y.tolist(), "metric": metric, "plateau": [low, high], "test": points}
    return Picture(figure, numbers, _words(metric, chosen, y, points))


def _words(metric: str, chosen: Plain, y: Values, points: dict[str, tuple[float, float]]) -> str:
    name = wording.metric_name(metric)
    words = (
        f"{wording.capital(name)} against the threshold on the {outcome.split_name(chosen)} split: "
        f"{wording.score(chosen['in_sample'])} at the chosen threshold {wording.score(chosen['value'])} "
        f"({wording.score(chosen['cross_fitted'])} cross-fitted), "
        f"{wording.score(chosen['value_at_half'])} at 0.5; between {wording.score(np.nanmin(y))} and "
        f"{wording.score(np.nanmax(y))} over all thresholds."
    )
    if "half" in points and "threshold" in points:
        words += (
            f" On the test split {wording.score(points['threshold'][1])} at the threshold and "
            f"{wording.score(points['half'][1])} at 0.5."
        )
    return words
