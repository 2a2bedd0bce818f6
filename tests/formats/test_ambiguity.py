"""What is wrong, or may be one thing or another, is told with all candidates."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from deeptrain.errors import DataError
from deeptrain.formats import discovery
from tests.raw_files import Make, h5, npy, png, text, two


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
        ({"label_column": "digt"}, r"raw: label_column 'digt' is no column; did you mean digit\? columns: a, digit"),
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
