import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.errors import ArtifactError, DataError
from deeptrain.shards import reading
from deeptrain.shards.info import DataInfo


@pytest.fixture(scope="module")
def made(tmp_path_factory, tools) -> Path:
    """Shards of 100 samples: 4 of train and 6 of val with 10 rows each."""
    base = tmp_path_factory.mktemp("made")
    tools.write_csv(base / "raw" / "a.csv", [[i, -i, i % 2] for i in range(100)], "x,y,label")
    return tools.convert(base, splits={"train": 40, "val": 60}, samples_per_shard=10).directory


@settings(deadline=None)
@given(indices=st.lists(st.integers(0, 39)), given_out=st.booleans())
def test_take_gives_any_samples_in_any_order(made, indices, given_out):
    split = reading.open(made).split("train")
    everything = np.concatenate([np.load(made / "parts" / f"train-{i:05d}.x.npy") for i in range(1, 5)])
    out = np.full((len(indices), 2), np.nan, np.float32) if given_out else None
    found = split.take(np.array(indices, np.int64), out)
    assert found.tobytes() == everything[np.array(indices, np.int64)].tobytes()
    assert type(found) is np.ndarray
    assert out is None or found is out


@pytest.mark.parametrize("indices", [[40], [-1], [0, 39, 40], [3, -1]])
def test_samples_that_are_not_there_are_refused(made, indices):
    with pytest.raises(IndexError, match=r"train has samples 0 to 39, asked for (40|-1)"):
        reading.open(made).split("train").take(np.array(indices))


def test_wrong_arguments_of_take_are_refused(made):
    split = reading.open(made).split("train")
    with pytest.raises(TypeError, match="indices must be whole numbers on one axis, got float64"):
        split.take(np.array([0.5]))
    with pytest.raises(TypeError, match="got bool"):
        split.take(np.ones(40, bool))
    for out in (np.empty((2, 3), np.float32), np.empty((2, 2)), np.empty((2, 4), np.float32)[:, ::2]):
        with pytest.raises(ValueError, match=r"out must be a C array of \(2, 2\) float32"):
            split.take(np.array([0, 1]), out)


def test_what_is_read_cannot_be_changed_by_mistake(made):
    split = reading.open(made).split("train")
    before = split.take(np.array([0]))
    split.take(np.array([0]))[:] = 7
    assert np.array_equal(split.take(np.array([0])), before)
    for array in (split.labels, split.rows, split.sets):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_a_split_that_is_not_there_is_refused(made):
    with pytest.raises(DataError, match=r"has no split 'test' \(there: train, val\); give it samples in splits"):
        reading.open(made).split("test")


def read_all(directory: Path) -> None:
    shards = reading.open(directory)
    for name in ("train", "val"):
        shards.split(name).take(np.arange(len(shards.split(name))))


@pytest.mark.parametrize("kind", ["x", "y", "rows"])
@pytest.mark.parametrize(
    "change",
    [lambda data: data[:0], lambda data: data[:-1], lambda data: data + b"\0" * 800],
    ids=["empty", "short", "long"],
)
def test_a_file_of_another_size_is_named_with_both_sizes(made, tmp_path, kind, change: Callable[[bytes], bytes]):
    directory = shutil.copytree(made, tmp_path / "copy")
    path = directory / "parts" / f"val-00003.{kind}.npy"
    data = path.read_bytes()
    path.write_bytes(change(data))
    with pytest.raises(
        DataError,
        match=rf"val-00003\.{kind}\.npy: must have {len(data):,} bytes .*, has {len(change(data)):,}; restore",
    ):
        read_all(directory)


def test_any_changed_byte_of_a_header_is_noticed(made, tmp_path):
    directory = shutil.copytree(made, tmp_path / "copy")
    path = directory / "parts" / "train-00001.x.npy"
    data = path.read_bytes()
    for position in [*range(140), *range(140, 4096, 97), 4095]:
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(
            DataError, match=r"train-00001\.x\.npy: its header is not that of shape \(10, 2\) of float32"
        ):
            read_all(directory)
    path.write_bytes(data)
    read_all(directory)


def test_a_pickle_in_place_of_a_shard_is_not_opened(made, tmp_path):
    directory = shutil.copytree(made, tmp_path / "copy")
    path = directory / "parts" / "train-00001.x.npy"
    size = path.stat().st_size
    with path.open("wb") as file:
        np.save(file, np.array([print], dtype=object), allow_pickle=True)
        file.write(b"\0" * (size - file.tell()))
    with pytest.raises(DataError, match="its header is not that"):
        read_all(directory)


def swap_rows(directory: Path) -> None:
    one, two = (directory / "parts" / f"train-0000{i}.rows.npy" for i in (1, 4))
    data = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(data)


def wrong_labels(directory: Path) -> None:
    path = directory / "parts" / "val-00001.y.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")


def wrong_file(directory: Path) -> None:
    path = directory / "parts" / "val-00001.rows.npy"
    data = bytearray(path.read_bytes())
    data[4096 + 8] = 9
    path.write_bytes(data)


def missing(directory: Path) -> None:
    (directory / "parts" / "val-00006.x.npy").unlink()


