"""The page of a comparison: one HTML file that opens from disk, needs no network and runs no script."""

from functools import partial

from deeptrain.drawing import canvas, wording
from deeptrain.report import comparison_picture, rendering, templates
from deeptrain.report.compared import Comparison
from deeptrain.report.settings import ReportSettings


def render(comparison: Comparison, settings: ReportSettings | None = None) -> bytes:
    """The page as UTF-8; the same comparison gives the same bytes, and every text of a run is escaped.

    Args:
        comparison: of runs with an epoch each.
        settings: its title and how sharp its pictures are.
    """
    settings = settings or ReportSettings()
    scores = None
    with canvas.drawing():
        draw = partial(comparison_picture.draw_histories, comparison)
        _, histories, _ = rendering.in_two_widths(draw, settings.dpi)
        if any(test.interval for _, test in comparison_picture.scored(comparison)):
            draw = partial(comparison_picture.draw_scores, comparison)
            scores = rendering.in_two_widths(draw, settings.dpi)[1].plain()
    text = templates.get("comparison.html").render(
        title=settings.title or f"{wording.plural(len(comparison.runs), 'run')} side by side",
        runs=comparison.runs,
        sentences=list(comparison.sentences()),
        notices=comparison.notices,
        outcomes=comparison.outcomes,
        differing=comparison.differing,
        histories=histories.plain(),
        scores=scores,
    )
    return text.encode() + b"\n"
