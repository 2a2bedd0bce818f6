"""Where raw data lies: apart for each split, and in the words of the settings where it is not found."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deeptrain.errors import DataError
from deeptrain.shards import sources


@pytest.mark.parametrize(
    ("train", "val", "how"),
    [
        ("a", "a", "are the same"),
        ("a", "b/../a/", "are the same"),
        ("a", "link", "are the same"),
        ("a", "a/inner", "lie one in the other"),
        ("a/inner", "a", "lie one in the other"),
        ("a", "a/1.csv", "lie one in the other"),
        ("a/1.csv", "a/1.csv", "are the same"),
    ],
)
def test_splits_with_raw_data_in_common_are_refused_by_name(tmp_path: Path, tools, train, val, how):
    (tmp_path / "a" / "inner").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "1.csv").write_text("a,label\n1,0\n")
    (tmp_path / "link").symlink_to("a")
    settings = tools.typed({"labels": {"column": "label"}, "splits": {"train": train, "val": val}})
    with pytest.raises(
        DataError, match=rf"splits\.train and splits\.val: .* {how}; give each split raw data of its own"
    ):
        sources.find(settings, tmp_path)


def test_splits_beside_one_another_are_apart(tmp_path: Path, tools):
    for name in ("a", "a1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.csv").write_text("a,label\n1,0\n")
    settings = tools.typed({"labels": {"column": "label"}, "splits": {"train": "a", "val": "a1"}})
    assert list(sources.find(settings, tmp_path)) == ["train", "val"]


def test_people_on_pictures_come_to_lie_in_one_split_each(tmp_path: Path, tools):
    (tmp_path / "raw").mkdir()
    people = [f"p{number % 5}" for number in range(20)]
    for number in range(20):
        Image.new("L", (3, 2), number).save(tmp_path / "raw" / f"{number}.png")
    lines = "".join(f"{number}.png,{number % 2},{people[number]}\n" for number in range(20))
    (tmp_path / "labels.csv").write_text(f"file,label,person\n{lines}")
    asked = {"labels": {"path": "labels.csv", "column": "label"}, "dtype": "uint8"}
    shards = tools.convert(tmp_path, **asked, splits={"train": 12, "val": 8, "group": "person"})
    of = {name: {int(value) % 5 for value in np.unique(shards.split(name).take(range(8)))} for name in ("train", "val")}
    assert of["train"].isdisjoint(of["val"])
    for group, labels, message in (
        ("who", asked["labels"], r"labels\.csv: splits\.group 'who' is no column; columns: file, label, person"),
        ("who", {"kind": "classes"}, r"raw: splits\.group 'who' is a column of a table .* name it as labels\.path"),
    ):
        (tmp_path / "raw" / "labels.csv").unlink(missing_ok=True)
        if "path" not in labels:
            (tmp_path / "labels.csv").unlink()
        with pytest.raises(DataError, match=message):
            tools.convert(tmp_path, labels=labels, splits={"train": 12, "val": 8, "group": group})


def test_people_in_folders_come_to_lie_in_one_split_each_and_their_names_are_in_the_identity(tmp_path: Path, tools):
    for number in range(5):
        rows = [[number, row, row % 2] for row in range(4)]
        tools.write_csv(tmp_path / "raw" / f"p{number}" / "walk.csv", rows, "person,x,label")
    asked = {"splits": {"train": 12, "val": 8, "group": "folder"}, "reading": {"ignored": ["x"]}}
    shards = tools.convert(tmp_path, **asked)
    of = {name: set(shards.split(name).take(np.arange(size))[:, 0]) for name, size in (("train", 12), ("val", 8))}
    assert (len(of["train"]), len(of["val"])) == (3, 2)
    assert of["train"].isdisjoint(of["val"])
    assert shards.split("val").raw(0)[0].endswith("/walk.csv")
    before = tools.planned(tmp_path, **asked).samples.identity
    (tmp_path / "raw" / "p4").rename(tmp_path / "raw" / "p5")
    assert tools.planned(tmp_path, **asked).samples.identity != before


def test_arguments_of_a_loader_are_in_the_identity_of_the_samples_and_reach_it(tmp_path: Path, tools):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "1.txt").write_text("")
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n\ndef read(path, scale=1):\n"
        "    return {'x': scale * np.arange(8.0), 'label': np.arange(8) % 2}\n"
    )
    loaders = ["mine:read", {"use": "mine:read"}, {"use": "mine:read", "arguments": {"scale": 3}}]
    bare, same, scaled = (tools.planned(tmp_path, loader=loader).samples.identity for loader in loaders)
    assert bare == same != scaled
    shards = tools.convert(tmp_path, loader=loaders[2])
    assert {float(value) for name in ("train", "val") for value in shards.split(name).take(range(4))[:, 0]} == set(
        3.0 * np.arange(8)
    )


def test_labels_apart_that_may_be_two_things_are_called_by_their_file(tmp_path: Path, tools):
    (tmp_path / "raw").mkdir()
    np.save(tmp_path / "raw" / "x.npy", np.arange(9))
    np.save(tmp_path / "raw" / "labels.npy", np.arange(9))
    with pytest.raises(DataError, match=r"raw: labels 'labels\.npy': 9 different whole numbers in 9 samples can be"):
        tools.convert(tmp_path, labels={})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("1.csv", "0,1\n2,3\n", "0, 1 may be the names of the columns or a sample; say which with reading.header = "),
        ("1.svm", "1 0:1\n", "has feature 0, features count from 1; say reading.first = 0 if these count from 0"),
    ],
)
def test_what_must_be_said_of_a_format_is_named_as_the_settings_have_it(tmp_path: Path, tools, name, text, message):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / name).write_text(text)
    with pytest.raises(DataError) as told:
        sources.open(tools.settings(labels={}), tmp_path)
    assert message in str(told.value)
