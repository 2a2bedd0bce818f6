"""The reliability diagram: of the samples scored about 0.3, are about 30 % positive?"""

from matplotlib.ticker import MaxNLocator

from deeptrain.calibration import reliability
from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import Picture, Theme
from deeptrain.report.run import Scores

WIDTH, HEIGHT = 460, 430
LEFT, TOP, SIDE, COUNTS = 52, 66, 394, 70


def draw(theme: Theme, scores: Scores, split: str) -> Picture:
    """Observed fraction against mean score in ten bins, with exact 95 % bands; below it how many samples each holds.

    Call it within `canvas.drawing()`.

    Args:
        theme: colours.
        scores: of one split.
        split: its name, for words.
    """
    diagram = reliability.diagram(scores.labels, scores.scores, weights=scores.weights)
    filled = [one for one in diagram.bins if one.samples]
    figure = canvas.new_figure(WIDTH, HEIGHT, theme)
    canvas.heading(figure, theme, "Reliability: are scores probabilities?", 0, 4)
    main = HEIGHT - TOP - COUNTS - 74
    axes = canvas.add_axes(figure, theme, LEFT, TOP, SIDE, main)
    axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=1.1, linestyle=(0, (4, 3)), label="perfect", zorder=2)
    x = [one.mean_score for one in filled]
    y = [one.fraction for one in filled]
    axes.vlines(
        x,
        [one.band[0] for one in filled],
        [one.band[1] for one in filled],
        color=theme.faint[0],
        linewidth=5,
        label=f"{100 * diagram.confidence:.0f} % band",
        zorder=2.5,
    )
    axes.plot(x, y, color=theme.main, marker="o", markersize=5.5, linewidth=1.6, label=split, clip_on=False, zorder=3)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("fraction positive")
    axes.tick_params(labelbottom=False)
    below = canvas.add_axes(figure, theme, LEFT, TOP + main + 24, SIDE, COUNTS)
    below.bar(
        [(one.low + one.high) / 2 for one in diagram.bins],
        [one.samples for one in diagram.bins],
        width=[(one.high - one.low) * 0.86 for one in diagram.bins],
        color=theme.main,
        zorder=2,
    )
    for one in diagram.bins:
        below.annotate(
            short(one.samples),
            ((one.low + one.high) / 2, one.samples),
            (0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            color=theme.ink,
            fontsize=canvas.points(11),
        )
    below.margins(y=0.24)
    below.set_ylabel("samples")
    below.set_xlabel("score")
    below.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    for one_axes in (axes, below):
        one_axes.set_xlim(-0.01, 1.01)
        for axis in (one_axes.xaxis, one_axes.yaxis):
            canvas.plain_numbers(axis)
    below.yaxis.set_ticklabels([])
    figure.align_ylabels([axes, below])
    canvas.legend(axes, theme, -LEFT, 29, 3)
    error = diagram.expected_calibration_error
    words = (
        f"Reliability diagram of the {split} split, {wording.plural(len(scores.labels), 'sample')}: "
        f"expected calibration error {wording.score(error)}. "
        + "; ".join(
            f"scored {wording.score(one.mean_score, 2)}, {wording.score(one.fraction, 2)} positive of {one.samples}"
            for one in filled
        )
        + "."
    )
    return Picture(figure, {"split": split, **diagram.plain()}, words)


def short(samples: int) -> str:
    """A count that fits over a bar."""
    if samples < 10_000:
        return str(samples)
    return f"{samples / 1000:.0f}k" if samples < 1_000_000 else f"{samples / 1e6:.1f}M"
