"""A picture as the bytes of a file."""

from deeptrain.drawing import canvas, raster
from deeptrain.drawing.canvas import Picture


def png(picture: Picture, dpi: int = canvas.PIXELS_PER_INCH) -> bytes:
    """The picture as a PNG: the same picture gives the same bytes.

    Args:
        picture: any of these.
        dpi: 100 for one pixel a pixel of the page, 200 for a screen of high density and for print.
    """
    with canvas.drawing():
        return raster.png(raster.paint(picture.figure, dpi), dpi)
