"""A drawn figure as pixels, in its own colours and at the same time in others, and pixels as PNG bytes."""

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
"""(height, width, 4): red, green, blue, opacity."""

Target = tuple[Any, Mapping[str, tuple[float, float, float]]]
"""A `RendererAgg`, which has no types, and the other colour of each that is not to keep its own."""

COMPRESSION = 3
LINES = 64
METRES_PER_INCH = 0.0254


def paint(figure: Figure, dpi: int) -> Pixels:
    """The figure as it is; call it within `canvas.drawing()`.

    Args:
        figure: what to draw.
        dpi: pixels made for an inch of the figure, which is 100 pixels of the page.
    """
    return _painted(figure, dpi, {})[0]


def paint_both(figure: Figure, dpi: int, colors: Mapping[str, str]) -> tuple[Pixels, Pixels]:
    """The figure as it is, and with other colours, in less time than painting it twice takes.

    Ticks, legends and the places of texts are worked out once. What is drawn in a colour that `colors` does not name
    keeps it. Call it within `canvas.drawing()`.

    Args:
        figure: what to draw.
        dpi: pixels made for an inch of the figure.
        colors: the other colour of each, as "#rrggbb".
    """
    own, other = _painted(figure, dpi, colors)
    return own, other


def png(pixels: Pixels, dpi: int, margin: int = 0, color: str = "#ffffff") -> bytes:
    """The pixels as a PNG file that says how large it is, and nothing of when and by what it was made.

    Lines are not filtered: what has flat areas and letters is smaller so, and made in a fifth of the time that trying
    all filters on each line takes. The format is that of W3C, PNG Specification, third edition, 2025.

    Args:
        pixels: of the picture; opaque.
        dpi: pixels an inch, for who prints it.
        margin: pixels that are added on each side.
        color: of the margin.
    """
    high, wide, _ = pixels.shape
    wide_of_file, high_of_file = wide + 2 * margin, high + 2 * margin
    stream = zlib.compressobj(COMPRESSION)
    edge = bytes((0, *_rgb(color) * wide_of_file)) * margin
    # Some lines at a time: large memory that is used once takes longer to get than these lines to compress.
    lines = np.zeros((LINES, 1 + 3 * wide_of_file), np.uint8)  # a line begins with the number of its filter: 0, none
    lines[:, 1:] = np.tile(np.array(_rgb(color), np.uint8), wide_of_file)
    compressed = [stream.compress(edge)]
    for start in range(0, high, LINES):
        part = Image.fromarray(pixels[start : start + LINES]).convert("RGB")
        lines[: part.height, 1 + 3 * margin : 1 + 3 * (margin + wide)] = np.asarray(part).reshape(part.height, -1)
        compressed.append(stream.compress(lines[: part.height].data))
    compressed += [stream.compress(edge), stream.flush()]
    a_metre = round(dpi / METRES_PER_INCH)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", wide_of_file, high_of_file, 8, 2, 0, 0, 0)),  # 8 bits, RGB
            _chunk(b"pHYs", struct.pack(">IIB", a_metre, a_metre, 1)),
            _chunk(b"IDAT", b"".join(compressed)),
            _chunk(b"IEND", b""),
        )
    )


def _rgb(color: str) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in to_rgb(color))
    return red, green, blue


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _painted(figure: Figure, dpi: int, colors: Mapping[str, str]) -> list[Pixels]:
    before = figure.dpi
    figure.dpi = dpi
    try:
        wide, high = (round(size) for size in figure.bbox.size)
        new: Any = RendererAgg
        targets: list[Target] = [(new(wide, high, dpi), {})]
        if colors:
            targets.append((new(wide, high, dpi), {to_hex(old): to_rgb(other) for old, other in colors.items()}))
        figure.draw(_Several(targets) if colors else targets[0][0])
    finally:
        figure.dpi = before
    return [np.asarray(agg.buffer_rgba()) for agg, _ in targets]


class _Several(RendererBase):
    """Hands on everything that is drawn to several renderers of one size, each with colours of its own."""

    def __init__(self, targets: list[Target]) -> None:
        super().__init__()
        self._targets = targets
        self._first = targets[0][0]
        self.width, self.height, self.dpi = self._first.width, self._first.height, self._first.dpi

    def draw_path(self, gc: GraphicsContextBase, path: Any, transform: Any, rgbFace: Any = None) -> None:
        for agg, colors in self._targets:
            agg.draw_path(self._colored(gc, colors), path, transform, _mapped(rgbFace, colors))

    def draw_markers(
        self,
        gc: GraphicsContextBase,
        marker_path: Any,
        marker_trans: Any,
        path: Any,
        trans: Any,
        rgbFace: Any = None,
    ) -> None:
        for agg, colors in self._targets:
            face = _mapped(rgbFace, colors)
            agg.draw_markers(self._colored(gc, colors), marker_path, marker_trans, path, trans, face)

    def draw_text(self, gc: GraphicsContextBase, *arguments: Any, **options: Any) -> None:
        for agg, colors in self._targets:
            agg.draw_text(self._colored(gc, colors), *arguments, **options)

    def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> Any:
        return self._first.get_text_width_height_descent(s, prop, ismath)

    def points_to_pixels(self, points: Any) -> Any:
        return self._first.points_to_pixels(points)

    def get_canvas_width_height(self) -> Any:
        return self._first.get_canvas_width_height()

    def _colored(
        self, gc: GraphicsContextBase, colors: Mapping[str, tuple[float, float, float]]
    ) -> GraphicsContextBase:
        if not colors:
            return gc
        made = self.new_gc()
        made.copy_properties(gc)
        made.set_foreground(_mapped(gc.get_rgb(), colors), isRGBA=True)
        return made


def _mapped(color: Any, colors: Mapping[str, tuple[float, float, float]]) -> Any:
    """The colour, a tuple of three or four, as `colors` would have it; its opacity stays."""
    found = None if color is None else colors.get(to_hex(color[:3]))
    return color if found is None else (*found, *color[3:])
