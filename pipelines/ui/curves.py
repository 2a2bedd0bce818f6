"""Curves as inline SVG: paths on a field of 100 by 100 that is stretched to the room there is, texts beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from deeptrain.training.live_page import thinned
from deeptrain.training.progress import in_digits

MOST_POINTS = 500
MARGIN = 4.0
"""Above the highest and below the lowest point."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """What is drawn.

    Attributes:
        name: for the legend.
        style: its class in the style sheet.
        points: (x, y), x ascending.
    """

    name: str
    style: str
    points: Points


@dataclass(frozen=True)
class Chart:
    """A drawing as the template takes it.

    Attributes:
        title: above it.
        words: the whole in a sentence, for who does not see it.
        lines: (name, style, path) each.
        high: the greatest value.
        low: the least value.
        left: what the least x is called.
        right: what the greatest is called.
    """

    title: str
    words: str
    lines: tuple[tuple[str, str, str], ...]
    high: str
    low: str
    left: str
    right: str


def chart(title: str, lines: Sequence[Line], place: str) -> Chart | None:
    """Lines on one field; None where no point of them is finite.

    Args:
        title: above it.
        lines: the first in front.
        place: what a place on the axis of x is called, such as "epoch {:.0f}".
    """
    finite = [(x, y) for line in lines for x, y in line.points if math.isfinite(x) and math.isfinite(y)]
    if not finite:
        return None
    left, right = min(x for x, _ in finite), max(x for x, _ in finite)
    low, high = min(y for _, y in finite), max(y for _, y in finite)
    drawn = tuple((line.name, line.style, _path(line.points, left, right, low, high)) for line in lines if line.points)
    ends = [place.format(value) for value in (left, right)]
    words = f"{title}, from {ends[0]} to {ends[1]}, between {in_digits(low)} and {in_digits(high)}"
    return Chart(title, words, drawn, in_digits(high), in_digits(low), ends[0], ends[1] if right > left else "")


def _path(points: Points, left: float, right: float, low: float, high: float) -> str:
    """An SVG path, broken where a value is not finite; a point alone is a line of no length, drawn by its round end."""
    shown = [points[at] for at in thinned([y for _, y in points], MOST_POINTS)]
    path, begun = "", False
    for x, y in shown:
        if not (math.isfinite(x) and math.isfinite(y)):
            begun = False
            continue
        across = 100 * (x - left) / (right - left) if right > left else 50.0
        part = (y / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5  # halves: the span may be no float
        down = 100 - MARGIN - (100 - 2 * MARGIN) * part
        path += f"{'L' if begun else 'M'}{across:.2f} {down:.2f}{'' if begun else 'h0'}"
        begun = True
    return path
