import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import csv, parquet

from deeptrain.errors import DataError
from deeptrain.formats import discovery
from deeptrain.formats.format import Field

Make = Callable[[Path], None]


def npy(path: Path, samples: int = 4, shape: tuple[int, ...] = (2,), first: float = 0, dtype: str = "float32") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, (first + np.arange(samples * int(np.prod(shape)))).reshape(samples, *shape).astype(dtype))


def h5(path: Path, **arrays: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file[key] = array


def png(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (3, 2), value).save(path)


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def everything(data) -> np.ndarray:
    return np.concatenate([chunk.inputs["x"] for chunk in data.chunks(3)])


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


def labels_inside(path: Path) -> None:
    np.save(path / "data" / "labels.npy", np.arange(8))


def labels_beside(path: Path) -> None:
    np.save(path / "labels.npy", np.arange(8))


def labels_sibling_folder(path: Path) -> None:
    for number in (1, 2):
        npy(path / "labels" / f"{number}.npy", 4, (), (number - 1) * 4, "int64")


def labels_folder_inside(path: Path) -> None:
    for number in (1, 2):
        npy(path / "data" / "labels" / f"labels_{number:02}.npy", 4, (), (number - 1) * 4, "int64")


def labels_sibling_folder_of_splits(path: Path) -> None:
    for number in (1, 2):
        npy(path / "labels" / "data" / f"{number}.npy", 4, (), (number - 1) * 4, "int64")
        npy(path / "labels" / "other" / f"{number}.npy", 4, (), 77, "int64")


def labels_as_rows_of_sets(path: Path) -> None:
    np.save(path / "data" / "labels.npy", np.arange(8).reshape(2, 4))


def labels_as_csv_in_order(path: Path) -> None:
    text(path / "data" / "labels.csv", "label\n" + "\n".join(map(str, range(8))))


def labels_as_csv_without_header(path: Path) -> None:
    text(path / "data" / "labels.csv", "\n".join(map(str, range(8))))


def labels_as_csv_columns(path: Path) -> None:
    text(path / "data" / "labels.csv", "1,2\n0,4\n1,5\n2,6\n3,7\n")


def labels_with_more_columns(path: Path) -> None:
    text(path / "data" / "targets.csv", "id,label\n" + "\n".join(f"{i + 90},{i}" for i in range(8)))


def labels_as_keys(path: Path) -> None:
    np.savez(path / "data" / "y.npz", **{"2": np.arange(4, 8), "1": np.arange(4), "30": np.arange(4)})


@pytest.mark.parametrize(
    "make",
    [
        labels_inside,
        labels_beside,
        labels_sibling_folder,
        labels_folder_inside,
        labels_sibling_folder_of_splits,
        labels_as_rows_of_sets,
        labels_as_csv_in_order,
        labels_as_csv_without_header,
        labels_as_csv_columns,
        labels_with_more_columns,
        labels_as_keys,
    ],
)
def test_labels_are_found_wherever_they_usually_are(tmp_path: Path, make: Make):
    for number in (1, 2):
        npy(tmp_path / "data" / f"{number}.npy")
    make(tmp_path)
    data = discovery.open(tmp_path / "data")
    assert [int(cell) for cell in data.label_cells()] == list(range(8))
    assert discovery.open(tmp_path / "data", labels="none").label_cells() is None
    assert discovery.open(tmp_path / "data", labels="input").labels.kind == "input"


def test_labels_of_a_file_are_found_beside_it(tmp_path: Path):
    for data, labels in (("x.npy", "y.npy"), ("X_train.npy", "y_train.npy"), ("a.npy", "a_labels.npy")):
        npy(tmp_path / data)
        np.save(tmp_path / labels, np.arange(4))
        assert discovery.open(tmp_path / data).label_cells().tolist() == [0, 1, 2, 3]
        (tmp_path / data).unlink()
        (tmp_path / labels).unlink()


def test_pictures_have_their_folder_or_a_table_of_file_names_as_labels(tmp_path: Path):
    for folder, name, value in (("cat", "1", 1), ("cat", "10", 3), ("cat", "2", 2), ("dog", "1", 4)):
        png(tmp_path / "folders" / folder / f"{name}.png", value)
    data = discovery.open(tmp_path / "folders")
    assert (data.samples, data.classes, data.label_cells()) == (4, ("cat", "dog"), ["cat", "cat", "cat", "dog"])
    assert data.names == ("cat/1.png", "cat/2.png", "cat/10.png", "dog/1.png")
    assert everything(data)[:, 0, 0, 0].tolist() == [1, 2, 3, 4]
    assert data.where(3) == str(tmp_path / "folders" / "dog" / "1.png")
    out = np.empty((3, 2, 3, 1), np.uint8)
    data.take(np.array([3, 0, 3]), {"x": out})
    assert out[:, 0, 0, 0].tolist() == [4, 1, 4]
    for name in ("a.png", "b.png"):
        png(tmp_path / "flat" / name)
    text(tmp_path / "flat" / "labels.csv", "filename,label\nb.png,dog\na.png,cat\nz.png,cow\n")
    assert discovery.open(tmp_path / "flat").label_cells() == ["cat", "dog"]
    text(tmp_path / "flat" / "labels.csv", "image,label\nb,dog\na,cat\n")
    assert discovery.open(tmp_path / "flat").label_cells() == ["cat", "dog"]
    text(tmp_path / "flat" / "labels.csv", "label\ncat\ndog\n")
    assert discovery.open(tmp_path / "flat").label_cells() == ["cat", "dog"]


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


def two(path: Path) -> None:
    npy(path / "1.npy")
    npy(path / "2.npy")


def make_other_shape(path: Path) -> None:
    two(path)
    npy(path / "3.npy", 4, (3,))


def make_other_dtype(path: Path) -> None:
    two(path)
    npy(path / "3.npy", dtype="float64")


def make_doubled(path: Path) -> None:
    two(path)
    npy(path / "02.npy")


def make_doubled_keys(path: Path) -> None:
    h5(path / "a.h5", **{"1": np.zeros(3), "01": np.zeros(3)})


def make_keys_of_other_shape(path: Path) -> None:
    h5(path / "a.h5", **{"1": np.zeros((3, 2)), "2": np.zeros((3, 4))})


def make_keys_of_both_kinds(path: Path) -> None:
    h5(path / "a.h5", **{"1": np.zeros(3), "mean": np.zeros(3)})


def make_alike_keys(path: Path) -> None:
    h5(path / "a.h5", x1=np.zeros(3), x2=np.zeros(3))


def make_keys_of_other_length(path: Path) -> None:
    h5(path / "a.h5", a=np.zeros((3, 2)), b=np.zeros((4, 3)))


def make_missing_labels(path: Path) -> None:
    two(path)
    npy(path / "5.npy")
    npy(path / "6.npy")
    h5(path / "labels.h5", **{"1": np.zeros(4), "9": np.zeros(4)})


def make_too_few_labels_of_a_set(path: Path) -> None:
    two(path)
    h5(path / "labels.h5", **{"1": np.zeros(4), "2": np.zeros(3)})


def make_too_few_labels(path: Path) -> None:
    two(path)
    np.save(path / "labels.npy", np.zeros(7))


def make_labels_twice(path: Path) -> None:
    two(path)
    np.save(path / "labels.npy", np.zeros(8))
    text(path / "y.csv", "y\n" + "1\n" * 8)


def make_labels_in_file_and_folder(path: Path) -> None:
    for folder in ("a", "b"):
        png(path / folder / "1.png")
    text(path / "labels.csv", "file,label\na/1.png,3\nb/1.png,4\n")


def make_labels_in_file_and_column(path: Path) -> None:
    text(path / "1.csv", "a,label\n1,2\n")
    text(path / "labels.csv", "b\n1\n")


def make_two_label_columns(path: Path) -> None:
    text(path / "1.csv", "a,label,target\n1,2,3\n")


def make_two_columns_of_words(path: Path) -> None:
    text(path / "1.csv", "a,who,where\n1,Ann,home\n")


def make_unnumbered_with_numbered_labels(path: Path) -> None:
    npy(path / "a.npy")
    npy(path / "b.npy")
    h5(path / "labels.h5", **{"1": np.zeros(4), "2": np.zeros(4)})


def make_splits(path: Path) -> None:
    png(path / "train" / "1.png")
    png(path / "val" / "1.png")


def make_folders_of_arrays(path: Path) -> None:
    npy(path / "a" / "1.npy")
    npy(path / "b" / "1.npy")


def make_deep(path: Path) -> None:
    png(path / "a" / "b" / "1.png")
    png(path / "c" / "1.png")


def make_empty_class(path: Path) -> None:
    png(path / "a" / "1.png")
    (path / "b").mkdir()


def make_one_class(path: Path) -> None:
    png(path / "a" / "1.png")


def make_files_and_folders(path: Path) -> None:
    png(path / "1.png")
    png(path / "a" / "1.png")


def make_class_link(path: Path) -> None:
    png(path.parent / "elsewhere" / "1.png")
    png(path / "a" / "1.png")
    (path / "b").symlink_to(path.parent / "elsewhere")


def make_labels_link(path: Path) -> None:
    np.save(path / "a.npy", np.zeros((2, 3)))
    text(path.parent / "elsewhere" / "secret.csv", "label\n1\n2\n")
    (path / "labels.csv").symlink_to(path.parent / "elsewhere" / "secret.csv")


def make_labels_folder_link(path: Path) -> None:
    np.save(path / "a.npy", np.zeros((2, 3)))
    text(path.parent / "elsewhere" / "a.csv", "label\n1\n2\n")
    (path / "labels").symlink_to(path.parent / "elsewhere")


def make_backslash(path: Path) -> None:
    np.save(path / "a\\b.npy", np.zeros((2, 3)))


def make_empty_file(path: Path) -> None:
    np.save(path / "a.npy", np.zeros((0, 3)))


def make_picture_without_label(path: Path) -> None:
    png(path / "a.png")
    png(path / "b.png")
    text(path / "labels.csv", "file,label\na.png,1\n")


def make_picture_with_two_labels(path: Path) -> None:
    png(path / "a.png")
    png(path / "b.png")
    text(path / "labels.csv", "file,label\na.png,1\na.png,2\nb.png,2\n")


def make_dates(path: Path) -> None:
    parquet.write_table(pa.table({"a": [1.0], "when": pa.array([0], pa.timestamp("s"))}), path / "a.parquet")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.rmdir(), r"raw: does not exist; give the path of a file or of a directory"),
        (lambda _: None, r"raw: no raw files here; put files there of a known format \(npy, npz, hdf5, csv, tsv, "),
        (make_empty_file, r"a\.npy: no samples: its shape is \(0, 3\)"),
        (
            make_other_shape,
            r"3\.npy: 'x' is float32 of shape 3 where it is float32 of shape 2 in 1\.npy; all raw files",
        ),
        (make_other_dtype, r"3\.npy: 'x' is float64 of shape 2 where it is float32 of shape 2 in 1\.npy"),
        (make_doubled, r"raw: set number 2 is doubled: '02' and '2'; rename one"),
        (make_doubled_keys, r"a\.h5: set number 1 is doubled: keys '01' and '1'"),
        (make_keys_of_other_shape, r"raw: set '2' is float64 of shape 4 where set '1' is float64 of shape 2"),
        (
            make_keys_of_both_kinds,
            r"a\.h5: has keys that are numbers \(1\) and words \(mean\): are they sets or inputs",
        ),
        (make_alike_keys, r"a\.h5: the keys x1, x2 are alike but for a number: are they sets or inputs\? Say keys"),
        (make_keys_of_other_length, r"a\.h5: its keys differ in length: 'a' 3, 'b' 4"),
        (make_missing_labels, r"labels\.h5: has no labels for sets 2, 5-6; add them, or take the data of these sets"),
        (make_too_few_labels_of_a_set, r"labels\.h5: has 3 labels under '2' for the 4 samples of set 2 \(2\.npy\)"),
        (make_too_few_labels, r"labels\.npy: has 7 labels for the 8 samples of .*raw; give one a sample"),
        (make_labels_twice, r"raw: labels may be in 'labels\.npy' or 'y\.csv'; say which with labels, or labels = 'no"),
        (make_labels_in_file_and_folder, r"raw: labels may be the file labels\.csv or the folders a, b; say which"),
        (make_labels_in_file_and_column, r"raw: labels may be the column 'label' or the file labels\.csv; say which"),
        (make_two_label_columns, r"raw: labels may be the column 'label' or the column 'target'; say which"),
        (make_two_columns_of_words, r"raw: column 'who' holds words, so it can only be the labels \(label_column\)"),
        (make_unnumbered_with_numbered_labels, r"labels\.h5: has labels by set number \(1, 2\), but the data have no"),
        (make_splits, r"raw: holds the folders train, val: train looks like a split, not like a class; open one"),
        (make_folders_of_arrays, r"raw: holds the folders a, b of npy files; folders are classes of pictures and"),
        (make_deep, r"raw/a/b: is a directory within a folder that is a class; files lie directly in it"),
        (make_empty_class, r"raw/b: no samples: the folder is empty; a folder is a class, remove it if it is none"),
        (make_one_class, r"raw: holds the folder a only; open that, or have one folder a class"),
        (make_files_and_folders, r"raw/a: is a directory; raw files lie directly in .*raw, or all in folders"),
        (make_class_link, r"raw/b: is a link out of .*raw, to .*elsewhere; put the folder itself there"),
        (make_labels_link, r"raw/labels\.csv: is a link out of .*raw, to .*secret\.csv; put the file itself there"),
        (make_labels_folder_link, r"raw/labels: is a link out of .*raw, to .*elsewhere; put the folder itself there"),
        (make_backslash, r"raw: the file name .* has a backslash; rename it"),
        (make_picture_without_label, r"labels\.csv: has no label for b\.png; add a row, or take the file away"),
        (make_picture_with_two_labels, r"labels\.csv: names 'a\.png' twice; keep one row a file"),
        (make_dates, r"raw: column 'when' has the type timestamp\[ms\], which is not read; convert it to numbers or"),
    ],
)
def test_what_is_wrong_or_ambiguous_is_said_in_one_line_that_names_the_candidates(tmp_path: Path, make: Make, message):
    path = tmp_path / "raw"
    path.mkdir()
    make(path)
    with pytest.raises(DataError, match=message) as error:
        discovery.open(path).label_cells()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"label_column": "digt"}, r"raw: label_column 'digt' is no column; did you mean 'digit'\? columns: a, digit"),
        ({"group": "who"}, r"raw: group 'who' is no column; columns: a, digit"),
        ({"ignored": ["b"]}, r"raw: ignored 'b' is no column"),
        ({"inputs": ["b"]}, r"raw: inputs 'b' is no column"),
        ({"format": "cvs"}, r"format 'cvs' is not known; known: npy, npz, hdf5, csv, tsv, arrow, parquet, svmlight"),
        ({"format": "tsv"}, r"raw: no raw files here; put files there that end in \.tsv"),
        ({"labels": "folder"}, r"raw: labels = 'folder', but its files lie in no folders of their own"),
        ({"labels": "column"}, r"raw: no column is named as labels are \(label, labels, target, targets, y\); name it"),
        ({"labels": "/nowhere.csv"}, r"/nowhere\.csv: does not exist; give the path of the labels"),
        ({"rows": "sets"}, r"raw: rows are sets only in an only array of shape \(sets, samples, \.\.\.\)"),
        ({"mode": "RGB"}, r"mode = 'RGB' means nothing for csv files; leave it out"),
        ({"format": "csv", "loader": "a:b"}, r"raw: format 'csv' and a loader were given; give one of them"),
    ],
)
def test_what_is_said_and_cannot_be_is_said_back_with_what_could(tmp_path: Path, said, message):
    text(tmp_path / "raw" / "1.csv", "a,digit\n1,2\n")
    with pytest.raises(DataError, match=message):
        discovery.open(tmp_path / "raw", **said)


