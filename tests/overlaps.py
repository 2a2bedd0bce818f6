"""Whether anything in a picture lies over anything else."""

import itertools
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def assert_nothing_overlaps(figure: Figure) -> None:
    """Legends lie off all axes, all text is inside the figure, and no two pieces of text cover one another."""
    assert isinstance(figure.canvas, FigureCanvasAgg)
    agg: Any = figure.canvas
    agg.draw()
    renderer = agg.get_renderer()
    texts = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.texts]
    for axes in figure.axes:
        legend = axes.get_legend()
        if legend is not None:
            box = legend.get_window_extent(renderer)
            texts.append(("legend", box))
            assert all(box.y0 >= other.bbox.y1 or box.y1 <= other.bbox.y0 for other in figure.axes)
        shown = [*axes.texts]
        for number, axis in enumerate((axes.xaxis, axes.yaxis)) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_ticklabels() if low <= tick.get_position()[number] <= high]
            shown += [*(tick for tick in ticks if tick.get_visible()), axis.label]
        texts += [(text.get_text(), text.get_window_extent(renderer)) for text in shown]
    texts = [(text, box) for text, box in texts if text.strip()]
    for text, box in texts:
        assert box.x0 >= -3, text
        assert box.y0 >= -1, text
        assert box.x1 <= figure.bbox.x1 + 1, text
        assert box.y1 <= figure.bbox.y1 + 1, text
    for (one, first), (other, second) in itertools.combinations(texts, 2):
        wide = min(first.x1, second.x1) - max(first.x0, second.x0)
        high = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert wide <= 1 or high <= 2, (one, other)
