import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deeptrain.errors import DataError
from deeptrain.formats import discovery
from deeptrain.formats.format import Field
from deeptrain.formats.image import IMAGES, MOST_PIXELS, Images

MODES = {"1": (1, "bool"), "L": (1, "uint8"), "LA": (2, "uint8"), "RGB": (3, "uint8"), "RGBA": (4, "uint8")}


def picture(mode: str, height: int = 4, width: int = 3, seed: int = 0) -> Image.Image:
    channels, dtype = MODES[mode]
    random = np.random.Generator(np.random.Philox(seed))
    pixels = random.integers(0, 2 if dtype == "bool" else 256, (height, width, channels)).astype(dtype)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)


@settings(deadline=None, max_examples=40)  # they write files
@given(mode=st.sampled_from(list(MODES)), height=st.integers(1, 5), width=st.integers(1, 5), seed=st.integers(0, 9))
def test_every_pixel_of_every_mode_comes_back(tmp_path_factory, mode, height, width, seed):
    path = tmp_path_factory.mktemp("image") / "a.png"
    image = picture(mode, height, width, seed)
    image.save(path)
    channels, dtype = MODES[mode]
    (field,) = IMAGES.fields(path)
    assert field == Field("x", dtype, (height, width, channels))
    (chunk,) = IMAGES.chunks(path, [field], 1)
    assert chunk.arrays["x"].dtype == dtype
    assert chunk.arrays["x"].tolist() == np.asarray(image).reshape(1, height, width, channels).tolist()


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".pgm", ".tif", ".webp", ".jpg"])
def test_each_kind_is_read_and_lossless_ones_exactly(tmp_path: Path, suffix):
    path = tmp_path / f"a{suffix}"
    image = picture("L")
    image.save(path, **({"lossless": True} if suffix == ".webp" else {}))
    reader = Images(mode="L")
    (chunk,) = reader.chunks(path, reader.fields(path), 1)
    assert chunk.arrays["x"].shape == (1, 4, 3, 1)
    if suffix not in {".jpg"}:
        assert chunk.arrays["x"][0, :, :, 0].tolist() == np.asarray(image).tolist()


def test_sixteen_bits_stay_sixteen_bits(tmp_path: Path):
    values = np.array([[0, 300], [65535, 7]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    (field,) = IMAGES.fields(tmp_path / "a.png")
    out = np.empty((2, 2, 2, 1), np.uint16)
    IMAGES.take(tmp_path / "a.png", field, np.zeros(2, np.int64), out)
    assert field.dtype == "uint16"
    assert out[1, :, :, 0].tolist() == values.tolist()


def make_jpeg(path: Path) -> None:
    picture("L").save(path, format="JPEG")


def write_header(path: Path, width: int, height: int) -> None:
    """A picture of one bit a pixel that has no pixels, made by hand: Pillow would need hundreds of MB for it."""
    content = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = [struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in (content, data)]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def make_bomb(path: Path) -> None:
    write_header(path, 20_000, 20_000)


def make_small_bomb(path: Path) -> None:
    write_header(path, 1 << 14, (MOST_PIXELS >> 14) + 1)


def make_cut(path: Path) -> None:
    picture("RGB", 50, 50).save(path)
    path.write_bytes(path.read_bytes()[:2000])


def make_palette(path: Path) -> None:
    picture("RGB").convert("P").save(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_jpeg, r"a\.png: is no PNG but a JPEG; give it the right extension"),
        (make_bomb, r"a\.png: has more than the 67,108,864 pixels that are read; is it a decompression bomb\?"),
        (make_small_bomb, r"a\.png: has more than the 67,108,864 pixels"),
        (make_cut, r"a\.png: is damaged: image file is truncated"),
        (make_palette, r"a\.png: its mode is P, known are 1, L, .*; say into which to convert, mode = 'RGB'"),
        (lambda path: path.write_bytes(b""), r"a\.png: is no PNG, or its header is damaged"),
        (lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n"), r"a\.png: is no PNG, or its header"),
    ],
)
def test_what_is_wrong_with_a_picture_is_said_in_one_line(tmp_path: Path, make, message):
    path = tmp_path / "a.png"
    make(path)
    with pytest.raises(DataError, match=message) as error:
        list(IMAGES.chunks(path, IMAGES.fields(path), 1))
    assert "\n" not in str(error.value)


def test_several_pictures_in_one_file_are_refused(tmp_path: Path):
    picture("L").save(tmp_path / "a.tif", save_all=True, append_images=[picture("L", seed=1)])
    with pytest.raises(DataError, match=r"a\.tif: has 2 pictures; save each as a file of its own"):
        IMAGES.fields(tmp_path / "a.tif")


def test_one_picture_of_another_mode_or_size_is_named_and_a_mode_that_is_asked_for_makes_them_alike(tmp_path: Path):
    for name, mode in (("1.png", "L"), ("2.png", "L"), ("3.png", "RGBA")):
        picture(mode).save(tmp_path / name)
    with pytest.raises(
        DataError, match=r"3\.png: 'x' is uint8 of shape 4x3x4 where it is uint8 of shape 4x3x1 in 1\.pn"
    ):
        discovery.open(tmp_path)
    data = discovery.open(tmp_path, mode="L")
    assert data.inputs == (Field("x", "uint8", (4, 3, 1)),)
    picture("L", 5, 3).save(tmp_path / "3.png")
    with pytest.raises(DataError, match=r"3\.png: 'x' is uint8 of shape 5x3x1 where it is uint8 of shape 4x3x1"):
        discovery.open(tmp_path)


def test_every_cut_of_a_picture_is_refused_or_changes_nothing(tmp_path: Path):
    path = tmp_path / "a.png"
    image = picture("RGB", 9, 9)
    image.save(path)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        try:
            (chunk,) = IMAGES.chunks(path, IMAGES.fields(path), 1)
        except DataError:
            continue
        assert chunk.arrays["x"][0].tolist() == np.asarray(image).tolist()
