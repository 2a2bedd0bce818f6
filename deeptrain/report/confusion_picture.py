"""What was called what on the test split, at 0.5 and at the chosen threshold, side by side."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import Picture, Theme
from deeptrain.report.run import Plain

WIDTH, HEIGHT = 460, 300
LEFT, TOP, SIDE, GAP = 84, 94, 168, 26


def draw(theme: Theme, entries: Sequence[Plain], classes: tuple[str, str]) -> Picture:
    """One confusion matrix for each of one or two thresholds; call it within `canvas.drawing()`.

    Rows are what is true, columns what was said; the shade is the share of the row.

    Args:
        theme: colours.
        entries: `threshold`, `tp`, `fp`, `fn`, `tn` of each.
        classes: names of the negative and the positive class.
    """
    figure = canvas.new_figure(WIDTH, HEIGHT, theme)
    canvas.heading(figure, theme, "Confusion on the test split", 0, 4)
    names = [wording.cut(name, 10) for name in classes]
    tables = []
    for number, entry in enumerate(entries[:2]):
        left = LEFT + number * (SIDE + GAP)
        table = [[int(entry["tn"]), int(entry["fp"])], [int(entry["fn"]), int(entry["tp"])]]
        tables.append(table)
        title = "at 0.5" if entry["name"] == "half" else f"at the threshold {wording.score(entry['threshold'])}"
        canvas.write(figure, left, 46, title, color=theme.ink, fontsize=canvas.points(13), fontweight="bold")
        axes = canvas.add_axes(figure, theme, left, TOP, SIDE, SIDE)
        axes.grid(visible=False)
        axes.set_axis_off()
        axes.set_xlim(0, 2)
        axes.set_ylim(2, 0)
        for row, counts in enumerate(table):
            for column, count in enumerate(counts):
                _cell(axes, theme, row, column, count, sum(counts))
        for place, name in enumerate(names):
            middle = SIDE * (0.25 + 0.5 * place)
            style = {"color": theme.muted, "fontsize": canvas.points(12)}
            canvas.write(figure, left + middle, 72, f"said {name}" if len(name) < 6 else name, ha="center", **style)
            if number == 0:
                canvas.write(figure, left - 8, TOP + middle, name, ha="right", va="center", **style)
    canvas.write(
        figure, 0, HEIGHT - 24, "rows: what is true; columns: what was said; percent of the row",
        color=theme.muted, fontsize=canvas.points(11.5),
    )  # fmt: skip
    words = "Confusion on the test split. " + " ".join(
        f"At {wording.score(entry['threshold'])}: {entry['tp']} true positives, {entry['fp']} false positives, "
        f"{entry['fn']} false negatives, {entry['tn']} true negatives."
        for entry in entries[:2]
    )
    numbers = {entry["name"]: table for entry, table in zip(entries, tables, strict=False)}
    return Picture(figure, numbers, words, mixed=True)


def _cell(axes: Axes, theme: Theme, row: int, column: int, count: int, of: int) -> None:
    color = theme.main if row == column else theme.second
    shade = 0.12 + 0.88 * (count / of if of else 0)
    paper, full = to_rgb(theme.paper), to_rgb(color)
    fill = tuple(p + (f - p) * shade for p, f in zip(paper, full, strict=True))
    ink = readable(fill)
    axes.add_patch(Rectangle((column + 0.015, row + 0.015), 0.97, 0.97, facecolor=fill, linewidth=0))
    axes.text(
        column + 0.5,
        row + 0.47,
        f"{count:,}",
        va="center",
        fontsize=canvas.points(min(19, 1.6 * SIDE / 2 / max(len(f"{count:,}"), 1))),
        ha="center",
        color=ink,
    )
    axes.text(
        column + 0.5,
        row + 0.76,
        wording.share(count, of),
        va="center",
        fontsize=canvas.points(11.5),
        ha="center",
        color=ink,
    )


def readable(fill: tuple[float, ...]) -> str:
    """Black or white, whichever has more contrast on the fill (WCAG 2.2, relative luminance)."""
    return "#ffffff" if 1.05 / (luminance(fill) + 0.05) >= (luminance(fill) + 0.05) / 0.05 else "#000000"


def luminance(color: tuple[float, ...]) -> float:
    """Relative luminance of an sRGB colour, 0 to 1, as WCAG 2.2 defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
