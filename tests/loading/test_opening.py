from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from deeptrain import loading
from deeptrain.errors import DataError

LAYOUT = Path(__file__).parents[1] / "data" / "deeptrain_layout"


def text(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


@pytest.mark.parametrize(
    ("directory", "screen"),
    [
        (
            "image/train",
            """
            format   npy, 6 files
            input    x, float64 (28, 28, 1)
            samples  24 in 6 sets of 4: 1-4, 10-11
            labels   none; labels = 'input' feeds the samples themselves, as to an autoencoder
            note     set numbers missing: 5-9
            """,
        ),
        (
            "image/val",
            """
            format   npy, 3 files
            input    x, float64 (28, 28, 1)
            samples  12 in 3 sets of 4: 1-2, 10
            labels   labels.h5, by set number: 10 classes, one-hot
            balance  0 0.0%, 1 8.3%, 2 25.0%, 3 16.7%, 4 0.0%, 5 8.3%, 6 25.0%, 7 8.3%, 8 8.3%, 9 0.0%
            note     set numbers missing: 3-9
            note     labels.h5 also has labels for sets that are not there: 3-9, 11-79
            """,
        ),
        (
            "timeseries/train",
            """
            format   hdf5, 1 file
            input    x, float32 (20, 6)
            samples  32 in 8 sets of 4: 0-7
            labels   labels.csv, by set number: 2 classes
            balance  0 50.0%, 1 50.0%
            """,
        ),
        (
            "timeseries/val",
            """
            format   hdf5, 1 file
            input    x, float32 (20, 6)
            samples  16 in 4 sets of 4: 0-3
            labels   labels.csv, by set number: 2 classes
            balance  0 56.2%, 1 43.8%
            """,
        ),
    ],
)
def test_what_a_user_of_the_original_has_on_disk_opens_from_its_path_alone(directory: str, screen: str):
    opened = loading.open(str(LAYOUT / directory))
    lines = str(opened).splitlines()
    assert lines[0] == str(LAYOUT / directory)
    assert [line.strip() for line in lines[1:]] == [line.strip() for line in screen.strip().splitlines()]


def test_labels_go_with_the_samples_of_their_set():
    opened = loading.open(LAYOUT / "timeseries" / "val")
    columns = np.loadtxt(LAYOUT / "timeseries" / "val" / "labels.csv", int, delimiter=",", skiprows=1).T
    assert [int(cell) for cell in opened.data.label_cells()] == columns.ravel().tolist()
    assert opened.set_numbers == (0, 1, 2, 3)
    assert opened.classes == ("0", "1")
    assert opened.balance["1"] == columns.mean()


def test_the_input_can_be_the_label():
    opened = loading.open(LAYOUT / "image" / "train", labels="input")
    assert opened.labels.kind == "input"
    assert "labels   the input itself" in str(opened)


def test_columns_classes_and_groups_of_a_table_are_told(tmp_path: Path):
    path = text(tmp_path / "a.csv", "x,z,who,kind\n" + "".join(f"1,2,p{i % 3},k{i % 2}\n" for i in range(6)))
    opened = loading.open(path, label_column="kind", group="who")
    assert str(opened).splitlines()[1:] == [
        "  format   csv, 1 file",
        "  input    x, float64 (2,): x, z",
        "  samples  6 in 1 set of 6",
        "  labels   column 'kind': 2 classes",
        "  balance  k0 50.0%, k1 50.0%",
        "  group    column 'who'",
    ]


def test_the_only_column_of_words_is_the_label(tmp_path: Path):
    path = text(tmp_path / "iris.csv", "length,width,species\n5.1,3.5,setosa\n7.0,3.2,versicolor\n")
    assert loading.open(path).classes == ("setosa", "versicolor")


def test_coordinates_are_no_labels_and_names_of_samples_are_doubted(tmp_path: Path):
    assert loading.open(text(tmp_path / "a.csv", "x,y,z\n1,2,3\n")).labels.kind == "none"
    assert loading.open(text(tmp_path / "b.csv", "x,y\n1,2\n3,4\n")).data.labels.column == "y"
    doubted = loading.open(text(tmp_path / "c.csv", "name,a\nAnn,2\nBob,4\nZoe,5\n"))
    assert "  note     every label occurs once: are these labels, or names?" in str(doubted)


@pytest.mark.parametrize(
    ("labels", "kind", "told"),
    [
        (np.array([0.5, 1.5, -2, 4]), "values", "values from -2 to 4, mean 1"),
        (np.arange(4) * 10, "values", "values from 0 to 30, mean 15"),
        (np.array([3, 7, 3, 7]), "classes", "2 classes"),
        (np.array([[0, 1], [1, 0], [0, 1], [1, 0]]), "one-hot", "2 classes, one-hot"),
        (np.array([[0, 1], [1, 1], [0, 0], [1, 0]]), "outputs", "2 outputs of 0 or 1"),
        (np.array([[0], [1], [1], [1]]), "classes", "2 classes"),
        (np.ones((4, 3, 2)) / 2, "values", r"values of shape (3, 2) from 0.5 to 0.5, mean 0.5"),
        (np.array(["b", "a", "b", "b"]), "classes", "2 classes"),
    ],
)
def test_what_labels_are_is_told_by_their_values(tmp_path: Path, labels, kind, told):
    np.save(tmp_path / "x.npy", np.zeros((4, 2)))
    np.save(tmp_path / "y.npy", labels)
    opened = loading.open(tmp_path / "x.npy")
    assert opened.labels.kind == kind
    assert f"  labels   y.npy, in order: {told}" in str(opened).splitlines()


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([0] * 9, None, r"labels\.csv: has 9 labels for the 10 samples of .*raw"),
        ([0] * 11, None, r"labels\.csv: has 11 labels for the 10 samples"),
        ([0, 1, 7, *[2] * 7], 5, r"2\.npy: row 0: the label 7 is none of the 5 classes 0 to 4"),
        ([0, 1, 1, 1, 1, -1, *[2] * 4], 5, r"2\.npy: row 3: the label -1 is none of the 5 classes 0 to 4"),
        ([0.5, *[2] * 9], 5, r"1\.npy: row 0: the label 0\.5 is none of the 5 classes"),
        (["a", *[2] * 9], 5, r"1\.npy: row 0: the label 'a' is no number, classes = 5"),
        (["", *[2] * 9], None, r"labels\.csv: .*line 11"),
        (["nan", *[2] * 9], None, r"labels\.csv: line 2, column 'label': the value is nan"),
    ],
)
def test_labels_that_are_too_few_or_of_no_class_are_refused_with_counts_or_row(tmp_path, labels, classes, message):
    raw = tmp_path / "raw"
    raw.mkdir()
    np.save(raw / "1.npy", np.zeros((2, 3)))
    np.save(raw / "2.npy", np.zeros((8, 3)))
    if labels[0] == "":
        labels = [*labels[1:], '""']
    text(raw / "labels.csv", "label\n" + "".join(f"{label}\n" for label in labels))
    with pytest.raises(DataError, match=message):
        loading.open(raw, classes=classes)


