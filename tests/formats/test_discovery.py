"""From a path alone to sets, inputs and samples."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv, parquet

from deeptrain.errors import DataError
from deeptrain.formats import discovery
from deeptrain.formats.format import Field
from tests.raw_files import everything, h5, npy, text, two


@settings(deadline=None, max_examples=50)  # they write files
@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    layout=st.sampled_from(["npy", "keys", "npz", "h5 files", "csv", "parquet", "loader"]),
    rows=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_the_same_samples_labels_and_origins_come_out_of_every_layout(tmp_path_factory, sizes, layout, rows, seed):
    path = tmp_path_factory.mktemp("raw") / "data"
    path.mkdir()
    random = np.random.Generator(np.random.Philox(seed))
    numbers = np.sort(random.choice(40, len(sizes), replace=False)).tolist()
    parts = [random.random((size, 3)) for size in sizes]
    labels = [random.integers(0, 3, size) for size in sizes]
    for number, part, label in zip(numbers, parts, labels, strict=True):
        if layout in {"npy", "loader"}:
            np.save(path / f"7_{number:03}.npy", part)
        elif layout == "h5 files":
            h5(path / f"7_{number:03}.h5", x=part, y=label)
        elif layout in {"csv", "parquet"}:
            table = pa.table({"a": part[:, 0], "b": part[:, 1], "c": part[:, 2], "label": label})
            write = csv.write_csv if layout == "csv" else parquet.write_table
            write(table, path / f"7_{number:03}.{layout}")
    by_number = {str(number): part for number, part in zip(numbers, parts, strict=True)}
    if layout == "keys":
        h5(path / "data.h5", **by_number)
    elif layout == "npz":
        np.savez(path / "data.npz", **by_number)
    if layout in {"npy", "keys", "npz", "loader"}:
        h5(path / "labels.h5", **{str(number): label for number, label in zip(numbers, labels, strict=True)})
    data = discovery.open(
        path,
        loader=(lambda file: np.load(file)) if layout == "loader" else None,
        set_number=None if len(sizes) > 1 or layout in {"keys", "npz"} else 2,
    )
    assert [found.number for found in data.sets] == numbers
    assert data.inputs == (Field("x", "float64", (3,)),)
    cells = data.label_cells()
    assert [int(cell) for cell in cells] == np.concatenate(labels).tolist()
    chunks = list(data.chunks(rows))
    assert np.concatenate([chunk.inputs["x"] for chunk in chunks]).tolist() == np.concatenate(parts).tolist()
    assert [int(cell) for chunk in chunks for cell in chunk.labels] == np.concatenate(labels).tolist()
    origin = np.concatenate([chunk.origin for chunk in chunks])
    one_file = layout in {"keys", "npz"}
    expected = [(s, 0 if one_file else s, r) for s, size in enumerate(sizes) for r in range(size)]
    if one_file:
        expected = [(s, f, row) for row, (s, f, _) in enumerate(expected)]
    assert list(map(tuple, origin.tolist())) == expected
    assert data.counted().samples == sum(sizes)
    if data.random_access:
        chosen = random.integers(0, sum(sizes), 20)
        out = np.empty((20, 3), np.float32)
        data.take(chosen, {"x": out})
        assert out.tolist() == np.concatenate(parts)[chosen].astype(np.float32).tolist()


def test_finding_files_of_every_format_loads_no_library(tmp_path: Path):
    npy(tmp_path / "raw" / "1.npy")
    h5(tmp_path / "raw" / "labels.h5", x=[1])
    code = (
        "import sys; from pathlib import Path; from deeptrain.formats import discovery; import deeptrain.loading;"
        "import deeptrain.shards.settings, deeptrain.shards.sources;"
        f"found = discovery.find(Path({str(tmp_path / 'raw')!r}));"
        "print(*[f.name for f in found.files + found.labels]);"
        "print(sorted({'numpy', 'pyarrow', 'h5py', 'PIL', 'scipy', 'sklearn', 'xxhash'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["1.npy labels.h5", "[]"]


def test_keys_that_are_words_are_inputs_and_labels_and_the_group(tmp_path: Path):
    np.savez(
        tmp_path / "a.npz",
        image=np.zeros((3, 2, 2), np.uint8),
        age=np.ones((3, 1)),
        labels=np.arange(3),
        person=np.array(["p", "q", "p"]),
        junk=np.zeros(9),
    )
    data = discovery.open(tmp_path / "a.npz", group="person", ignored=["junk"])
    assert data.inputs == (Field("image", "uint8", (2, 2)), Field("age", "float64", (1,)))
    assert data.label_cells().tolist() == [0, 1, 2]
    assert data.group_cells() == ["p", "q", "p"]
    (chunk,) = data.chunks(9)
    assert (chunk.groups, chunk.labels.tolist(), sorted(chunk.inputs)) == (["p", "q", "p"], [0, 1, 2], ["age", "image"])
    only = discovery.open(tmp_path / "a.npz", inputs=["image"])
    assert (only.inputs, only.labels.column) == ((Field("x", "uint8", (2, 2)),), "labels")


def test_rows_of_an_only_array_are_samples_unless_they_are_said_to_be_sets(tmp_path: Path):
    values = np.arange(24.0).reshape(4, 3, 2)
    np.save(tmp_path / "a.npy", values)
    data = discovery.open(tmp_path / "a.npy")
    assert (data.samples, len(data.sets), data.inputs[0].shape) == (4, 1, (3, 2))
    sets = discovery.open(tmp_path / "a.npy", rows="sets")
    assert (sets.samples, [found.number for found in sets.sets], sets.inputs[0].shape) == (12, [0, 1, 2, 3], (2,))
    chunks = list(sets.chunks(7))
    assert np.concatenate([chunk.inputs["x"] for chunk in chunks]).tolist() == values.reshape(12, 2).tolist()
    assert chunks[-1].origin[-1].tolist() == [3, 0, 11]
    np.save(tmp_path / "a_labels.npy", np.arange(12).reshape(4, 3))
    assert discovery.open(tmp_path / "a.npy", rows="sets").label_cells().tolist() == list(range(12))
    assert (
        discovery.open(tmp_path / "a.npy", rows="samples").label_cells().tolist()
        == np.arange(12).reshape(4, 3).tolist()
    )
    with pytest.raises(DataError, match=r"both the data and a_labels\.npy begin with the axes 4 x 3: are they sets of"):
        discovery.open(tmp_path / "a.npy")


def test_labels_under_another_key_do_not_go_with_rows_that_are_sets(tmp_path: Path):
    np.savez(tmp_path / "a.npz", data=np.zeros((4, 3, 2)), labels=np.zeros((4, 3)))
    with pytest.raises(
        DataError, match=r"a\.npz: rows are sets, so 'labels' cannot be read along with them; put labels"
    ):
        discovery.open(tmp_path / "a.npz", rows="sets")


def test_columns_of_a_table_can_be_sets(tmp_path: Path):
    text(tmp_path / "a.csv", "s3,s1\n1,2\n3,4\n")
    data = discovery.open(tmp_path / "a.csv", keys="sets").counted()
    assert [(found.number, found.samples) for found in data.sets] == [(1, 2), (3, 2)]
    assert everything(data).tolist() == [2, 4, 1, 3]


def test_a_number_that_does_not_fit_is_named_with_its_file_and_place(tmp_path: Path):
    h5(tmp_path / "a.h5", **{"0": np.ones((2, 2)), "1": np.array([[1, 2], [3, np.nan]])})
    with pytest.raises(DataError, match=r"a\.h5: '1': row 1: the value is nan"):
        everything(discovery.open(tmp_path / "a.h5"))
    assert discovery.open(tmp_path / "a.h5").place(0, 3) == f"{tmp_path / 'a.h5'}: '1': row 1"


def test_a_file_that_has_changed_since_it_was_opened_is_named(tmp_path: Path):
    two(tmp_path)
    data = discovery.open(tmp_path)
    npy(tmp_path / "2.npy", 5)
    with pytest.raises(
        DataError, match=r"2\.npy: has 5 samples where it had 4 when it was opened; did the file change"
    ):
        everything(data)
    npy(tmp_path / "2.npy", 4, (3,))
    with pytest.raises(DataError, match=r"2\.npy: has samples of shape \(3,\) where the others have \(2,\); did the"):
        everything(data)
