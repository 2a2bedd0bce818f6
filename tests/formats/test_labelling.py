"""Labels wherever they usually are, each with its sample."""

from pathlib import Path

import numpy as np
import pytest

from deeptrain.errors import DataError
from deeptrain.formats import discovery
from tests.raw_files import Make, everything, h5, npy, png, text


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


def test_labels_in_files_may_begin_with_numbers_that_count_up(tmp_path: Path):
    for number in (1, 2):
        npy(tmp_path / "data" / f"{number}.npy")
        text(tmp_path / "labels" / f"{number}.csv", f"0,1\n{number},5\n6,7\n8,9\n")
    found = discovery.open(tmp_path / "data", labels=tmp_path / "labels", label_column="0").label_cells()
    assert list(map(str, found)) == ["0", "1", "6", "8", "0", "2", "6", "8"]


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
    assert (data.samples, data.labels.classes, data.label_cells()) == (4, ("cat", "dog"), ["cat", "cat", "cat", "dog"])
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
