import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from deeptrain.errors import DataError
from deeptrain.formats.format import Field
from deeptrain.formats.npy import NPY
from deeptrain.formats.npy import header as header_of
from deeptrain.formats.npz import NPZ

DTYPES = [
    "bool",
    "int8",
    "uint8",
    "<i2",
    ">i2",
    "uint16",
    "<i4",
    ">u4",
    "int64",
    "uint64",
    "float16",
    "<f4",
    ">f4",
    "f8",
]
ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays.arrays(
        dtype,
        arrays.array_shapes(min_dims=1, max_dims=3, max_side=5),
        elements=arrays.from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False),
    )
)


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("marker"),)


def header(shape: str, descr: str = "'<f4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def saved(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


@settings(deadline=None)  # they write files
@given(array=ARRAYS, rows=st.integers(1, 7), fortran=st.booleans(), zipped=st.sampled_from(["", "stored", "deflated"]))
def test_every_array_comes_back_in_native_bytes_whatever_the_chunks(tmp_path_factory, array, rows, fortran, zipped):
    path = tmp_path_factory.mktemp("npy") / "a"
    laid_out = np.asfortranarray(array) if fortran and not zipped else array
    if zipped:
        with path.open("wb") as file:
            (np.savez if zipped == "stored" else np.savez_compressed)(file, x=laid_out)
    else:
        path.write_bytes(saved(laid_out))
    format = NPZ if zipped else NPY
    (field,) = format.fields(path)
    assert field == Field("x", array.dtype.newbyteorder("=").name, array.shape[1:])
    assert format.samples(path, "x") == len(array)
    chunks = list(format.chunks(path, [field], rows))
    assert [chunk.first for chunk in chunks] == list(range(0, len(array), rows))
    joined = np.concatenate([chunk.arrays["x"] for chunk in chunks])
    assert joined.dtype == np.dtype(field.dtype)
    assert joined.tobytes() == np.ascontiguousarray(array).astype(field.dtype).tobytes()
    assert all(chunk.arrays["x"].flags.c_contiguous for chunk in chunks)
    assert format.random_access(path) == (zipped != "deflated")
    if format.random_access(path):
        everything = np.arange(len(array))
        for chosen in (
            everything,
            everything[::-1].repeat(2),
            np.delete(everything, rows % len(array)),
            everything[:0],
        ):
            out = np.empty((len(chosen), *array.shape[1:]), field.dtype)
            format.take(path, field, chosen, out)
            assert out.tobytes() == np.ascontiguousarray(array[chosen]).astype(field.dtype).tobytes()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (header("(1000000000000,)"), r"a\.npy: is cut off: its header says 4,000,000,000,000 bytes of data .* are 0"),
        (header("(1000000000000000, 1000000000000000)"), r"one sample of shape \(1000000000000000,\) would take"),
        (saved(np.zeros((9, 2))) + bytes(800), r"a\.npy: has 800 bytes after the 144 of its array of shape \(9, 2\)"),
        (
            saved(np.zeros((9, 2)))[:-1],
            r"a\.npy: is cut off: .* 144 bytes of data for the shape \(9, 2\), there are 143",
        ),
        (saved(np.zeros((9, 2)))[:100], r"a\.npy: is no readable \.npy: .*; was it cut off or is it something else\?"),
        (b"", r"a\.npy: is no readable \.npy"),
        (b"PK\x03\x04", r"a\.npy: is no readable \.npy"),
        (header("(-3, 2)"), r"a\.npy: the header claims the shape \(-3, 2\); is it damaged\?"),
        (header("()") + bytes(4), r"a\.npy: holds a single value, no samples"),
        (header("(0, 5)"), r"a\.npy: no samples: its shape is \(0, 5\)"),
        (header("(3, 0)"), r"a\.npy: no samples: its shape is \(3, 0\)"),
        (header("(3,)", "'<c8'") + bytes(24), r"a\.npy: has dtype complex64; known are whole numbers"),
        (header("(3,)", "'<M8[s]'") + bytes(24), r"a\.npy: has dtype datetime64\[s\]; known are"),
        (
            header("(3,)", "[('a', '<f4'), ('b', '<i2')]") + bytes(18),
            r"a\.npy: has several fields \(a structured dtype\)",
        ),
        (header("(2, 3)", "'<U4'") + bytes(96), r"a\.npy: holds words in samples of shape \(3,\)"),
        (header("__import__('os')"), r"a\.npy: is no readable \.npy"),
        (b"\x93NUMPY\x09\x00" + bytes(100), r"a\.npy: is .*npy"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line_before_anything_is_allocated(tmp_path: Path, data, message):
    path = tmp_path / "a.npy"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message) as error:
        NPY.fields(path)
    assert "\n" not in str(error.value)


def test_python_objects_are_refused_and_their_code_does_not_run(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = np.array([Evil()], dtype=object)
    np.save("a.npy", evil, allow_pickle=True)
    np.savez("a.npz", x=evil)
    for format, name in ((NPY, "a.npy"), (NPZ, "a.npz")):
        with pytest.raises(DataError, match="holds Python objects, which only unpickling reads"):
            format.fields(Path(name))
    assert not Path("marker").exists()


@pytest.mark.parametrize(
    ("values", "dtype", "message"),
    [
        ([1, np.nan, 3], "float64", r"row 1: the value is nan; repair it or drop the sample"),
        ([1, 2, -np.inf], "float32", r"row 2: the value is -inf"),
        ([1, 2, 1e39], "float32", r"row 2: 1e\+39 is beyond what dtype float32 holds"),
        ([1, 2.5], "uint8", r"row 1: 2\.5 is no whole number, which dtype uint8 needs"),
        ([1, 256], "uint8", r"row 1: 256 is beyond dtype uint8 \(0 to 255\)"),
        ([0, -1], "uint64", r"row 1: -1 is beyond dtype uint64"),
        ([0, 2.0**63], "int64", r"row 1: .* is beyond dtype int64"),
        ([0, 1, 2], "bool", r"row 2: 2 is neither 0 nor 1"),
    ],
)
def test_a_number_that_is_not_finite_or_does_not_fit_is_named_with_its_row(tmp_path: Path, values, dtype, message):
    path = tmp_path / "a.npy"
    np.save(path, np.array(values)[:, None])
    with pytest.raises(DataError, match=rf"a\.npy: {message}"):
        list(NPY.chunks(path, [Field("x", dtype, (1,))], 2))
    with pytest.raises(DataError, match=rf"a\.npy: {message}"):
        NPY.take(path, Field("x", "float64", (1,)), np.arange(len(values)), np.empty((len(values), 1), dtype))


def test_huge_numbers_whose_sum_overflows_are_fine(tmp_path: Path):
    values = np.full((100, 3), 3e38, np.float32)
    np.save(tmp_path / "a.npy", values)
    (chunk,) = NPY.chunks(tmp_path / "a.npy", [Field("x", "float32", (3,))], 100)
    assert (chunk.arrays["x"] == values).all()


@pytest.mark.parametrize("words", [["cat", " dog "], [b"cat", b"dog"]])
def test_words_come_stripped(tmp_path: Path, words):
    np.save(tmp_path / "a.npy", np.array(words))
    (field,) = NPY.fields(tmp_path / "a.npy")
    (chunk,) = NPY.chunks(tmp_path / "a.npy", [field], 9)
    assert chunk.text == {"x": ["cat", "dog"]}


@pytest.mark.parametrize(
    ("words", "message"), [(["a", ""], "row 1: the word is missing"), ([b"\xff"], r"row 0: b'\\xff' is not UTF-8")]
)
def test_words_that_are_missing_or_no_text_are_refused(tmp_path: Path, words, message):
    np.save(tmp_path / "a.npy", np.array(words))
    with pytest.raises(DataError, match=message):
        list(NPY.chunks(tmp_path / "a.npy", NPY.fields(tmp_path / "a.npy"), 9))


def test_a_file_that_shrinks_after_it_was_opened_is_named(tmp_path: Path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((100_000, 10)))
    chunks = NPY.chunks(path, NPY.fields(path), 1000)
    next(chunks)
    path.write_bytes(path.read_bytes()[: 1 << 20])
    with pytest.raises(DataError, match=r"a\.npy: ends within its array; was it cut off since it was opened\?"):
        list(chunks)


@pytest.mark.parametrize("rows", [[99_999], list(range(99_000, 100_000)), list(range(100_000))])
def test_a_file_that_shrinks_before_rows_are_taken_is_named(tmp_path: Path, rows):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((100_000, 10)))
    with path.open("rb") as file:
        region = header_of(file, path, str(path))
    os.truncate(path, 7 << 20)
    with pytest.raises(DataError, match=r"a\.npy: ends within its array; was it cut off since it was opened\?"):
        region.take(np.array(rows), np.empty((len(rows), 10)))


def test_every_flipped_byte_of_an_npz_is_found_or_changes_nothing(tmp_path: Path):
    path = tmp_path / "a.npz"
    values = np.arange(60, dtype=np.float32).reshape(20, 3)
    np.savez(path, x=values)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        try:
            fields = NPZ.fields(path)
            read = [chunk.arrays["x"] for chunk in NPZ.chunks(path, [Field("x", "float32", (3,))], 7)]
        except DataError:
            continue
        assert [field.name for field in fields] == ["x"]
        assert np.concatenate(read).tobytes() == values.tobytes()


def test_an_npz_with_an_array_twice_or_something_else_in_it_is_refused(tmp_path: Path):
    import warnings
    import zipfile

    path = tmp_path / "a.npz"
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")  # zipfile warns of what is made here on purpose
        archive.writestr("x.npy", saved(np.zeros(3)))
        archive.writestr("x.npy", saved(np.ones(3)))
    with pytest.raises(DataError, match=r"a\.npz: holds the array 'x' twice"):
        NPZ.fields(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../evil.sh", b"rm")
    with pytest.raises(DataError, match=r"a\.npz: holds '\.\./evil\.sh', which is no array of an npz"):
        NPZ.fields(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", saved(np.zeros(3)) + b"more")
    with pytest.raises(DataError, match=r"a\.npz: 'x': has 4 bytes after the 24 of its array"):
        NPZ.fields(path)