def link(directory: Path) -> None:
    path = directory / "parts" / "val-00006.x.npy"
    shutil.move(path, directory.parent / "elsewhere")
    path.symlink_to(directory.parent / "elsewhere")


def linked_parts(directory: Path) -> None:
    shutil.move(directory / "parts", directory.parent / "elsewhere")
    (directory / "parts").symlink_to(directory.parent / "elsewhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swap_rows, "the set numbers of train are not those of data.json"),
        (wrong_labels, "the labels of val are not those counted in data.json"),
        (wrong_file, "val names raw files that are not in data.json"),
        (missing, r"val-00006\.x\.npy: cannot be read: No such file or directory; make the shards again"),
        (link, r"val-00006\.x\.npy: is no plain file"),
        (linked_parts, r"parts: is a link to .*elsewhere; shards must lie in their directory"),
    ],
)
def test_parts_that_do_not_belong_are_noticed(made, tmp_path, change, message):
    directory = shutil.copytree(made, tmp_path / "copy")
    change(directory)
    with pytest.raises(DataError, match=message):
        read_all(directory)


@pytest.mark.parametrize(
    ("value", "keys", "message"),
    [
        (2, "version", r"data\.json: is of version 2, this deeptrain reads 1; use a newer one"),
        ("1", "version", r"describes no shards of version 1"),
        ("../../x", "splits.train.shards.0.name", r"the shard name '\.\./\.\./x' is not of the form parts/train-00001"),
        ("/etc/passwd", "splits.train.shards.0.name", r"the shard name '/etc/passwd' is not of the form"),
        (
            "parts/train-00001\0",
            "splits.train.shards.0.name",
            r"the shard name 'parts/train-00001\\x00' is not of the form",
        ),
        ("parts/train-00001\n", "splits.train.shards.0.name", r"is not of the form"),
        ("parts/val-00001", "splits.train.shards.0.name", r"a shard is named twice or in another split than its own"),
        ("parts/train-00002", "splits.train.shards.0.name", r"a shard is named twice"),
        (-1, "splits.train.shards.0.rows", r"the shard parts/train-00001 has -1 rows"),
        (11, "splits.train.shards.0.rows", r"the sets do not add up to the 41 rows of the shards"),
        (10**12, "splits.train.shards.0.rows", r"the sets do not add up"),
        (
            "10",
            "splits.train.shards.0.rows",
            r"[Ee]xpected `int`, got `str` - at `\$\.splits\[\.\.\.\]\.shards\[0\]\.rows`",
        ),
        (["../x.csv"], "raw", r"the raw file name '\.\./x\.csv' is not relative"),
        (["/x.csv"], "raw", r"the raw file name '/x\.csv' is not relative"),
        (["a\nb"], "raw", r"the raw file name 'a\\nb' is not relative"),
        ("object", "info.dtype", r"[Ii]nvalid enum value 'object' - at `\$\.info\.dtype`"),
        ([2, -1], "info.shape", r"shape must have axes of at least 1"),
        ([], "info.shape", r"shape must have axes of at least 1"),
        (39, "info.samples.train", r"label_counts of train do not add up to its 39 samples"),
        (["a"], "info.classes", r"1 classes do not fit labels of kind binary"),
        ({}, "info.samples", r"samples and label_counts must be given for train, val, calibration, test"),
        (1, "splits.val.sets.0.first", r"a set number belongs to two splits"),
        (1, "splits.val.sets.1.first", r"the set numbers do not grow"),
        ({}, "splits", r"the shards hold .* samples, info says"),
        (1, "surplus", r"unknown field `surplus`"),
    ],
)
def test_a_data_json_that_breaks_a_rule_is_refused(made, tmp_path, value, keys, message):
    directory = shutil.copytree(made, tmp_path / "copy")
    told = json.loads((directory / "data.json").read_bytes())
    place = told
    *parents, last = keys.split(".")
    for key in parents:
        place = place[int(key) if key.isdecimal() else key]
    place[last] = value
    (directory / "data.json").write_text(json.dumps(told))
    with pytest.raises(DataError, match=message) as error:
        read_all(directory)
    assert "data.json" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"[" * 200_000, b"null", b"\xff"])
def test_a_data_json_that_is_none_is_refused(tmp_path, data):
    (tmp_path / "data.json").write_bytes(data)
    with pytest.raises((DataError, ArtifactError), match=r"data\.json: (no valid JSON|describes no shards)"):
        reading.open(tmp_path)


def test_a_directory_without_data_json_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"data\.json: cannot be read"):
        reading.open(tmp_path)


def test_data_info_comes_back_from_plain_and_tells_the_outputs(made):
    info = reading.open(made).info
    assert DataInfo.from_plain(json.loads(json.dumps(info.plain()))) == info
    assert (info.outputs, info.label_dtype, info.shape, info.dtype) == (1, "uint8", (2,), "float32")
    with pytest.raises(DataError, match=r"here: .*missing required field `shape`"):
        DataInfo.from_plain({}, "here")
    with pytest.raises(AttributeError):
        info.shape = (3,)
