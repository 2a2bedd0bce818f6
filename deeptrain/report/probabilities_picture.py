"""Two reliability diagrams in one: scores, and the probabilities that were made of them."""

from matplotlib.ticker import FuncFormatter, MaxNLocator

from deeptrain.calibration import reliability
from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import Picture, Theme
from deeptrain.report.reliability_picture import short
from deeptrain.report.run import Scores

WIDTH, HEIGHT = 460, 430
LEFT, TOP, SIDE, COUNTS = 64, 66, 382, 70


def draw(theme: Theme, before: Scores, after: Scores, method: str, split: str, classes: bool) -> Picture:
    """Observed fraction against the mean in ten bins, with exact 95 % bands; below it how many samples each holds.

    Call it within `canvas.drawing()`.

    Args:
        theme: colours.
        before: scores of a split; of several classes the greatest, and whether it is right.
        after: the same, made into probabilities.
        method: how.
        split: its name, for words.
        classes: whether there are several classes.
    """
    figure = canvas.new_figure(WIDTH, HEIGHT, theme)
    canvas.heading(figure, theme, "Reliability: before and after", 0, 4)
    main = HEIGHT - TOP - COUNTS - 74
    axes = canvas.add_axes(figure, theme, LEFT, TOP, SIDE, main)
    below = canvas.add_axes(figure, theme, LEFT, TOP + main + 24, SIDE, COUNTS)
    axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=1.1, linestyle=(0, (4, 3)), label="perfect", zorder=2)
    drawn = {}
    for name, label, scores, colour, faint, side, marker in (
        ("before", "scores", before, theme.second, theme.faint[1], -1, "s"),
        ("after", f"by {method}", after, theme.main, theme.faint[0], 1, "o"),
    ):
        found = reliability.diagram(scores.labels, scores.scores, weights=scores.weights)
        drawn[name] = found
        filled = [one for one in found.bins if one.samples]
        x = [one.mean_score for one in filled]
        low, high = zip(*(one.band for one in filled), strict=True)
        over = 0.2 * (side > 0)
        axes.vlines(
            [one + 0.007 * side for one in x],
            low,
            high,
            color=faint,
            linewidth=5,
            zorder=2.3 + over,
            label="95 % bands" if side > 0 else "_none",
        )
        y = [one.fraction for one in filled]
        axes.plot(
            x, y, color=colour, marker=marker, markersize=5, linewidth=1.6, clip_on=False, label=label, zorder=3 + over
        )
        below.bar(
            [(one.low + one.high) / 2 + side * (one.high - one.low) * 0.21 for one in found.bins],
            [one.samples for one in found.bins],
            width=[(one.high - one.low) * 0.4 for one in found.bins],
            color=colour,
            zorder=2,
        )
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("fraction right" if classes else "fraction positive")
    axes.tick_params(labelbottom=False)
    below.set_ylabel("samples")
    below.set_xlabel("score or probability of the greatest class" if classes else "score or probability")
    below.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    for one_axes in (axes, below):
        one_axes.set_xlim(-0.01, 1.01)
        for axis in (one_axes.xaxis, one_axes.yaxis):
            canvas.plain_numbers(axis)
    below.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(round(value))))
    figure.align_ylabels([axes, below])
    canvas.legend(axes, theme, -LEFT, 29, 4)
    errors = [wording.score(one.expected_calibration_error) for one in drawn.values()]
    words = (
        f"Reliability diagrams of the {split} split, {wording.plural(len(before.labels), 'sample')}, before and after "
        f"scores are made into probabilities by {method}: expected calibration error {errors[0]} and {errors[1]}."
    )
    numbers = {"split": split, "method": method, "classes": classes}
    return Picture(figure, {**numbers, **{name: one.plain() for name, one in drawn.items()}}, words)
