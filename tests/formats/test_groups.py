"""Groups of samples that are files or rows of arrays: a column of the table that holds their labels, or folders."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from deeptrain import loading
from deeptrain.errors import DataError
from deeptrain.formats import discovery
from deeptrain.formats.data import RawData
from deeptrain.shards import rewriting


def pictures(path: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        Image.new("L", (3, 2), number).save(path / f"{name}.png")


def recordings(path: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        wavfile.write(path / f"{name}.wav", 8000, np.full(4 + number, number, np.int16))


def arrays(path: Path, names: list[str]) -> None:
    np.save(path / "x.npy", np.arange(len(names)))


def sets(path: Path, names: list[str]) -> None:
    np.save(path / "set-1.npy", np.arange(2))
    np.save(path / "set-2.npy", np.arange(2, len(names)))


NAMES = ["a", "b", "c", "d"]
TABLE = {"file": ["d", "b", "a", "c"], "label": ["1", "0", "1", "0"], "person": ["Zoe", "Bo", "Al", "Al"]}
IN_ORDER = {key: [cells[at] for at in (2, 1, 3, 0)] for key, cells in TABLE.items()}


def table(path: Path, columns: dict[str, list[str]]) -> None:
    rows = [list(columns), *map(list, zip(*columns.values(), strict=True))]
    path.write_text("\n".join(map(",".join, rows)) + "\n")


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(("make", "ending"), [(pictures, ".png"), (recordings, ".wav"), (arrays, None), (sets, None)])
def test_the_group_of_a_file_or_row_is_in_the_table_of_labels(
    tmp_path: Path, make: Callable[[Path, list[str]], None], ending: str | None, named: bool
):
    raw = tmp_path / "raw"
    raw.mkdir()
    make(raw, NAMES)
    if named and ending is not None:
        table(raw / "labels.csv", {**TABLE, "file": [f"{name}{ending}" for name in TABLE["file"]]})
    else:
        table(raw / "labels.csv", {key: cells for key, cells in IN_ORDER.items() if key != "file"})
    data = discovery.open(raw, group="person")
    assert data.group_cells() == ["Al", "Bo", "Al", "Zoe"]
    assert data.label_cells() == ["1", "0", "0", "1"]
    chunks = list(data.chunks(3))
    assert [group for chunk in chunks for group in chunk.groups or ()] == ["Al", "Bo", "Al", "Zoe"]
    assert [label for chunk in chunks for label in chunk.labels or ()] == ["1", "0", "0", "1"]


def test_numbered_tables_of_labels_have_the_groups_of_their_sets(tmp_path: Path):
    for number, people in ((2, ["Bo", "Al"]), (10, ["Al", "Zoe"])):
        np.save(tmp_path / f"set-{number}.npy", np.arange(2))
        (tmp_path / "labels").mkdir(exist_ok=True)
        table(tmp_path / "labels" / f"set-{number}.csv", {"label": ["0", "1"], "person": people})
    data = discovery.open(tmp_path, group="person")
    assert data.group_cells() == ["Bo", "Al", "Al", "Zoe"]
    assert data.label_cells() == ["0", "1", "0", "1"]


@pytest.mark.parametrize(
    ("labels", "asked", "message"),
    [
        (
            TABLE,
            {"group": "persons"},
            r"labels\.csv: group 'persons' is no column; did you mean person\? columns: file,",
        ),
        (
            None,
            {"group": "person"},
            r"raw: group 'person' is a column of a table of labels \(file, label, person\), th",
        ),
        (
            {**TABLE, "person": ["", "a", "b", "c"]},
            {"group": "person"},
            r"labels\.csv: line 2, column 'person': the cell i",
        ),
        (
            {**TABLE, "file": ["a", "b", "c", "e"]},
            {"group": "person"},
            r"labels\.csv: has no label for d\.png; add a row, or take the file away",
        ),
    ],
)
def test_a_group_that_is_not_there_is_told_with_where_it_could_be(
    tmp_path: Path, labels: dict[str, list[str]] | None, asked: dict[str, Any], message: str
):
    raw = tmp_path / "raw"
    raw.mkdir()
    pictures(raw, NAMES)
    if labels is not None:
        table(raw / "labels.csv", labels)
    with pytest.raises(DataError, match=message) as error:
        list(discovery.open(raw, **asked).chunks(9))
    assert "\n" not in str(error.value)


def test_pictures_in_folders_of_classes_need_a_table_for_their_groups(tmp_path: Path):
    raw = tmp_path / "raw"
    for name in ("cat", "dog"):
        (raw / name).mkdir(parents=True)
        pictures(raw / name, NAMES[:2])
    with pytest.raises(
        DataError, match=r"raw: group 'person' is a column of a table of labels .*; write one and name it"
    ):
        discovery.open(raw, group="person")
    files = [f"{name}/{one}.png" for name in ("cat", "dog") for one in NAMES[:2]]
    table(tmp_path / "told.csv", {"file": files, "label": ["cat", "cat", "dog", "dog"], "person": ["u", "v", "u", "v"]})
    data = discovery.open(raw, group="person", labels=tmp_path / "told.csv")
    assert data.group_cells() == ["u", "v", "u", "v"]
    assert data.label_cells() == ["cat", "cat", "dog", "dog"]


def people(raw: Path, make: Callable[[Path, list[str]], None], folders: dict[str, list[str]]) -> Path:
    for folder, names in folders.items():
        (raw / folder).mkdir(parents=True)
        make(raw / folder, names)
    return raw


def walks(path: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        rows = "".join(f"{len(path.name)},{row},{'ab'[row % 2]}\n" for row in range(number + 1))
        (path / f"{name}.csv").write_text(f"steps,pulse,kind\n{rows}")


def read(data: RawData) -> list[tuple[str, Any]]:
    """Group and label of every sample, which chunks and the columns must tell alike."""
    chunks = list(data.chunks(2))
    found = [
        pair
        for chunk in chunks
        for pair in zip(chunk.groups or (), chunk.labels or [None] * chunk.samples, strict=True)
    ]
    assert [group for group, _ in found] == data.group_cells()
    if data.labels.kind != "none":
        assert [label for _, label in found] == data.label_cells()
    return found


def test_the_folder_of_a_table_is_its_group(tmp_path: Path):
    raw = people(tmp_path / "people", walks, {"anna": ["walk1", "walk2"], "ben": ["walk1"], "cleo": ["walk1", "walk9"]})
    data = discovery.open(raw, group="folder")
    expected = ["anna", "anna", "anna", "ben", "cleo", "cleo", "cleo"]
    assert read(data) == list(zip(expected, "aabaaab", strict=True))
    assert data.columns == ("steps", "pulse")
    assert [found.name for found in data.sets][:3] == ["anna/walk1.csv", "anna/walk2.csv", "ben/walk1.csv"]
    screen = str(loading.open(raw, group="folder"))
    assert "  group    the folder of a file" in screen.splitlines()
    written = rewriting.rewrite(raw, tmp_path / "new", "parquet", group="folder")
    assert [path.name for path in written] == ["samples.parquet"]
    again = discovery.open(tmp_path / "new", group="folder")
    assert again.group_cells() == expected
    with pytest.raises(DataError, match=r"people: holds the folders anna, ben, cleo of csv files; .* group = 'folder'"):
        discovery.open(raw)


@pytest.mark.parametrize(("group", "level"), [("folder", 0), ("folder:1", 0), ("folder:2", 1)])
@pytest.mark.parametrize("make", [pictures, recordings])
def test_of_two_folders_one_is_the_group_and_the_other_the_class(tmp_path: Path, make, group: str, level: int):
    raw = people(tmp_path / "raw", make, {"u/cat": ["1", "2"], "u/dog": ["1"], "v/cat": ["10", "9"]})
    data = discovery.open(raw, group=group)
    folders = [("u", "cat"), ("u", "cat"), ("u", "dog"), ("v", "cat"), ("v", "cat")]
    assert read(data) == [(pair[level], pair[1 - level]) for pair in folders]
    assert data.labels.classes == (("cat", "dog") if level == 0 else ("u", "v"))


def test_files_in_folders_of_people_have_their_labels_in_a_table(tmp_path: Path):
    raw = people(tmp_path / "raw", pictures, {"u": ["1", "2"], "v": ["1"]})
    table(tmp_path / "labels.csv", {"file": ["v/1.png", "u/1.png", "u/2.png"], "label": ["0", "1", "2"]})
    assert read(discovery.open(raw, group="folder")) == [("u", "1"), ("u", "2"), ("v", "0")]
    (tmp_path / "labels.csv").unlink()
    assert read(discovery.open(raw, group="folder")) == [("u", None), ("u", None), ("v", None)]


def test_arrays_in_folders_of_people_are_sets_with_their_numbers_if_these_tell_them_apart(tmp_path: Path):
    raw = people(tmp_path / "raw", sets, {"u": NAMES, "v": NAMES})
    assert [found.number for found in discovery.open(raw, group="folder").sets] == [None] * 4
    (raw / "v" / "set-1.npy").rename(raw / "v" / "set-3.npy")
    (raw / "v" / "set-2.npy").rename(raw / "v" / "set-4.npy")
    data = discovery.open(raw, group="folder")
    assert [found.number for found in data.sets] == [1, 2, 3, 4]
    assert data.group_cells() == ["u"] * 4 + ["v"] * 4


@pytest.mark.parametrize(
    ("folders", "group", "message"),
    [
        (
            {"u": ["1"], "v": ["1"]},
            "folder:2",
            r"raw: group 'folder:2', but its files lie in one folder each; say group",
        ),
        (
            {"u": ["1"], "v/w": ["1"]},
            "folder",
            r"raw: u/1\.csv lies in one folder and v/w/1\.csv in two; have all files",
        ),
        (
            {"u": ["1"], "v/w/x": ["1"]},
            "folder",
            r"raw/v/w/x: is a directory within a folder .*; files lie directly in",
        ),
        ({"u": ["1"]}, "folder", r"raw: holds the folder u only; open that, or have one folder a group"),
        ({"u": ["1"], "v": []}, "folder", r"raw/v: no samples: the folder is empty; a folder is a group, remove it"),
        ({"u": ["1"], "v": ["1"]}, "person", r"raw: holds the folders u, v of csv files; folders are classes of pict"),
    ],
)
def test_folders_that_are_no_groups_are_told(tmp_path: Path, folders, group: str, message: str):
    raw = people(tmp_path / "raw", walks, folders)
    with pytest.raises(DataError, match=message):
        discovery.open(raw, group=group)


def test_a_column_called_folder_is_a_column_where_there_are_no_folders_and_ambiguous_where_there_are(tmp_path: Path):
    (tmp_path / "1.csv").write_text("a,folder\n1,u\n2,v\n")
    assert discovery.open(tmp_path, group="folder").group_cells() == ["u", "v"]
    for name in "xy":
        (tmp_path / "raw" / name).mkdir(parents=True)
        (tmp_path / "raw" / name / "1.csv").write_text("a,folder\n1,u\n")
    with pytest.raises(DataError, match="group 'folder' may be that column or the folders; rename the column"):
        discovery.open(tmp_path / "raw", group="folder")
