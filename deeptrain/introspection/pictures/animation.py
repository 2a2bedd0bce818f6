"""Several pictures one after the other, as an animated GIF."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deeptrain.drawing.canvas import Picture
from deeptrain.errors import DataError

COLORS, EXACT = 256, 96
CHUNK = 4096
LOOKED_AT = 12
"""Pictures, evenly taken, that the palette is made of."""


def gif(pictures: Sequence[Picture | bytes], seconds_each: float = 0.5) -> bytes:
    """The pictures as a GIF that begins again at its end: the same pictures give the same bytes.

    All share one palette of 256 colours, so that what stays the same from picture to picture does not flicker.

    Args:
        pictures: of one size; each a picture, or the bytes of a PNG such as a callback wrote.
        seconds_each: how long each is seen; GIF counts in hundredths.

    Raises:
        DataError: for no picture, pictures of different sizes, bytes that are no PNG, and less than a hundredth of a
            second.
    """
    if not pictures:
        raise DataError("gif: nothing to draw: expected at least one picture, got none")
    if not seconds_each >= 0.01:
        raise DataError(f"gif: seconds_each must be at least 0.01, got {seconds_each}")
    frames = [_frame(place, one) for place, one in enumerate(pictures)]
    for place, frame in enumerate(frames):
        if frame.size != frames[0].size:
            raise DataError(
                f"gif: pictures must be of one size: the first is {frames[0].width} by {frames[0].height} pixels, "
                f"number {place} (from 0) {frame.width} by {frame.height}"
            )
    palette = _palette(frames[:: -(-len(frames) // LOOKED_AT)])
    first, *others = (_indexed(frame, palette) for frame in frames)
    data = io.BytesIO()
    duration = round(100 * seconds_each) * 10
    first.save(data, "GIF", save_all=True, append_images=others, duration=duration, loop=0, optimize=False)
    return data.getvalue()


def _palette(frames: Sequence[Image.Image]) -> NDArray[np.uint8]:
    """(256, 3): the most frequent colours as they are, paper and ink among them, and what stands for all others."""
    codes, counts = np.unique(np.concatenate([_codes(frame) for frame in frames], axis=None), return_counts=True)
    colors = _colors(codes)[np.argsort(-counts, kind="stable")]
    if len(colors) > COLORS:
        rest = Image.fromarray(colors[EXACT:][None]).quantize(COLORS - EXACT, Image.Quantize.MEDIANCUT).getpalette()
        colors = np.concatenate([colors[:EXACT], np.array(rest, np.uint8).reshape(-1, 3)[: COLORS - EXACT]])
    return np.resize(colors, (COLORS, 3))


def _indexed(frame: Image.Image, palette: NDArray[np.uint8]) -> Image.Image:
    """The frame in the nearest colours of the palette."""
    codes, places = np.unique(_codes(frame), return_inverse=True)
    colors, wanted = palette.astype(np.int32), _colors(codes).astype(np.int32)
    nearest = np.concatenate(
        [
            ((wanted[start : start + CHUNK, None] - colors) ** 2).sum(axis=-1).argmin(axis=1)
            for start in range(0, len(wanted), CHUNK)
        ]
    ).astype(np.uint8)
    made = Image.fromarray(nearest[places].reshape(frame.height, frame.width))
    made.putpalette(palette.tobytes())
    return made


def _codes(frame: Image.Image) -> NDArray[np.int64]:
    """(height, width): each colour as one number."""
    return np.asarray(frame).astype(np.int64) @ (1 << 16, 1 << 8, 1)


def _colors(codes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(n, 3): red, green and blue."""
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1).astype(np.uint8)


def _frame(place: int, picture: Picture | bytes) -> Image.Image:
    data = picture.png() if isinstance(picture, Picture) else picture
    try:
        return Image.open(io.BytesIO(data), formats=("PNG",)).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"gif: picture number {place} (from 0) is no PNG that can be read") from error
