"""Samples as a page shows them: images as images, series as lines, rows of a table as rows."""

import base64
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deeptrain.drawing import raster, wording
from deeptrain.formats.cells import shown
from deeptrain.shards.info import InputInfo

Form = Literal["image", "series", "row"]

LONGEST_IMAGE = 4
"""Times as long as wide: what is longer is a series of some channels."""
MOST_PIXELS = 64
"""Of an image's longer side in the page; a larger one is made smaller, each pixel the mean of those it stands for."""
MOST_STEPS = 120
"""Of a series; of a longer one its beginning is shown, where single steps can be seen."""
MOST_LINES = 6
"""As many as there are colours that can be told apart."""
MOST_COLUMNS = 12
WIDE, HIGH = 100.0, 48.0
"""Of the drawing of a series, which is stretched to the room there is."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample of one input.

    Attributes:
        values: as they are stored.
        words: what is said of it, a line each, the first in bold.
        set_number: the set it is in.
        file: the raw file it comes from, relative to the raw data.
        row: in that file, from 0.
        made: what a model that gives its input again made of it.
    """

    values: NDArray[Any]
    words: tuple[str, ...]
    set_number: int
    file: str
    row: int
    made: NDArray[Any] | None = None

    def plain(self) -> dict[str, Any]:
        """Which one it is, and what is said of it."""
        return {"set": self.set_number, "file": self.file, "row": self.row, "words": list(self.words)}


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples of one input in groups, drawn alike so that they can be compared.

    Attributes:
        name: of the input; "" where there is one only.
        form: how they are drawn.
        low: the value that is black in an image.
        high: the value that is white.
        columns: names of the values of a row, or of the lines of a series; may be fewer.
        groups: (heading, samples) each; a heading may be "".
    """

    name: str
    form: Form
    low: float
    high: float
    columns: tuple[str, ...]
    groups: tuple[tuple[str, tuple[Sample, ...]], ...]

    @property
    def longest(self) -> int:
        """The length of the first axis of the longest sample."""
        return max((len(sample.values) for _, samples in self.groups for sample in samples), default=0)

    def plain(self) -> dict[str, Any]:
        """As the template takes it."""
        everything = [sample for _, samples in self.groups for sample in samples]
        scales = _scales(everything) if self.form == "series" else ()
        return {
            "name": self.name,
            "form": self.form,
            "columns": self.columns[: MOST_LINES if self.form == "series" else MOST_COLUMNS],
            "caption": self._caption(len(scales)),
            "paired": any(sample.made is not None for sample in everything),
            "groups": [
                {"name": name, "samples": [self._drawn(sample, name, scales) for sample in samples]}
                for name, samples in self.groups
            ],
        }

    def _drawn(self, sample: Sample, group: str, scales: Sequence[tuple[float, float]]) -> dict[str, Any]:
        what = ", ".join(part for part in (group, *sample.words) if part)
        where = f"set {sample.set_number}, row {sample.row} of {shown(sample.file, quoted=False)}"
        found: dict[str, Any] = {"words": sample.words, "where": where, "title": f"{what}; {where}"}
        both = [sample.values] if sample.made is None else [sample.values, sample.made]
        if self.form == "image":
            found["images"] = [_image(one, self.low, self.high) for one in both]
        elif self.form == "series":
            found["curves"] = [list(_paths(one, scales)) for one in both]
        else:
            found["rows"] = [[wording.cell(value) for value in one.reshape(-1)[:MOST_COLUMNS].tolist()] for one in both]
        return found

    def _caption(self, lines: int) -> str:
        if self.form == "image":
            return f"Black is {self.low:.4g}, white is {self.high:.4g} in all of them."
        if self.form == "series":
            every = "The line has" if lines == 1 else "Each line has"
            more = len(self.columns) - MOST_LINES
            left = f" {more} more are not drawn." if more > 0 else ""
            cut = f"The first {MOST_STEPS} steps. " if self.longest > MOST_STEPS else ""
            return f"{cut}{every} one scale in all of them, from its least to its greatest value here.{left}"
        more = len(self.columns) - MOST_COLUMNS
        return f"{wording.plural(more, 'column')} more in the data." if more > 0 else ""


def form_of(shape: Sequence[int | None], columns: Sequence[str] = ()) -> Form:
    """How samples of a shape are drawn.

    Args:
        shape: of one sample; the first axis of a sequence is None.
        columns: names of its values.
    """
    if len(shape) == 1 and shape[0] is not None and len(columns) == shape[0]:
        return "row"
    sizes = [size or 0 for size in shape]
    if None in shape:
        return "series"
    if len(sizes) == 3 and sizes[-1] in {1, 3, 4}:
        return "image"
    return "image" if len(sizes) == 2 and min(sizes) > 1 and max(sizes) <= LONGEST_IMAGE * min(sizes) else "series"


def of_input(
    info: InputInfo, alone: bool, columns: Sequence[str], groups: Sequence[tuple[str, tuple[Sample, ...]]]
) -> Samples:
    """Samples of an input, in groups, on the scale of the whole training split.

    Args:
        info: of the input.
        alone: whether it is the only one, which has no name then.
        columns: names of the values of all inputs in the raw data.
        groups: (heading, samples) each.
    """
    form = form_of(info.shape, columns)
    names = tuple(columns)
    if form == "series":
        lines = math.prod(size or 1 for size in info.shape[1:])
        names = names if len(names) == lines else tuple(f"channel {number}" for number in range(1, lines + 1))
    low, high = info.statistics.min, info.statistics.max
    return Samples("" if alone else info.name, form, low, high, names, tuple(groups))


def _image(values: NDArray[Any], low: float, high: float) -> dict[str, Any]:
    pixels = _pixels(values, low, high)
    height, width = pixels.shape[:2]
    data = base64.b64encode(raster.png(pixels, 100)).decode("ascii")
    return {"data": f"data:image/png;base64,{data}", "width": width, "height": height, "small": max(width, height) < 48}


def _pixels(values: NDArray[Any], low: float, high: float) -> raster.Pixels:
    scaled = (np.asarray(values, np.float64) - low) / max(high - low, 1e-12)
    bytes_ = np.round(255 * np.clip(np.nan_to_num(scaled, nan=0.0), 0, 1)).astype(np.uint8)
    grey = bytes_ if bytes_.ndim == 3 else bytes_[..., None]
    colors = np.broadcast_to(grey, (*grey.shape[:2], 3)) if grey.shape[-1] == 1 else grey[..., :3]
    longest = max(colors.shape[:2])
    if longest > MOST_PIXELS:
        size = [max(round(side * MOST_PIXELS / longest), 1) for side in colors.shape[1::-1]]
        image = Image.fromarray(np.ascontiguousarray(colors)).resize((size[0], size[1]), Image.Resampling.BOX)
        colors = np.asarray(image)
    opaque = np.full((*colors.shape[:2], 1), 255, np.uint8)
    return np.ascontiguousarray(np.concatenate([colors, opaque], axis=2))


def _lines(values: NDArray[Any]) -> NDArray[np.float64]:
    """(lines, steps), at most `MOST_LINES` of `MOST_STEPS` each."""
    exact = np.asarray(values, np.float64)
    return exact.reshape(len(exact), -1)[:MOST_STEPS, :MOST_LINES].T


def _scales(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    """Of each line the least and the greatest finite value of all samples."""
    found: list[tuple[float, float]] = []
    for sample in samples:
        for one in (sample.values, sample.made):
            for number, line in enumerate(_lines(one) if one is not None else ()):
                finite = line[np.isfinite(line)]
                low, high = (float(finite.min()), float(finite.max())) if len(finite) else (math.inf, -math.inf)
                if number == len(found):
                    found.append((low, high))
                else:
                    found[number] = min(found[number][0], low), max(found[number][1], high)
    return found


def _paths(values: NDArray[Any], scales: Sequence[tuple[float, float]]) -> Iterator[str]:
    """The lines of a series as SVG paths, one under the other, broken where a value is not finite."""
    lane = (HIGH - 2) / max(len(scales), 1)
    for number, (line, (low, high)) in enumerate(zip(_lines(values), scales, strict=False)):
        span, last = high - low, max(len(line) - 1, 1)
        path, begun = "", False
        for place, value in enumerate(line.tolist()):
            if not math.isfinite(value):
                begun = False
                continue
            part = 0.5 if span <= 0 else 0.08 + 0.84 * (1 - (value - low) / span)
            height = 1 + lane * (number + part)
            path += f"{'L' if begun else 'M'}{WIDE * place / last:.1f} {height:.1f}"
            begun = True
        yield path
