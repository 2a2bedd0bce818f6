import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.formats import discovery
from deeptrain.formats.directory import natural_key

GOOD = b"a,b\n1,2\n3,4\n"


@given(st.lists(st.integers(0, 10**6), unique=True), st.sampled_from(["set", "", "a1b"]), st.randoms())
def test_files_are_in_the_order_of_the_numbers_in_their_names(numbers: list[int], prefix: str, order: random.Random):
    names = [f"{prefix}{number}.csv" for number in sorted(numbers)]
    shuffled = list(names)
    order.shuffle(shuffled)
    assert sorted(shuffled, key=natural_key) == names


@given(st.permutations(["a1", "a01", "a1b", "a", "1", "01", "", "a-2", "ä2", "\u0662", "a" + "9" * 250]))
def test_names_of_any_kind_have_one_order(names: list[str]):
    assert sorted(names, key=natural_key) == sorted(sorted(names), key=natural_key)


def test_a_directory_gives_its_files_and_a_file_itself_and_hidden_files_do_not_count(tmp_path: Path):
    for name in ("set10.csv", "set2.CSV", "set1.csv", ".hidden.csv", ".DS_Store"):
        (tmp_path / name).write_bytes(GOOD)
    assert [file.name for file in discovery.find(tmp_path).files] == ["set1.csv", "set2.CSV", "set10.csv"]
    assert discovery.find(tmp_path / "set1.csv").files == (tmp_path / "set1.csv",)
    opened = discovery.open(tmp_path)
    assert opened.names == ("set1.csv", "set2.CSV", "set10.csv")
    assert opened.place(1, 1) == f"{tmp_path / 'set2.CSV'}: line 3"


def test_files_that_hold_something_else_are_left_out_when_they_are_labels_or_the_format_is_given(tmp_path: Path):
    for name in ("a.csv", "b.csv", "answers.csv", "README.md"):
        (tmp_path / name).write_bytes(GOOD)
    found = discovery.find(tmp_path, format="csv", labels=tmp_path / "answers.csv")
    assert [file.name for file in found.files] == ["a.csv", "b.csv"]


def test_a_link_within_the_directory_is_fine(tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(GOOD)
    (tmp_path / "b.csv").symlink_to("a.csv")
    assert len(discovery.find(tmp_path).files) == 2


def make_mixed(path: Path) -> None:
    (path / "a.csv").write_bytes(GOOD)
    (path / "b.tsv").write_bytes(GOOD)


def make_other(path: Path) -> None:
    (path / "a.csv").write_bytes(GOOD)
    (path / "notes.docx").write_bytes(b"x")


def make_link(path: Path) -> None:
    (path / "a.csv").symlink_to("/etc/hostname")


def make_loop(path: Path) -> None:
    (path / "a.csv").symlink_to("a.csv")


def make_dangling(path: Path) -> None:
    (path / "a.csv").symlink_to("nowhere.csv")


def make_directory(path: Path) -> None:
    (path / "a.csv").write_bytes(GOOD)
    (path / "more").mkdir()


def make_pipe(path: Path) -> None:
    os.mkfifo(path / "a.csv")


def make_strange(path: Path) -> None:
    (path / "a\nb.csv").write_bytes(GOOD)


def make_no_utf8_name(path: Path) -> None:
    (path / os.fsdecode(b"a\xff.csv")).write_bytes(GOOD)


def make_one_more_column(path: Path) -> None:
    (path / "a.csv").write_bytes(GOOD)
    (path / "b.csv").write_bytes(b"a,c,d\n1,2,3\n")


def make_other_order(path: Path) -> None:
    (path / "a.csv").write_bytes(GOOD)
    (path / "b.csv").write_bytes(b"b,a\n1,2\n")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.rmdir(), r"raw: does not exist; give the path of a file or of a directory"),
        (lambda _: None, r"raw: no raw files here; put files there of a known format \(npy, npz,"),
        (make_mixed, r"raw: holds csv \(a\.csv\) and tsv \(b\.tsv\) files; keep one kind"),
        (make_other, r"notes\.docx: the extension '\.docx' is of no known format \(npy, .*\); move the file"),
        (make_link, r"a\.csv: is a link out of .*raw, to /etc/hostname"),
        (make_loop, r"a\.csv: cannot be opened"),
        (make_dangling, r"a\.csv: cannot be opened: No such file"),
        (make_directory, r"more: is a directory; raw files lie directly in .*raw"),
        (make_pipe, r"a\.csv: is no plain file"),
        (make_strange, r"the file name 'a\\nb\.csv' has characters that cannot be printed"),
        (make_no_utf8_name, r"the file name 'a\\udcff\.csv' has characters that cannot be printed"),
        (make_one_more_column, r"b\.csv: misses b and adds c, d compared with the columns of a\.csv; all raw files"),
        (make_other_order, r"b\.csv: has the columns in another order than a\.csv"),
    ],
)
def test_what_is_wrong_with_a_directory_is_said_in_one_line(tmp_path: Path, make, message):
    path = tmp_path / "raw"
    path.mkdir()
    make(path)
    with pytest.raises(DataError, match=message) as error:
        discovery.open(path)
    assert "\n" not in str(error.value)


def test_an_unknown_format_and_one_without_files_are_named(tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(GOOD)
    with pytest.raises(DataError, match=r"format 'cvs' is not known; known: npy, .*csv, tsv"):
        discovery.open(tmp_path, format="cvs")
    with pytest.raises(DataError, match=r"no raw files here; put files there that end in \.tsv"):
        discovery.open(tmp_path, format="tsv")


def test_a_file_of_any_name_opens_when_its_format_is_given(tmp_path: Path):
    path = tmp_path / "data.txt"
    path.write_bytes(GOOD)
    (chunk,) = discovery.open(path, format="csv").chunks(9, "float32")
    assert chunk.inputs["x"].tolist() == [[1, 2], [3, 4]]
