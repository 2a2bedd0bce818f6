"""Several pictures one after the other, as an animated GIF."""

import io
from collections.abc import Sequence

from PIL import Image

from deeptrain.drawing.canvas import Picture
from deeptrain.errors import DataError
from deeptrain.introspection.pictures.png import png

COLORS = 256
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
    some = frames[:: -(-len(frames) // LOOKED_AT)]
    together = Image.new("RGB", (frames[0].width, frames[0].height * len(some)))
    for place, frame in enumerate(some):
        together.paste(frame, (0, place * frame.height))
    palette = together.quantize(COLORS, Image.Quantize.MEDIANCUT)
    first, *others = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    data = io.BytesIO()
    duration = round(100 * seconds_each) * 10
    first.save(data, "GIF", save_all=True, append_images=others, duration=duration, loop=0, optimize=False)
    return data.getvalue()


def _frame(place: int, picture: Picture | bytes) -> Image.Image:
    data = png(picture) if isinstance(picture, Picture) else picture
    try:
        return Image.open(io.BytesIO(data), formats=("PNG",)).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"gif: picture number {place} (from 0) is no PNG that can be read") from error