def test_a_label_beyond_what_a_number_holds_is_named_with_its_line(tmp_path: Path):
    (tmp_path / "1.csv").write_text("a,label\n1,0\n2,1e400\n")
    with pytest.raises(DataError, match=r"1\.csv: line 3: the label '1e400' is beyond what float64 holds"):
        loading.open(tmp_path)


def test_classes_of_data_without_labels_mean_nothing(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"a\.npy: has no labels, so classes = 5 means nothing; say where they are"):
        loading.open(tmp_path / "a.npy", classes=5)
    with pytest.raises(DataError, match=r"b\.npy: does not exist; give the path of a file or of a directory"):
        loading.open(tmp_path / "b.npy")


def test_classes_that_never_occur_are_counted_as_nothing(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    np.save(tmp_path / "y.npy", np.array([0, 2, 2]))
    opened = loading.open(tmp_path / "x.npy", classes=4)
    assert (opened.classes, opened.labels.counts) == (("0", "1", "2", "3"), (1, 0, 2, 0))


def test_folders_of_pictures_and_recordings_tell_shape_classes_and_rate(tmp_path: Path):
    for kind in ("cat", "dog"):
        (tmp_path / "a" / kind).mkdir(parents=True)
        (tmp_path / "b" / kind).mkdir(parents=True)
        Image.new("RGB", (5, 4)).save(tmp_path / "a" / kind / "1.png")
        wavfile.write(tmp_path / "b" / kind / "1.wav", 16000, np.zeros((7, 2), np.int16))
    assert str(loading.open(tmp_path / "a")).splitlines()[1:] == [
        "  format   image, 2 files",
        "  input    x, uint8 (4, 5, 3)",
        "  samples  2 in 2 files",
        "  labels   the folder of a file: 2 classes",
        "  balance  cat 50.0%, dog 50.0%",
    ]
    assert str(loading.open(tmp_path / "b")).splitlines()[1:3] == [
        "  format   wav, 2 files, 16,000 Hz",
        "  input    x, int16 (steps, 2)",
    ]


def test_many_columns_sets_and_classes_still_fit_on_one_screen(tmp_path: Path):
    names = ",".join(f"c{i}" for i in range(200))
    for number in range(0, 60, 2):
        rows = "".join(",".join(["1"] * 200) + f",k{number}\n" for _ in range(2))
        text(tmp_path / f"{number}.csv", f"{names},label\n{rows}")
    lines = str(loading.open(tmp_path)).splitlines()
    assert len(lines) < 12
    assert max(map(len, lines)) < 240
