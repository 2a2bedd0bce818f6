"""Images in a grid: samples, or what a convolution makes of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.errors import DataError
from deeptrain.introspection.pictures import arrays as given_arrays
from deeptrain.introspection.pictures.panes import Grid, Pane, widened

NAMED = 12
CHANNELS = (1, 3, 4)
MOST_COLUMNS = 12
HIGHEST = 320.0


def draw(
    images: ArrayLike | Mapping[str, ArrayLike],
    *,
    title: str = "",
    unit: str = "value",
    columns: int = 8,
    theme: Theme = LIGHT,
) -> Picture:
    """Images in a grid, all in one scale from the least to the greatest of their values.

    One channel is a scale of grey; 3 are red, green and blue, of 4 the last, opacity, is left out. What is no number is
    orange, and told.

    Args:
        images: (images, height, width) or (images, height, width, channels), or (height, width) and so on by name.
        title: of the picture.
        unit: of the values.
        columns: images in a row, at most 12.
        theme: colours.

    Returns:
        The picture, 1200 pixels wide; `numbers`: `low` and `high`, the ends of the scale, and for each image by name
        `shape`, `mean`, `nan`, `infinite`.

    Raises:
        DataError: without an image, for other shapes and other than 1, 3 or 4 channels, and for columns out of range.
    """
    if not 1 <= columns <= MOST_COLUMNS:
        raise DataError(f"images: columns must be between 1 and {MOST_COLUMNS}, got {columns}")
    named = images if isinstance(images, Mapping) else _named(images)
    (section,), left_out = given_arrays.first_panes(given_arrays.sections("images", named))
    for name, one in section.arrays.items():
        check(f"images: {name}", one)
    low, high = ends(list(section.arrays.values()))
    columns = max(min(columns, len(section.arrays)), 4)
    bad = [given_arrays.told(*given_arrays.not_finite(one), one.size) for one in section.arrays.values()]
    notes = [
        f"{wording.capital(unit)} from {wording.score(low)} to {wording.score(high)}; what is no number is orange."
    ]
    notes = [notes[0] + (f" {left_out} more are not drawn." if left_out else "")]
    with canvas.drawing():
        grid = Grid(columns, 0, 1 + any(bad), 8, 0)
        height = min(max(grid.width * one.shape[0] / one.shape[1] for one in section.arrays.values()), HIGHEST)
        grid = Grid(columns, height, grid.lines, 8, 0)
        figure, panes = grid.sheet([("", len(section.arrays))], theme, title, notes)
        for pane, (name, one), worry in zip(panes, section.arrays.items(), bad, strict=True):
            pane.titles(name, given_arrays.shape(one), ", ".join(worry), warn=True)
            paint(pane, one, low, high)
    told = {
        name: {"shape": list(one.shape), "mean": _mean(one), **_counts(one)} for name, one in section.arrays.items()
    }
    return Picture(figure, {"low": low, "high": high, "images": told}, _words(title, told, low, high), mixed=True)


def _named(images: ArrayLike) -> dict[str, NDArray[Any]]:
    values = given_arrays.numbers("images", images)
    if values.ndim not in {3, 4}:
        raise DataError(
            f"images: expected (images, height, width) or (images, height, width, channels), got {list(values.shape)}"
        )
    return {f"{place}": one for place, one in enumerate(values)}


def check(name: str, image: NDArray[Any]) -> None:
    """Raise a DataError for what is no image."""
    if image.ndim not in {2, 3} or not image.size or (image.ndim == 3 and image.shape[-1] not in CHANNELS):
        raise DataError(
            f"{name}: expected an image (height, width), or with 1, 3 or 4 channels, got shape {list(image.shape)}; "
            "by_channel(values) makes one array a channel"
        )


def ends(images: list[NDArray[Any]]) -> tuple[float, float]:
    """Least and greatest value of all images."""
    found = [one[np.isfinite(one)] for one in images]
    found = [one for one in found if one.size]
    if not found:
        return 0.0, 1.0
    return widened(
        max(min(float(one.min()) for one in found), -1e300), min(max(float(one.max()) for one in found), 1e300)
    )


def paint(pane: Pane, image: NDArray[Any], low: float, high: float) -> None:
    """An image, in its proportions, in the upper left corner of a pane.

    Args:
        pane: where.
        image: (height, width), or with 1, 3 or 4 channels.
        low: what is black.
        high: what is white.
    """
    values = np.asarray(image, np.float64).reshape(*image.shape[:2], -1)[..., :3]
    with np.errstate(invalid="ignore"):
        shares = np.clip((values - low) / (high - low), 0, 1)
    colors = np.broadcast_to(np.nan_to_num(shares), (*shares.shape[:2], 3)).copy()
    colors[~np.isfinite(values).all(axis=-1)] = to_rgb(pane.theme.second)
    pixels = Image.fromarray(np.rint(255 * colors).astype(np.uint8))
    scale = min(pane.width / pixels.width, pane.height / pixels.height)
    size = (pixels.width * scale, pixels.height * scale)
    if scale < 0.5:  # more pixels than are seen: their means, each of two a pixel of the page
        pixels = pixels.resize((max(round(2 * size[0]), 1), max(round(2 * size[1]), 1)), Image.Resampling.BOX)
    place = Pane(pane.sheet, pane.theme, pane.left, pane.top, *size, 0)
    place.pixels(np.asarray(pixels))
    place.frame()


def _mean(image: NDArray[Any]) -> float:
    finite = image[np.isfinite(image)]
    return float(finite.mean(dtype=np.float64)) if finite.size else float("nan")


def _counts(image: NDArray[Any]) -> dict[str, int]:
    return dict(zip(("nan", "infinite"), given_arrays.not_finite(image), strict=True))


def _words(title: str, told: Mapping[str, Mapping[str, Any]], low: float, high: float) -> str:
    said = [f"{name}, mean {wording.score(one['mean'])}" for name, one in told.items()]
    more = f"; and {len(said) - NAMED} more" if len(said) > NAMED else ""
    head = f"{title}: " if title else ""
    return (
        f"{head}{wording.plural(len(said), 'image')}, values from {wording.score(low)} to {wording.score(high)}. "
        f"{'; '.join(said[:NAMED])}{more}."
    )
