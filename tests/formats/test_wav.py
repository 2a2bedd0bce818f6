from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import wavfile

from deeptrain.errors import DataError
from deeptrain.formats import discovery
from deeptrain.formats.format import Field
from deeptrain.formats.wav import WAV


def sound(dtype: str, steps: int, channels: int, seed: int = 0) -> np.ndarray:
    random = np.random.Generator(np.random.Philox(seed))
    if dtype.startswith("float"):
        return random.random((steps, channels)).astype(dtype)
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, (steps, channels), dtype, endpoint=True)


@settings(deadline=None, max_examples=40)  # they write files
@given(
    dtype=st.sampled_from(["uint8", "int16", "int32", "float32", "float64"]),
    steps=st.integers(1, 9),
    channels=st.integers(1, 3),
    rate=st.integers(1, 192_000),
)
def test_every_step_comes_back_as_it_is_stored(tmp_path_factory, dtype, steps, channels, rate):
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    values = sound(dtype, steps, channels)
    wavfile.write(path, rate, values)
    (field,) = WAV.fields(path)
    assert field == Field("x", dtype, (None, channels))
    assert WAV.trait(path) == f"{rate:,} Hz"
    (chunk,) = WAV.chunks(path, [field], 1)
    assert chunk.lengths["x"].tolist() == [steps]
    assert chunk.arrays["x"].tolist() == values.tolist()


def wav(path: Path, change=lambda data: data) -> None:
    wavfile.write(path, 8000, sound("int16", 50, 2))
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-20], r"a\.wav: is damaged or no wav: its header says 244 bytes, the file has 224"),
        (lambda data: data + bytes(8), r"a\.wav: .*: its header says 244 bytes, the file has 252"),
        (lambda _: b"", r"a\.wav: .*it does not begin with RIFF"),
        (lambda _: b"RIFF\x04\0\0\0WAVE", r"a\.wav: .*it has no format chunk"),
        (
            lambda data: data[:20] + b"\x55\0" + data[22:],
            r"a\.wav: .*format 85 of 16 bits, 2 channels of 4 bytes a step",
        ),
        (
            lambda data: data[:40] + b"\xff\xff\xff\x7f" + data[44:],
            r"a\.wav: .*chunk b'data' of 2,147,483,647 bytes rea",
        ),
        (lambda data: data[:22] + b"\0\0" + data[24:], r"a\.wav: .*0 channels"),
    ],
)
def test_what_is_wrong_with_a_recording_is_said_in_one_line(tmp_path: Path, change, message):
    path = tmp_path / "a.wav"
    wav(path, change)
    with pytest.raises(DataError, match=message) as error:
        WAV.fields(path)
    assert "\n" not in str(error.value)


def test_no_flipped_byte_of_a_header_gives_anything_but_sound_or_one_line(tmp_path: Path):
    path = tmp_path / "a.wav"
    wav(path)
    whole = path.read_bytes()
    for at in range(44):
        for bit in range(8):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            try:
                list(WAV.chunks(path, WAV.fields(path), 1))
            except DataError as error:
                assert "\n" not in str(error)  # noqa: PT017


def test_chunks_that_are_no_sound_are_passed_over(tmp_path: Path):
    path = tmp_path / "a.wav"
    wav(path)
    data = path.read_bytes()
    more = b"bext\x03\0\0\0abc\0"
    data = data[:4] + (len(data) - 8 + len(more)).to_bytes(4, "little") + data[8:36] + more + data[36:]
    path.write_bytes(data)
    (chunk,) = WAV.chunks(path, WAV.fields(path), 1)
    assert chunk.arrays["x"].tolist() == sound("int16", 50, 2).tolist()


def test_a_folder_a_class_of_recordings_of_different_lengths_is_one_data_set(tmp_path: Path):
    parts = []
    for folder, name, steps in (("no", "1", 3), ("no", "2", 5), ("yes", "1", 2)):
        (tmp_path / folder).mkdir(exist_ok=True)
        parts.append(sound("int16", steps, 2, steps))
        wavfile.write(tmp_path / folder / f"{name}.wav", 8000, parts[-1])
    data = discovery.open(tmp_path)
    assert (data.samples, data.labels.classes, data.label_cells()) == (3, ("no", "yes"), ["no", "no", "yes"])
    chunks = list(data.chunks(2, "float32"))
    assert [chunk.lengths["x"].tolist() for chunk in chunks] == [[3, 5], [2]]
    assert np.concatenate([chunk.inputs["x"] for chunk in chunks]).tolist() == np.concatenate(parts).tolist()
    assert [row.tolist() for chunk in chunks for row in chunk.origin] == [[0, 0, 0], [0, 1, 0], [0, 2, 0]]
    wavfile.write(tmp_path / "yes" / "2.wav", 16000, parts[-1])
    with pytest.raises(
        DataError, match=r"2\.wav: has 16,000 Hz where 1\.wav has 8,000 Hz; all raw files need the same"
    ):
        discovery.open(tmp_path)
