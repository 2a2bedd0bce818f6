"""Groups of samples that are files or rows of arrays: a column of the table that holds their labels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from deeptrain.errors import DataError
from deeptrain.formats import discovery


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
