"""Names that come from data cannot move a terminal's cursor, change its title, or pretend to be another line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import csv, parquet

from deeptrain import loading
from deeptrain.errors import DataError
from deeptrain.formats.cells import listed, shown

HOSTILE = st.text(st.sampled_from("ab\x1b[2J\n\r\x07\x9b\u202e\u2028'\"\\,"), min_size=1, max_size=12)


def test_what_a_terminal_would_obey_is_written_as_its_code_and_the_rest_as_it_is():
    assert shown("a\x1b[2Jb\n", quoted=False) == r"a\x1b[2Jb\n"
    assert shown("It's é, \\ and 日本", quoted=False) == "It's é, \\ and 日本"
    assert shown("\u202eabc\x9b", quoted=False) == r"\u202eabc\x9b"
    assert listed(["a\n", "b"]) == r"a\n, b"
    assert listed([f"\r{number}" for number in range(20)], 3) == r"\r0, \r1, ..., \r19 (20 in all)"


@given(st.text(), st.lists(st.text(), max_size=12))
def test_whatever_is_shown_is_printable(text: str, names: list[str]):
    assert shown(text).isprintable()
    assert shown(text, quoted=False).isprintable()
    assert listed(names).isprintable()


def told(path: Path, **asked: Any) -> str:
    """What is printed of a data set, or of what is wrong with it."""
    try:
        data = loading.open(path, **asked)
        list(data.data.chunks(9))
        return str(data)
    except DataError as error:
        return str(error)


@settings(deadline=None, max_examples=60)  # they write files
@given(
    names=st.lists(HOSTILE, min_size=3, max_size=3, unique_by=str.strip).filter(
        lambda names: all(map(str.strip, names))
    ),
    words=st.lists(HOSTILE.filter(lambda word: word.strip()), min_size=4, max_size=4),
    kind=st.sampled_from(["csv", "parquet"]),
    bad=st.booleans(),
    asked=st.sampled_from(["label_column", "group", "ignored", "nothing", "absent"]),
)
def test_columns_and_labels_are_told_on_lines_of_their_own(tmp_path_factory, names, words, kind, bad, asked):
    path = tmp_path_factory.mktemp("raw") / f"a.{kind}"
    numbers = pa.array([1.0, None if bad else 2.0, 3.0, 4.0])
    table = pa.table({names[0]: numbers, names[1]: [1, 2, 3, 4], names[2]: words})
    (csv.write_csv if kind == "csv" else parquet.write_table)(table, path)
    keywords: dict[str, dict[str, Any]] = {
        "label_column": {"label_column": names[2]},
        "group": {"group": names[2], "labels": "none"},
        "ignored": {"ignored": [names[2]]},
        "nothing": {},
        "absent": {"label_column": names[2] + "\x1b"},
    }
    lines = told(path, **keywords[asked]).split("\n")
    assert all(line.isprintable() for line in lines)
    assert all(line.startswith("  ") for line in lines[1:])
    assert len(lines) <= 10


def folders(path: Path) -> None:
    for name in ("cat", "dog\x1b[2J"):
        (path / name).mkdir()
        Image.new("L", (2, 2)).save(path / name / "1.png")


def folder_among_files(path: Path) -> None:
    (path / "in\nner").mkdir()
    np.save(path / "1.npy", np.zeros(3))


def folder_in_folder(path: Path) -> None:
    (path / "cat" / "in\nner").mkdir(parents=True)
    (path / "dog").mkdir()


def keys(path: Path) -> None:
    with h5py.File(path / "1.h5", "w") as file:
        file["a\x1b[2J"] = np.zeros(3)


def archive(path: Path) -> None:
    np.savez(path / "1.npz", **{"a\x1b[2J": np.zeros(3), "b\nc": np.zeros(3)})


def labels_by_name(path: Path) -> None:
    Image.new("L", (2, 2)).save(path / "1.png")
    (path / "labels.csv").write_bytes(b'file,label\n"a\x1b[2J",1\n"a\x1b[2J",2\n')


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (folders, r"raw: the folder name 'dog\\x1b\[2J' has characters that cannot be printed; rename it"),
        (folder_among_files, r"raw: the folder name 'in\\nner' has characters that cannot be printed; rename it"),
        (folder_in_folder, r"cat: the folder name 'in\\nner' has characters that cannot be printed; rename it"),
        (keys, r"1\.h5: the key 'a\\x1b\[2J' has characters that cannot be printed; rename it"),
        (archive, r"input    a\\x1b\[2J, float64 \(\)\n  input    b\\nc, float64 \(\)"),
        (labels_by_name, r"labels\.csv: names 'a\\x1b\[2J' twice; keep one row a file"),
    ],
)
def test_names_of_files_folders_and_keys_are_refused_or_shown_by_their_codes(
    tmp_path: Path, make: Callable[[Path], None], message: str
):
    raw = tmp_path / "raw"
    raw.mkdir()
    make(raw)
    found = told(raw)
    with pytest.raises(DataError, match=message):
        raise DataError(found)
    assert all(line.isprintable() for line in found.split("\n"))