def test_labels_for_sets_that_are_not_there_and_missing_numbers_are_told(tmp_path: Path):
    for number in (1, 2, 6):
        npy(tmp_path / f"{number}.npy")
    h5(tmp_path / "labels.h5", **{str(number): np.zeros(4) for number in range(1, 8)})
    assert discovery.open(tmp_path).notes == (
        "set numbers missing: 3-5",
        "labels.h5 also has labels for sets that are not there: 3-5, 7",
    )
    for name in ("left", "right"):
        npy(tmp_path / "unnumbered" / f"{name}.npy")
    assert discovery.open(tmp_path / "unnumbered", labels="none").notes == (
        "the names of the 2 files have no set number in common; sets are in natural order",
    )


def test_the_number_of_an_only_file_is_the_one_that_there_are_labels_for(tmp_path: Path):
    npy(tmp_path / "128batch__7.npy")
    h5(tmp_path / "labels.h5", **{"7": np.arange(4), "8": np.zeros(4)})
    assert discovery.open(tmp_path).label_cells().tolist() == [0, 1, 2, 3]
    h5(tmp_path / "labels.h5", **{"7": np.arange(4), "128": np.zeros(4)})
    with pytest.raises(DataError, match=r"128batch__7\.npy: its set number may be 7 or 128, there are labels for each"):
        discovery.open(tmp_path)


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
