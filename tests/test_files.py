"""Files that are hashed while they are written, in whatever pieces they come."""

import errno
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain import files
from deeptrain.errors import ArtifactError, LackingError
from deeptrain.files import BEHIND, BLOCK, HashingFile, begin_writing, sha256_of
from deeptrain.store import locks

DATA = os.urandom(1 << 16) * (3 * BEHIND >> 16)
PLACES = st.integers(0, len(DATA)) | st.sampled_from([BLOCK, BLOCK + 1, BEHIND - 1, BEHIND, BEHIND + 1, 2 * BEHIND])


@settings(max_examples=20)
@given(st.lists(PLACES, max_size=5))
def test_bytes_and_digest_are_the_same_in_whatever_pieces_they_are_written(cuts: list[int]) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "file"
        file = HashingFile(path)
        for start, stop in pairwise(sorted([0, *cuts, len(DATA)])):
            assert file.write(memoryview(DATA)[start:stop]) == stop - start
            assert file.size == stop
        digest = file.finish("name")
        assert path.read_bytes() == DATA
        assert (digest.name, digest.bytes, digest.sha256) == ("name", len(DATA), hashlib.sha256(DATA).hexdigest())
        assert sha256_of(path) == digest.sha256


def test_a_write_that_takes_less_than_it_was_given_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[: max(1, len(data) // 3)]))
    file = HashingFile(tmp_path / "file")
    file.write(DATA[: 2 * BLOCK + 5])
    digest = file.finish("file")
    assert (tmp_path / "file").read_bytes() == DATA[: 2 * BLOCK + 5]
    assert digest.sha256 == hashlib.sha256(DATA[: 2 * BLOCK + 5]).hexdigest()


def test_a_system_that_cannot_begin_early_writes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_sync_file_range", lambda: None)
    file = HashingFile(tmp_path / "file")
    file.write(DATA)
    assert file.finish("file").sha256 == hashlib.sha256(DATA).hexdigest()


def test_beginning_early_leaves_every_error_to_the_sync(tmp_path: Path) -> None:
    begin_writing(-1, 0, BEHIND)
    with (tmp_path / "read").open("wb") as file:
        begin_writing(file.fileno(), -BEHIND, BEHIND)


def test_bytes_read_for_a_digest_are_told(tmp_path: Path) -> None:
    path, told = tmp_path / "file", []
    path.write_bytes(DATA[: 2 * BLOCK + 5])
    sha256_of(path, told.append)
    assert told == [BLOCK, BLOCK, 5]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(VALUES)
def test_readable_json_is_what_the_standard_library_indents(value: object) -> None:
    plain = files.plain(value)
    expected = json.dumps(plain, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    assert files.readable_json(value) == expected.encode()


def test_a_small_file_that_is_no_ordinary_one_or_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    data, status = files.read_with_status(tmp_path / "file", 5)
    assert data == b"12345"
    assert os.path.samestat(status, (tmp_path / "file").stat())
    with pytest.raises(ArtifactError, match="larger than the 4 bytes a file of its kind may have"):
        files.read_with_status(tmp_path / "file", 4)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for name, said in (
        ("link", "cannot be read: it is a link"),
        ("pipe", "not a regular file"),
        ("directory", "not a regular file"),
        ("absent", "cannot be read: No such file or directory"),
    ):
        with pytest.raises(ArtifactError, match=f"{name}: {said}"):
            files.read_json(tmp_path / name)
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


def test_a_directory_goes_whichever_close_a_signal_breaks_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each directory below it is closed by itself, and is closed when the signal comes."""
    close = os.close
    for broken_off in itertools.count(1):
        (tmp_path / "one/two/three").mkdir(parents=True)
        closes = itertools.count(1)

        def close_and_say(descriptor: int, closes: Iterator[int] = closes, broken_off: int = broken_off) -> None:
            close(descriptor)
            if next(closes) == broken_off:
                raise InterruptedError(errno.EINTR, "Interrupted system call")

        monkeypatch.setattr(os, "close", close_and_say)
        files.patiently(shutil.rmtree, tmp_path / "one")
        monkeypatch.undo()
        assert not (tmp_path / "one").exists()
        if next(closes) <= broken_off:
            break
    assert broken_off > 3


def test_what_the_system_lacks_is_told_of_artifacts_and_of_what_lies_beside_them_nothing_depends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message or a progress file that cannot be read is none, and ends no training."""
    path = tmp_path / "a.json"
    path.write_bytes(b"{}")

    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(LackingError, match=r"a\.json: cannot be read: Too many open files; allow more open files"):
        files.read_regular(path, 100)
    for read in (files.read_json, lambda path: files.read_with_status(path, 100)):
        with pytest.raises(ArtifactError, match=r"a\.json: cannot be read: Too many open files"):
            read(path)
    assert locks.holder(path) is None
