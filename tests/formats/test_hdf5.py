from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.formats.format import TEXT, Field
from deeptrain.formats.hdf5 import HDF5


@settings(deadline=None, max_examples=40)  # they write files
@given(
    samples=st.integers(1, 30),
    rows=st.integers(1, 40),
    chunk=st.sampled_from([None, 1, 4, 16]),
    compression=st.sampled_from([None, "gzip", "lzf"]),
    dtype=st.sampled_from(["uint8", ">i4", "float32", ">f8", "bool"]),
    seed=st.integers(0, 9),
)
def test_every_data_set_comes_back_whole_and_in_any_order(
    tmp_path_factory, samples, rows, chunk, compression, dtype, seed
):
    path = tmp_path_factory.mktemp("h5") / "a.h5"
    random = np.random.Generator(np.random.Philox(seed))
    values = random.integers(0, 2, (samples, 3, 2)).astype(dtype)
    chunks = None if chunk is None else (min(chunk, samples), 3, 2)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, chunks=chunks, compression=compression if chunks else None)
    (field,) = HDF5.fields(path)
    assert field == Field("x", np.dtype(dtype).newbyteorder("=").name, (3, 2))
    read = [part.arrays["x"] for part in HDF5.chunks(path, [field], rows)]
    assert max(map(len, read)) <= rows
    assert np.concatenate(read).tobytes() == values.astype(field.dtype).tobytes()
    chosen = random.integers(0, samples, 50)
    out = np.empty((50, 3, 2), "float32")
    HDF5.take(path, field, chosen, out)
    assert (out == values[chosen]).all()


def test_groups_words_and_several_data_sets_are_fields_and_scalars_are_not(tmp_path: Path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["train/x"] = np.ones((3, 2), np.float32)
        file["train/who"] = ["Ann", "Bob ", "Zoé"]
        file["kind"] = np.array([b"a", b"b", b"c"])
        file["version"] = 3
    assert HDF5.fields(path) == (
        Field("kind", TEXT),
        Field("train/who", TEXT),
        Field("train/x", "float32", (2,)),
    )
    (chunk,) = HDF5.chunks(path, HDF5.fields(path), 9)
    assert chunk.text == {"kind": ["a", "b", "c"], "train/who": ["Ann", "Bob", "Zoé"]}
    assert chunk.arrays["train/x"].tolist() == [[1, 1]] * 3


def make_external(file: h5py.File) -> None:
    file.create_dataset("x", (10,), "u1", external=[("/etc/hostname", 0, 10)])


def make_virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((10,), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (10,))
    file.create_virtual_dataset("x", layout)


def make_soft(file: h5py.File) -> None:
    file["a"] = np.zeros(3)
    file["x"] = h5py.SoftLink("/a")


def make_external_link(file: h5py.File) -> None:
    file["x"] = h5py.ExternalLink("other.h5", "/x")


def make_loop(file: h5py.File) -> None:
    group = file.create_group("g")
    group["again"] = group


def make_never_written(file: h5py.File) -> None:
    file.create_dataset("x", (10**12, 4), "f4")


def make_sparse(file: h5py.File) -> None:
    file.create_dataset("x", (100, 4), "f4", chunks=(10, 4))[:10] = 1


def make_plug_in(file: h5py.File) -> None:
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((4,))
    made.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
    kind = h5py.h5t.py_create(np.dtype("f4"))
    h5py.h5d.create(file.id, b"x", kind, h5py.h5s.create_simple((4,)), made)


def make_objects(file: h5py.File) -> None:
    file.create_dataset("x", (3,), h5py.vlen_dtype(np.int32))[0] = [1, 2]


def make_compound(file: h5py.File) -> None:
    file["x"] = np.zeros(3, [("a", "f4"), ("b", "i4")])


def make_huge_chunks(file: h5py.File) -> None:
    file.create_dataset("x", (4, 2**20, 2**9), "f4", chunks=(1, 2**20, 2**9))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, r"a\.h5: no samples: it holds no data sets"),
        (make_external, r"a\.h5: 'x': keeps its data in external files, which is refused; copy the data to here"),
        (make_virtual, r"a\.h5: 'x': is a virtual data set, whose data lie in other files"),
        (make_soft, r"a\.h5: 'x' is a soft link, which is not followed; copy the data themselves to here"),
        (make_external_link, r"a\.h5: 'x' is an external link, which is not followed"),
        (make_loop, r"a\.h5: the group 'g/again' lies in itself"),
        (make_never_written, r"a\.h5: 'x': is not whole: its shape \(1000000000000, 4\) was never written"),
        (make_sparse, r"a\.h5: 'x': is not whole: 1 of 10 chunks for its shape \(100, 4\) were ever written"),
        (make_plug_in, r"a\.h5: 'x': needs the filter 32015, a plug-in; store it with gzip, lzf or none"),
        (make_objects, r"a\.h5: 'x': .*(never written|Python objects)"),
        (make_compound, r"a\.h5: 'x': has several fields \(a structured dtype\)"),
        (make_huge_chunks, r"a\.h5: 'x': its chunks of shape \(1, 1048576, 512\) are too large"),
        (lambda file: file.create_dataset("x", (0, 4), "f4"), r"a\.h5: 'x': no samples: its shape is \(0, 4\)"),
        (lambda file: file.create_dataset("a\nb", data=[1]), r"a\.h5: the key 'a\\nb' has characters that cannot be"),
    ],
)
def test_what_leads_out_of_a_file_or_is_not_in_it_is_refused_by_name(tmp_path: Path, make, message):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        make(file)
    with pytest.raises(DataError, match=message) as error:
        HDF5.fields(path)
    assert "\n" not in str(error.value)


def test_every_cut_of_a_file_is_refused_or_all_there(tmp_path: Path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(600, dtype=np.float32).reshape(200, 3)
    whole = path.read_bytes()
    for cut in range(0, len(whole), 97):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"a\.h5: is damaged or no HDF5"):
            HDF5.fields(path)


def test_a_number_that_is_not_finite_is_named_with_key_and_row(tmp_path: Path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("3", data=[[1.0], [2.0], [np.nan]], chunks=(2, 1))
    with pytest.raises(DataError, match=r"a\.h5: '3': row 2: the value is nan"):
        list(HDF5.chunks(path, HDF5.fields(path), 2))
    with pytest.raises(DataError, match=r"a\.h5: '3': row 2: the value is nan"):
        HDF5.take(path, *HDF5.fields(path), np.array([0, 2]), np.empty((2, 1)))


def test_data_sets_of_different_lengths_are_not_read_together(tmp_path: Path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["a"], file["b"] = np.zeros(3), np.zeros(4)
    with pytest.raises(DataError, match=r"a\.h5: its data sets differ in length: 'a' 3, 'b' 4"):
        list(HDF5.chunks(path, HDF5.fields(path), 9))
