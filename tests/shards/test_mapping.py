"""Rows are copied from mapped files by the kernel: a file that is cut off or changed is told, and kills nobody."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import AlteredError
from deeptrain.shards import column
from deeptrain.shards.mapping import MOST, Mapping
from deeptrain.shards.reading import Split
from tests import shard_files

SIZES = (10_000, 1, 4096, 70_000)
X = np.arange(4000, dtype=np.float32).reshape(1000, 4)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapping, list[bytes]]:
    place = tmp_path_factory.mktemp("mapped")
    contents = [np.random.Generator(np.random.Philox(size)).bytes(size) for size in SIZES]
    mapping = Mapping(SIZES)
    for number, content in enumerate(contents):
        path = place / str(number)
        path.write_bytes(bytes(4096) + content)
        descriptor = os.open(path, os.O_RDONLY)
        mapping.place(number, len(content), descriptor, 4096)
        os.close(descriptor)
    return mapping, contents


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1), st.floats(0, 1)), max_size=50), st.integers(1, 60))
def test_pieces_come_as_they_are_in_their_files(
    mapped: tuple[Mapping, list[bytes]], asked: list[tuple[int, float, float]], times: int
) -> None:
    mapping, contents = mapped
    pieces = []
    for number, begin, part in asked * times:
        first = int(begin * SIZES[number])
        pieces.append((number, first, int(part * (SIZES[number] - first))))
    places = np.array([mapping.begins[number] + first for number, first, _ in pieces], np.int64)
    sizes = np.array([size for *_, size in pieces], np.int64)
    out = np.empty(int(sizes.sum()), np.uint8)
    mapping.copy(places, sizes, out)
    assert out.tobytes() == b"".join(contents[number][first : first + size] for number, first, size in pieces)
    assert times < 25 or len(pieces) < MOST or len(asked) * times == len(pieces)


def test_a_file_that_was_cut_off_in_place_is_an_error_and_no_signal(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(1 << 20))
    mapping = Mapping([1 << 20, 1 << 20])
    with path.open("rb") as file:
        mapping.place(0, 1 << 20, file.fileno(), 0)
    out = np.empty(100, np.uint8)
    mapping.copy(np.array([900_000]), np.array([100]), out)
    os.truncate(path, 4096)
    for place in (900_000, 1 << 20):  # what the file lost, and what was never mapped
        with pytest.raises(OSError, match="Bad address"):
            mapping.copy(np.array([place]), np.array([100]), out)


@pytest.fixture
def split(tmp_path: Path) -> Split:
    """1,000 samples in shards of 300 and blocks of 32."""
    return shard_files.split(tmp_path, X, np.zeros(1000, np.int64), samples_per_shard=300, block_bytes=512)


INDICES = np.random.Generator(np.random.Philox(1)).permutation(1000)


def after_the_look_at_files(split: Split, monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Somebody changes a file between the look at it and the copy: no test would meet that moment by itself."""
    compare = column.Column._compare_once

    def once(self: column.Column, *arguments: Any) -> None:
        compare(self, *arguments)
        change()
        monkeypatch.setattr(column.Column, "_compare_once", compare)

    (one,) = split.columns.values()
    one._left = 1  # something is to be compared
    monkeypatch.setattr(column.Column, "_compare_once", once)


def test_a_shard_that_is_cut_off_while_its_samples_are_taken_is_named(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split.take(INDICES)
    path = tmp_path / "parts/0001/train-00002.x.npy"
    after_the_look_at_files(split, monkeypatch, lambda: os.truncate(path, 4096))
    for _ in range(2):
        with pytest.raises(AlteredError, match=r"train-00002\.x\.npy: must have 8,896 bytes, has 4,096; restore"):
            split.take(INDICES)


def test_what_is_written_into_a_shard_while_its_samples_are_taken_is_not_handed_out(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split.take(INDICES)
    path = tmp_path / "parts/0001/train-00002.x.npy"
    whole = path.read_bytes()
    after_the_look_at_files(split, monkeypatch, lambda: path.write_bytes(whole[:5000] + b"?" + whole[5001:]))
    with pytest.raises(AlteredError, match=r"train-00002\.x\.npy: altered: block 1 \(counted from 0; set 1\)"):
        split.take(INDICES)
    after_the_look_at_files(split, monkeypatch, lambda: path.write_bytes(whole))
    path.write_bytes(whole)
    np.testing.assert_array_equal(split.take(INDICES), X[INDICES])


@pytest.mark.parametrize("refused", ["place", "copy"])
def test_where_files_cannot_be_mapped_they_are_read(
    split: Split, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Mapping, "__init__" if refused == "place" else "copy", refuse)
    np.testing.assert_array_equal(split.take(INDICES), X[INDICES])
