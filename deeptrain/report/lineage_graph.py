"""The artifacts of a run as a graph: what was made from what, each with its digests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deeptrain.drawing import wording
from deeptrain.report import templates
from deeptrain.report.run import Lineage

WIDTH, HEIGHT = 140, 62
"""Of a box."""
ACROSS, DOWN = 173, 78
"""From a box to the next."""
DIGITS = 12
"""Of a digest in a box; whole it stands in the list below."""


@dataclass(frozen=True)
class Box:
    """An artifact at its place, in columns from the left and rows from the top."""

    line: Lineage
    column: int
    row: int


def plain(lineage: Sequence[Lineage]) -> dict[str, Any]:
    """The graph as the template takes it: boxes, curves between them, size, and the whole in words."""
    boxes = _placed(lineage)
    over = [_over(boxes, box) for box in boxes.values()]
    head = 14 + 16 * max(over, default=0)
    edges = [
        _edge(boxes[name], box, head)
        for box in boxes.values()
        for name in dict.fromkeys(box.line.inputs)
        if name in boxes
    ]
    columns, rows = (max((getattr(box, what) for box in boxes.values()), default=0) for what in ("column", "row"))
    return {
        "width": ACROSS * columns + WIDTH + 2,
        "height": head + DOWN * rows + HEIGHT + 2,
        "boxes": [
            {
                "x": ACROSS * box.column + 1,
                "y": head + DOWN * box.row,
                "stage": wording.cut(box.line.stage.replace("_", " "), 17),
                "identity": box.line.identity[:DIGITS],
                "content": box.line.content[:DIGITS],
            }
            for box in boxes.values()
        ],
        "edges": edges,
        "words": _words(lineage),
    }


def svg(lineage: Sequence[Lineage]) -> bytes:
    """The graph as an SVG file, in light or dark as the reader likes; the same artifacts give the same bytes."""
    return templates.get("lineage.svg").render(graph=plain(lineage)).encode()


def _placed(lineage: Sequence[Lineage]) -> dict[str, Box]:
    """Each artifact in the column behind the last of its inputs, and in the first row that is free there."""
    columns: dict[str, int] = {}
    taken: dict[int, int] = {}
    boxes: dict[str, Box] = {}
    for line in lineage:
        column = 1 + max((columns[name] for name in line.inputs if name in columns), default=-1)
        columns[line.artifact] = column
        row = taken[column] = taken.get(column, -1) + 1
        boxes[line.artifact] = Box(line, column, row)
    return boxes


def _over(boxes: Mapping[str, Box], box: Box) -> int:
    """How many columns the longest edge to a box jumps over, in the first row, where it has to go over boxes."""
    spans = [box.column - boxes[name].column for name in box.line.inputs if name in boxes and box.row == 0]
    return max([span - 1 for span in spans if span > 1], default=0)


def _edge(source: Box, target: Box, head: int) -> dict[str, str]:
    """A curve from the right of a box to the left of another, or over those that stand between them, and its tip."""
    x, y = ACROSS * source.column + 1 + WIDTH, head + DOWN * source.row + HEIGHT / 2
    to, down = ACROSS * target.column + 1, head + DOWN * target.row + HEIGHT / 2
    span = target.column - source.column
    if span > 1 and source.row == target.row == 0:
        x, y, to, down = x - 22, y - HEIGHT / 2, to + 22, down - HEIGHT / 2
        up = y - 16 * (span - 1) * 4 / 3  # the middle of such a curve is 3/4 of the way to its handles
        tip = f"M{to} {down:g}l-3.5 -7h7z"
        return {"path": f"M{x} {y:g}C{x} {up:g} {to} {up:g} {to} {down - 5:g}", "tip": tip}
    middle = (ACROSS - WIDTH) * 0.6 if span == 1 else (to - x) * 0.5
    path = f"M{x} {y:g}C{x + middle:g} {y:g} {to - middle:g} {down:g} {to - 5} {down:g}"
    return {"path": path, "tip": f"M{to} {down:g}l-7 -3.5v7z"}


def _words(lineage: Sequence[Lineage]) -> str:
    names = {line.artifact: line.stage for line in lineage}
    parts = []
    for line in lineage:
        inputs = [names[name] for name in dict.fromkeys(line.inputs) if name in names]
        made = f" made from {', '.join(inputs)}" if inputs else ""
        parts.append(f"{line.stage}{made}")
    return f"What was made from what: {'; '.join(parts)}."
