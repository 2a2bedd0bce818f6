"""Raw files: touching one changes nothing, changing a byte changes what depends on it."""

import hashlib
import json
import os
import threading
from pathlib import Path

import pytest

from deeptrain import files
from deeptrain.errors import DataError
from deeptrain.store.fingerprints import LARGE, fingerprint


def test_touching_changes_nothing_and_a_byte_changes_the_content(tmp_path: Path) -> None:
    raw, memory = tmp_path / "a.csv", tmp_path / "live" / "memory.json"
    raw.write_text("1,2\n")
    first = fingerprint([raw], tmp_path, memory)
    os.utime(raw, (1, 1))
    assert fingerprint([raw], tmp_path, memory).content == first.content
    raw.write_text("1,3\n")
    os.utime(raw, (1, 1))
    assert fingerprint([raw], tmp_path, memory).content != first.content
    raw.write_text("1,2\n")
    assert fingerprint([raw], tmp_path, memory).content == first.content


def test_a_file_that_settled_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, memory = tmp_path / "a.csv", tmp_path / "memory.json"
    raw.write_text("1,2\n")
    later = lambda: raw.stat().st_mtime + 60  # noqa: E731
    first = fingerprint([raw], tmp_path, memory, clock=later)
    with memory.open("a") as file:
        file.write(" " * files.JSON_BYTES)  # as long as that of a third of a million files
    reads = []
    monkeypatch.setattr(files, "sha256_of", lambda path: reads.append(path))
    assert fingerprint([raw], tmp_path, memory, clock=later).content == first.content
    assert reads == []


def test_a_file_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    raw, memory = tmp_path / "a.csv", tmp_path / "memory.json"
    raw.write_text("1,2\n")
    fingerprint([raw], tmp_path, memory, clock=lambda: raw.stat().st_mtime)
    assert not memory.exists()


def test_the_names_count_and_where_they_lie_does_not(tmp_path: Path) -> None:
    contents = []
    for place, name in [("one", "a.csv"), ("two", "a.csv"), ("three", "b.csv")]:
        (tmp_path / place).mkdir()
        (tmp_path / place / name).write_text("1\n")
        contents.append(fingerprint([tmp_path / place / name], tmp_path / place, tmp_path / "memory.json").content)
    assert contents[0] == contents[1] != contents[2]


def test_a_spoilt_memory_costs_time_only(tmp_path: Path) -> None:
    raw, memory = tmp_path / "a.csv", tmp_path / "memory.json"
    raw.write_text("1,2\n")
    later = lambda: raw.stat().st_mtime + 60  # noqa: E731
    first = fingerprint([raw], tmp_path, memory, clock=later)
    for spoilt in ("", "[]", json.dumps({str(raw.resolve()): "x"}), json.dumps({str(raw.resolve()): [1, 2, 3, 4, 5]})):
        memory.write_text(spoilt)
        assert fingerprint([raw], tmp_path, memory, clock=later).content == first.content


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.csv: cannot be read: No such file"):
        fingerprint([tmp_path / "gone.csv"], tmp_path, tmp_path / "memory.json")


def test_large_files_read_side_by_side_have_the_digests_that_each_has_alone(tmp_path: Path) -> None:
    raw = [tmp_path / f"{number}.npy" for number in range(5)]
    for number, path in enumerate(raw):
        path.write_bytes(bytes([number]) * (LARGE + number))
    told = fingerprint(raw, tmp_path, tmp_path / "memory.json")
    assert list(told.files) == [path.name for path in raw]
    for path in raw:
        assert told.files[path.name] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("fingerprint")]


def test_of_large_files_the_first_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    raw = [tmp_path / f"{number}.npy" for number in range(3)]
    raw[0].write_bytes(bytes(3 * LARGE))
    for path in raw[1:]:
        path.mkdir()
    with pytest.raises(DataError, match=r"1\.npy: cannot be read: Is a directory"):
        fingerprint(raw, tmp_path, tmp_path / "memory.json")
