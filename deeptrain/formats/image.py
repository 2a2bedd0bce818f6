"""Images (PNG, JPEG, BMP, PPM, TIFF, WebP): a file is one sample of shape (height, width, channels).

Grey images have 1 channel, with transparency one more, colours 3 or 4. Pillow decodes; which decoders it may use is
fixed here by the extension, so that a file is what its name says. All images of a data set need one mode and size,
unless a mode is asked for, into which all are then converted. A tag that says how to turn a photograph is not obeyed.
"""

import contextlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeptrain.errors import DataError, said
from deeptrain.formats import numbers
from deeptrain.formats.cells import listed
from deeptrain.formats.format import Chunk, Field

if TYPE_CHECKING:  # a plan imports this file and must not load NumPy for it
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

DECODERS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".bmp": "BMP",
    ".ppm": "PPM",
    ".pgm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
MODES = {
    "1": (1, "bool"),
    "L": (1, "uint8"),
    "LA": (2, "uint8"),
    "RGB": (3, "uint8"),
    "RGBA": (4, "uint8"),
    "I;16": (1, "uint16"),
    "I": (1, "int32"),
    "F": (1, "float32"),
}
"""Channels and dtype of the modes that are read."""
MOST_PIXELS = 1 << 26
"""A picture of more pixels is taken for a decompression bomb: a file of some kB that becomes GBs."""
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, KeyError, ArithmeticError, struct.error)
"""What Pillow raises for bytes that are no picture."""
FIELD = "x"


@dataclass(frozen=True)
class Images:
    """Files of one picture each; a `Format`.

    Attributes:
        mode: into which pictures are converted, None to take them as they are.
    """

    name: str = "image"
    extensions: tuple[str, ...] = tuple(DECODERS)
    tabular: bool = False
    single: bool = True
    mode: str | None = None

    def fields(self, path: Path) -> tuple[Field, ...]:
        """The one field "x", from the header."""
        with _opened(path) as image:
            channels, dtype = MODES[self._mode(image, path)]
            return (Field(FIELD, dtype, (image.height, image.width, channels)),)

    def samples(self, path: Path, field: str) -> int | None:  # noqa: ARG002
        """One."""
        return 1

    def chunks(self, path: Path, fields: Sequence[Field], rows: int) -> Iterator[Chunk]:  # noqa: ARG002
        """The picture."""
        (field,) = fields
        pixels = numbers.cast(self._pixels(path), field.dtype, lambda _: str(path), field.missing)
        yield Chunk(0, 1, {FIELD: pixels}, {}, {})

    def random_access(self, path: Path) -> bool:  # noqa: ARG002
        """Always: a file is a sample."""
        return True

    def take(self, path: Path, field: Field, rows: "NDArray[np.int64]", out: "NDArray[Any]") -> None:  # noqa: ARG002
        """The picture, for each of the rows, which are 0."""
        out[...] = numbers.cast(self._pixels(path), out.dtype.name, lambda _: str(path), field.missing)

    def place(self, path: Path, row: int) -> str:  # noqa: ARG002
        """Nothing but the file."""
        return ""

    def trait(self, path: Path) -> str:  # noqa: ARG002
        """Nothing: dtype and channels tell the mode."""
        return ""

    def _mode(self, image: "Image.Image", path: Path) -> str:
        mode = self.mode or image.mode
        if mode not in MODES:
            wanted = "the mode asked for" if self.mode else "its mode"
            raise DataError(
                f"{path}: {wanted} is {mode}, known are {', '.join(MODES)}; say into which to convert, mode = 'RGB'"
            )
        return mode

    def _pixels(self, path: Path) -> "NDArray[Any]":
        """(1, height, width, channels)."""
        import numpy as np

        with _opened(path) as image:
            mode = self._mode(image, path)
            picture = image if image.mode == mode else image.convert(mode)
            pixels = np.asarray(picture)
        channels, dtype = MODES[mode]
        return pixels.reshape(1, *pixels.shape[:2], channels).astype(dtype, copy=False)


IMAGES = Images()


@contextlib.contextmanager
def _opened(path: Path) -> "Iterator[Image.Image]":
    from PIL import Image, UnidentifiedImageError

    decoder = DECODERS.get(path.suffix.lower())
    try:
        with Image.open(path, formats=[decoder] if decoder else sorted(set(DECODERS.values()))) as image:
            pixels = image.width * image.height
            if pixels > MOST_PIXELS:
                raise Image.DecompressionBombError(f"{pixels:,} pixels")
            frames = getattr(image, "n_frames", 1)
            if frames > 1:
                raise DataError(f"{path}: has {frames} pictures; save each as a file of its own")
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{path}: has more than the {MOST_PIXELS:,} pixels that are read; is it a decompression bomb? Scale it down"
        ) from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: is no {decoder or 'picture'}{_instead(path)}; give it the right extension") from error
    except DAMAGE as error:
        raise DataError(f"{path}: is damaged: {said(error)}") from error


def _instead(path: Path) -> str:
    """What a picture is that is not what its extension says, by its first bytes."""
    with path.open("rb") as file:
        begin = file.read(12)
    marks = {
        b"\x89PNG": "PNG",
        b"\xff\xd8\xff": "JPEG",
        b"BM": "BMP",
        b"II*\0": "TIFF",
        b"MM\0*": "TIFF",
        b"GIF8": "GIF",
    }
    found = [name for mark, name in marks.items() if begin.startswith(mark)]
    if begin[:4] == b"RIFF" and begin[8:] == b"WEBP":
        found = ["WebP"]
    return f" but a {listed(found)}" if found else ", or its header is damaged"
