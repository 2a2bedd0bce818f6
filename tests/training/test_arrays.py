"""The safetensors file: the library's own bytes, without its copies; damage is told and never believed."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deeptrain.errors import ArtifactError
from deeptrain.training import arrays

HERE = Path("state.safetensors")
DTYPES = st.sampled_from(["?", "u1", "i1", "<i2", "<u2", "<f2", "<i4", "<u4", "<f4", "<f8", "<i8", "<u8", ">f4", ">i8"])
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: name != "__metadata__"
)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
STATES = st.dictionaries(NAMES, hnp.arrays(DTYPES, SHAPES, elements={"allow_nan": False}), max_size=6)


@given(STATES)
def test_the_bytes_are_those_of_the_library_and_come_back(state: dict[str, np.ndarray]) -> None:
    data = arrays.encode(state)
    native = {name: np.asarray(a, a.dtype.newbyteorder("="), order="C") for name, a in state.items()}
    assert data == safetensors.numpy.save(native)
    again = arrays.decode(data, HERE)
    assert again.keys() == state.keys()
    for name, array in state.items():
        np.testing.assert_array_equal(again[name], array)
        assert again[name].shape == array.shape
        assert again[name].dtype == array.dtype.newbyteorder("<")


@given(STATES, st.data())
def test_damage_is_told_or_changes_numbers_only(state: dict[str, np.ndarray], data: st.DataObject) -> None:
    good = bytearray(arrays.encode(state))
    good[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(good)))
    for bad in (good, good[:cut], good + b"x"):
        try:
            found = arrays.decode(bytes(bad), HERE)
        except ArtifactError as error:
            assert "state.safetensors: no safetensors file: " in str(error)  # noqa: PT017 - it may also be none
        else:
            assert sum(array.nbytes for array in found.values()) <= len(bad)


def test_arrays_are_written_without_copies_and_read_as_views_that_nobody_can_change() -> None:
    array = np.arange(1000, dtype=np.float32)
    _, piece = arrays.pieces({"a": array})
    array[0] = 7
    assert np.frombuffer(piece, np.float32)[0] == 7
    found = arrays.decode(arrays.encode({"a": array}), HERE)["a"]
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}, r"float32\[2\] does not lie at 0 to 4"),
        ({"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}, "does not lie at 4 to 8|begins at 4"),
        ({"dtype": "O", "shape": [1], "data_offsets": [0, 4]}, "KeyError"),
        ({"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}, "whole numbers"),
        ({"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}, "whole numbers"),
    ],
)
def test_headers_that_lie_are_refused(told: dict[str, object], message: str) -> None:
    header = json.dumps({"a": told}).encode()
    with pytest.raises(ArtifactError, match=message):
        arrays.decode(len(header).to_bytes(8, "little") + header + bytes(4), HERE)


def test_a_dtype_that_the_format_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(ArtifactError, match=r"w has the dtype <U1, which a safetensors file cannot hold"):
        arrays.encode({"w": np.array(["a"])})
