"""Missing values: refused by file and place, or let through as NaN where that was said; infinity never is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pyarrow import feather, parquet
from scipy.io import wavfile

from deeptrain.errors import DataError
from deeptrain.formats import discovery, numbers
from deeptrain.formats.data import RawData

VALUES = np.array([[1, 2.5], [np.nan, -3], [0.5, np.nan]], np.float32)


def delimited(delimiter: str, missing: str) -> Callable[[Path, np.ndarray], None]:
    def write(path: Path, x: np.ndarray) -> None:
        cells = [[missing if np.isnan(value) else f"{value:g}" for value in row] for row in x.tolist()]
        lines = [["a", "b", "label"], *([*row, "u"] for row in cells)]
        (path / f"1.{'csv' if delimiter == ',' else 'tsv'}").write_text("\n".join(map(delimiter.join, lines)) + "\n")

    return write


def columns(x: np.ndarray, kind: pa.DataType | None = None) -> pa.Table:
    cells = [[None if np.isnan(value) else value for value in column] for column in x.T.tolist()]
    return pa.table({"a": pa.array(cells[0], kind), "b": pa.array(cells[1], kind)})


def npz(path: Path, x: np.ndarray) -> None:
    np.savez(path / "1.npz", x=x)


def hdf5(chunks: bool | None) -> Callable[[Path, np.ndarray], None]:
    def write(path: Path, x: np.ndarray) -> None:
        with h5py.File(path / "1.h5", "w") as file:
            file.create_dataset("x", data=x, chunks=chunks)

    return write


def svmlight(path: Path, x: np.ndarray) -> None:
    lines = [" ".join(["0", *(f"{i}:{value}" for i, value in enumerate(row, 1))]) for row in x.tolist()]
    (path / "1.svmlight").write_text("\n".join(lines) + "\n")


def pictures(path: Path, x: np.ndarray) -> None:
    for row, values in enumerate(x):
        Image.fromarray(values[None]).save(path / f"{row}.tif")


def recordings(path: Path, x: np.ndarray) -> None:
    wavfile.write(path / "1.wav", 8000, x)


def lists(path: Path, x: np.ndarray) -> None:
    cells = [[None if np.isnan(value) else value for value in row] for row in x.tolist()]
    parquet.write_table(pa.table({"x": pa.array(cells, pa.list_(pa.float32(), 2))}), path / "1.parquet")


def sequences(path: Path, x: np.ndarray) -> None:
    cells = [[None if np.isnan(value) else value for value in row] for row in x.tolist()]
    feather.write_feather(pa.table({"x": pa.array(cells, pa.list_(pa.float32()))}), path / "1.arrow")


WRITERS: dict[str, tuple[Callable[[Path, np.ndarray], None], str]] = {
    "csv, empty cells": (delimited(",", ""), r"1\.csv: line 3, column 'a': the cell is empty; fill it or drop the row"),
    "csv, nan": (delimited(",", "NaN"), r"1\.csv: line 3, column 'a': the value is NaN; repair it or drop the row"),
    "tsv, empty cells": (delimited("\t", ""), r"1\.tsv: line 3, column 'a': the cell is empty"),
    "parquet": (lambda path, x: parquet.write_table(columns(x), path / "1.parquet"), r"row 1, column 'a': .* missing;"),
    "arrow": (lambda path, x: feather.write_feather(columns(x), path / "1.arrow"), r"row 1, column 'a': .* missing;"),
    "arrow, uncompressed": (
        lambda path, x: feather.write_feather(columns(x), path / "1.arrow", compression="uncompressed"),
        r"1\.arrow: row 1, column 'a': the value is missing; fill it or drop the row",
    ),
    "lists": (lists, r"1\.parquet: row 1, column 'x': the value is missing; fill it or drop the row"),
    "sequences": (sequences, r"1\.arrow: row 1, column 'x': the value is missing; fill it or drop the row"),
    "npy": (lambda path, x: np.save(path / "1.npy", x), r"1\.npy: row 1: the value is nan; repair it or drop the"),
    "npz": (npz, r"1\.npz: 'x': row 1: the value is nan; repair it or drop the sample"),
    "HDF5": (hdf5(None), r"1\.h5: 'x': row 1: the value is nan; repair it or drop the sample"),
    "HDF5 in chunks": (hdf5(True), r"1\.h5: 'x': row 1: the value is nan; repair it or drop the sample"),
    "svmlight": (svmlight, r"1\.svmlight: line 2: the value is nan; repair it or drop the sample"),
    "pictures": (pictures, r"1\.tif: the value is nan; repair it or drop the sample"),
    "recordings": (recordings, r"1\.wav: step 1: the value is nan; repair it or drop the sample"),
}


def everything(data: RawData, dtype: Any = None) -> np.ndarray:
    read = [chunk.inputs[field.name] for chunk in data.chunks(2, dtype) for field in data.inputs]
    return np.concatenate(read).reshape(-1, 2)


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_missing_is_refused_by_its_place_or_nan_where_that_is_said(tmp_path: Path, name: str):
    write, message = WRITERS[name]
    write(tmp_path, VALUES)
    with pytest.raises(DataError, match=message) as error:
        everything(discovery.open(tmp_path), "float32")
    assert "\n" not in str(error.value)
    data = discovery.open(tmp_path, allow_missing=True).counted()
    np.testing.assert_array_equal(everything(data, "float32"), VALUES)
    if data.random_access:
        (field,) = data.inputs
        out = {field.name: np.empty((2, *field.step), np.float32)}
        data.take(np.array([0, 2]), out)
        np.testing.assert_array_equal(out[field.name].reshape(2, 2), VALUES[[0, 2]])


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in {"csv, nan", "tsv, empty cells"}])
def test_infinity_is_refused_also_where_values_may_be_missing(tmp_path: Path, name: str):
    write, _ = WRITERS[name]
    x = VALUES.copy()
    x[2, 1] = np.inf
    write(tmp_path, x)
    with pytest.raises(DataError, match="the value is inf; repair it or drop"):
        everything(discovery.open(tmp_path, allow_missing=True), "float32")


@pytest.mark.parametrize("name", WRITERS)
def test_a_dtype_without_missing_values_says_so(tmp_path: Path, name: str):
    write, _ = WRITERS[name]
    x = VALUES.copy()
    x[0, 1] = 2
    write(tmp_path, x)
    with pytest.raises(DataError, match=r"which dtype int16 does not hold; take a float dtype"):
        everything(discovery.open(tmp_path, allow_missing=True), "int16")


def test_whole_numbers_and_booleans_with_nulls_become_floats_with_nan(tmp_path: Path):
    table = pa.table({"a": pa.array([1, None, 3], pa.int64()), "b": pa.array([True, None, False])})
    parquet.write_table(table, tmp_path / "1.parquet")
    found = everything(discovery.open(tmp_path, allow_missing=True), "float64")
    np.testing.assert_array_equal(found, [[1, 1], [np.nan, np.nan], [3, 0]])


def test_a_missing_list_is_never_taken_for_missing_numbers(tmp_path: Path):
    for kind in (pa.list_(pa.float32(), 2), pa.list_(pa.float32()), pa.list_(pa.list_(pa.float32(), 1), 2)):
        row = [[1.0], [2.0]] if kind.value_type != pa.float32() else [1.0, 2.0]
        parquet.write_table(pa.table({"x": pa.array([row, None], kind)}), tmp_path / "1.parquet")
        with pytest.raises(DataError, match=r"1\.parquet: row 1, column 'x': the value is missing; fill it or drop"):
            everything(discovery.open(tmp_path, allow_missing=True), "float32")
    nested = pa.array([[[1.0], None], [[2.0], [3.0]]], pa.list_(pa.list_(pa.float32(), 1), 2))
    parquet.write_table(pa.table({"x": nested}), tmp_path / "1.parquet")
    with pytest.raises(DataError, match=r"1\.parquet: row 0, column 'x': the value is missing; fill it or drop"):
        everything(discovery.open(tmp_path, allow_missing=True), "float32")


def test_a_cell_of_spaces_is_told_to_be_left_empty(tmp_path: Path):
    (tmp_path / "1.csv").write_text("a,b\n1,2\n3,  \n")
    with pytest.raises(DataError, match=r"1\.csv: line 3, column 'b': the cell holds nothing but spaces; leave it"):
        everything(discovery.open(tmp_path, allow_missing=True), "float32")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", r"1\.csv: line 3, column 'label': the cell is empty; fill it or drop the row"),
        ("nan", r"1\.csv: line 3, column 'label': the value is nan; repair it or drop the row"),
    ],
)
@pytest.mark.parametrize("asked", [{}, {"label_column": "a", "group": "label"}])
def test_labels_and_groups_are_never_missing(tmp_path: Path, cell: str, message: str, asked: dict[str, Any]):
    (tmp_path / "1.csv").write_text(f"a,b,label\n1,,0\n3,4,{cell}\n")
    data = discovery.open(tmp_path, allow_missing=True, **asked)
    with pytest.raises(DataError, match=message):
        list(data.chunks(2))


def test_labels_in_arrays_are_never_missing(tmp_path: Path):
    np.savez(tmp_path / "1.npz", x=VALUES, y=[0, np.nan, 1])
    with pytest.raises(DataError, match=r"1\.npz: 'y': row 1: the value is nan"):
        list(discovery.open(tmp_path, allow_missing=True).chunks(3))
    with pytest.raises(DataError, match=r"1\.npz: 'y': row 1: the value is nan"):
        discovery.open(tmp_path, allow_missing=True).label_cells()


@given(
    arrays.arrays("float64", (5, 2), elements=st.floats(width=64)), st.sampled_from(["float16", "float32", "float64"])
)
def test_a_cast_that_allows_it_keeps_every_nan_and_refuses_every_infinity(values: np.ndarray, dtype: str):
    with np.errstate(over="ignore"):
        wanted = values.astype(dtype)
    wrong = np.flatnonzero(np.isinf(wanted).any(axis=1))
    if wrong.size:
        with pytest.raises(DataError, match=f"^row {wrong[0]}: "):
            numbers.cast(values, dtype, lambda row: f"row {row}", missing=True)
        return
    np.testing.assert_array_equal(numbers.cast(values, dtype, lambda row: f"row {row}", missing=True), wanted)
