"""Shards as they are written and read: every sample comes back, and every byte that does not belong is noticed."""

import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.errors import AlteredError, ArtifactError, DataError
from deeptrain.shards import blocks, page_cache, reading, writing
from deeptrain.shards.info import DataInfo
from deeptrain.shards.layout import InputLayout
from tests import shard_files

RNG = np.random.Generator(np.random.Philox(1))


def values(count: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return RNG.integers(0, 200, (count, *shape)).astype(dtype)


@settings(max_examples=60)
@given(
    samples=st.integers(1, 60),
    per_shard=st.integers(1, 60),
    block_bytes=st.sampled_from([1, 64, 200, 4096, 1 << 20]),
    append=st.integers(1, 70),
    compression=st.sampled_from([None, "lz4", "zstd"]),
    kinds=st.lists(st.sampled_from(["image", "row", "number", "series"]), min_size=1, max_size=3),
    indices=st.lists(st.integers(0, 10**6), max_size=30),
)
def test_every_sample_comes_back_whatever_it_is_made_of(
    tmp_path_factory, samples, per_shard, block_bytes, append, compression, kinds, indices
):
    x: dict[str, Any] = {}
    for number, kind in enumerate(kinds):
        x[f"{kind}{number}"] = {
            "image": lambda: values(samples, (3, 2, 1), "uint8"),
            "row": lambda: values(samples, (7,), "float32"),
            "number": lambda: values(samples, (1,), "int64"),
            "series": lambda: [values(int(steps), (2,), "float64") for steps in RNG.integers(1, 6, samples)],
        }[kind]()
    labels = RNG.integers(0, 3, samples)
    split = shard_files.split(
        tmp_path_factory.mktemp("shards"),
        x,
        labels,
        samples_per_shard=per_shard,
        block_bytes=block_bytes,
        append=append,
        compression=compression,
        parts=3,
    )
    chosen = np.array(indices, np.int64) % samples
    found = split.take(chosen)
    found = found if len(x) > 1 else {next(iter(x)): found}
    for name, stored in x.items():
        assert len(found[name]) == len(chosen)
        for one, index in zip(found[name], chosen, strict=True):
            assert one.dtype == stored[index].dtype
            np.testing.assert_array_equal(one, stored[index])
    at = 0
    for number in range(len(split.blocks) - 1):
        block = split.read_block(number)
        block = block if len(x) > 1 else {next(iter(x)): block}
        for name, stored in x.items():
            for offset, one in enumerate(block[name]):
                np.testing.assert_array_equal(one, stored[at + offset])
        assert at == split.blocks[number]
        at += len(block[next(iter(x))])
    assert at == len(split) == samples
    np.testing.assert_array_equal(split.labels, labels)


@given(
    st.integers(1, 500),
    st.sampled_from([4, 12, 64, 784, 1000, 4096, 5000]),
    st.integers(1, 1 << 20),
    st.lists(st.integers(0, 500), max_size=4),
)
def test_blocks_are_whole_samples_within_their_bytes_and_begin_at_the_cuts(samples, size, block_bytes, cuts):
    stored = [InputLayout(name="x", dtype="uint8", shape=(size,))]
    firsts = blocks.firsts(stored, samples, {}, block_bytes, np.array(sorted(cuts), np.int64))
    counts = np.diff(firsts)
    assert firsts[0] == 0
    assert firsts[-1] == samples
    assert counts.min() >= 1
    assert all(count == 1 or count * size <= block_bytes for count in counts)
    assert all(cut in firsts for cut in cuts if 0 < cut < samples)


@pytest.mark.parametrize("size", [16, 784, 4096, 12288])
def test_blocks_are_whole_pages_where_that_costs_part_of_a_block_only(size):
    stored = [InputLayout(name="x", dtype="uint8", shape=(size,))]
    firsts = blocks.firsts(stored, 10**6, {}, 1 << 20)
    assert (firsts[:-1] * size % blocks.PAGE == 0).all()
    assert firsts[1] * size > 1 << 19


@given(st.lists(st.integers(1, 50), min_size=1, max_size=80), st.integers(1, 300))
def test_blocks_of_sequences_are_filled_in_order(lengths, block_bytes):
    stored = [InputLayout(name="x", dtype="uint8", shape=(), sequence=True)]
    firsts = blocks.firsts(stored, len(lengths), {"x": np.array(lengths)}, block_bytes).tolist()
    for first, last in pairwise(firsts):
        assert last == first + 1 or sum(lengths[first:last]) <= block_bytes
        assert last == len(lengths) or sum(lengths[first : last + 1]) > block_bytes


def test_the_same_samples_give_the_same_bytes_however_they_are_appended(tmp_path):
    x = {"a": values(100, (5,), "float32"), "b": [values(n % 4 + 1, (2,), "uint8") for n in range(100)]}
    made = [
        shard_files.write(tmp_path / str(append), x, np.zeros(100, np.int64), append=append, block_bytes=333)
        for append in (1, 7, 1000)
    ]
    contents = [
        {path.relative_to(one).as_posix(): path.read_bytes() for path in one.rglob("*") if path.is_file()}
        for one in made
    ]
    assert contents[0] == contents[1] == contents[2]


def test_numpy_reads_the_files(tmp_path):
    x = values(50, (3, 2), "int16")
    shard_files.write(tmp_path, x, np.arange(50) % 2, samples_per_shard=30)
    parts = [np.load(tmp_path / f"parts/0001/train-0000{number}.x.npy", mmap_mode="r") for number in (1, 2)]
    np.testing.assert_array_equal(np.concatenate(parts), x)
    origin = np.load(tmp_path / "whole/train.origin.npy")
    assert (origin.dtype, origin.shape) == (np.uint8, (50, 3))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": np.zeros((1, 2))}, r"train-00001: has no input 'y' \(there: x\)"),
        ({"x": np.zeros((1, 3))}, r"train-00001\.x: takes rows of shape \(2,\), got an array of \(1, 3\)"),
        ({"x": np.zeros((11, 2))}, r"train-00001\.x: 11 rows come where 10 are missing"),
        ({"x": np.zeros((9, 2))}, r"train-00001\.x: ends 1 rows before what was announced"),
    ],
)
def test_a_shard_takes_exactly_what_was_announced(tmp_path, arrays, message):
    stored = [InputLayout(name="x", dtype="float32", shape=(2,))]
    writer = shard_files.Directory(tmp_path)

    def write() -> None:
        with writing.ShardWriter(writer, "train-00001", stored, 10) as shard:
            shard.append(arrays)
            shard.close()

    with pytest.raises(ValueError, match=message):
        write()


def test_lengths_of_sequences_must_be_told(tmp_path):
    stored = [InputLayout(name="x", dtype="float32", shape=(2,), sequence=True)]
    writer = shard_files.Directory(tmp_path)
    with pytest.raises(ValueError, match="lengths must be given of each input that is a sequence"):
        writing.ShardWriter(writer, "train-00001", stored, 10)
    with pytest.raises(ValueError, match="needs 10 lengths of at least 1"):
        writing.ShardWriter(writer, "train-00001", stored, 10, lengths={"x": np.zeros(10, np.int64)})


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """40 samples in 4 shards of 2 blocks and 2 parts, 5 sets."""
    x = np.arange(80, dtype=np.float32).reshape(40, 2)
    return shard_files.write(
        tmp_path_factory.mktemp("made"),
        x,
        np.arange(40) % 2,
        set_sizes=[8] * 5,
        samples_per_shard=10,
        block_bytes=40,
        parts=2,
        weights=np.ones(40, np.float32),
        kind="binary",
    )


@given(indices=st.lists(st.integers(0, 39)), given_out=st.booleans())
def test_take_gives_any_samples_in_any_order(made, indices, given_out):
    split = reading.open(made).split("train")
    everything = np.arange(80, dtype=np.float32).reshape(40, 2)
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
    for array in (split.labels, split.origin, split.sets, split.weights, split.blocks):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_every_sample_knows_where_it_comes_from(made):
    split = reading.open(made).split("train")
    assert split.raw(7) == ("b.npy", 7)
    assert split.sets.tolist() == np.repeat(np.arange(1, 6), 8).tolist()


def test_a_split_that_is_not_there_is_refused(made):
    with pytest.raises(DataError, match=r"has no split 'test' \(there: train\); give it samples in splits"):
        reading.open(made).split("test")


def read_all(directory: Path) -> None:
    split = reading.open(directory).split("train")
    split.take(np.arange(len(split)))


def read_blocks(directory: Path) -> None:
    split = reading.open(directory).split("train")
    for number in range(len(split.blocks) - 1):
        split.read_block(number)


@pytest.mark.parametrize("read", [read_all, read_blocks])
def test_any_flipped_bit_of_a_sample_is_noticed_with_block_sets_and_both_checksums(made, tmp_path, read):
    directory = shutil.copytree(made, tmp_path / "copy")
    path = directory / "parts" / "0001" / "train-00003.x.npy"
    data = path.read_bytes()
    for position in range(4096, len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 16]) + data[position + 1 :])
        with pytest.raises(
            AlteredError,
            match=rf"train-00003\.x\.npy: altered: block {(position - 4096) // 40} \(counted from 0; sets? \d.*\) has "
            r"the xxh3 [0-9a-f]{16}, [0-9a-f]{16} is recorded; restore the file",
        ) as error:
            read(directory)
        assert error.value.directory == directory / "parts" / "0001"


def test_a_flipped_bit_of_a_header_is_noticed_when_its_file_is_first_read(made, tmp_path):
    directory = shutil.copytree(made, tmp_path / "copy")
    path = directory / "parts" / "0001" / "train-00003.x.npy"
    data = path.read_bytes()
    for position in (0, 9, 60, 4095):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        train = reading.open(directory).split("train")
        with pytest.raises(AlteredError, match=r"train-00003\.x\.npy: altered: its header is not what was written"):
            train.take(np.arange(len(train)))


SMALL = ["labels", "origin", "weights", "blocks", "x.xxh3"]


@pytest.mark.parametrize("name", SMALL)
def test_any_flipped_byte_of_a_small_array_is_noticed(made, tmp_path, name):
    directory = shutil.copytree(made, tmp_path / "copy")
    path = directory / "whole" / f"train.{name}.npy"
    data = path.read_bytes()
    for position in [*range(140), 4095, *range(4096, len(data))]:
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(AlteredError, match=rf"train\.{name}\.npy: altered: its (xxh3|header)"):
            reading.open(directory).split("train")


@pytest.mark.parametrize("name", ["parts/0002/train-00002.x.npy", *(f"whole/train.{name}.npy" for name in SMALL)])
@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:0],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data + bytes(800),
    ],
    ids=["empty", "half", "short", "long"],
)
def test_a_file_of_another_size_is_named_with_both_sizes(made, tmp_path, name, change: Callable[[bytes], bytes]):
    directory = shutil.copytree(made, tmp_path / "copy")
    path = directory / name
    data = path.read_bytes()
    path.write_bytes(change(data))
    with pytest.raises(
        AlteredError, match=rf"{path.name}: must have {len(data):,} bytes.*, has {len(change(data)):,}; restore"
    ):
        read_all(directory)


def swapped(directory: Path) -> None:
    one, two = directory / "parts/0001/train-00001.x.npy", directory / "parts/0001/train-00003.x.npy"
    data = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(data)


def missing(directory: Path) -> None:
    (directory / "parts/0002/train-00002.x.npy").unlink()


def link(directory: Path) -> None:
    path = directory / "parts/0002/train-00002.x.npy"
    shutil.move(path, directory / "elsewhere")
    path.symlink_to(directory / "elsewhere")


def pickle(directory: Path) -> None:
    path = directory / "parts/0002/train-00002.x.npy"
    size = path.stat().st_size
    with path.open("wb") as file:
        np.save(file, np.array([print], dtype=object), allow_pickle=True)
        file.write(b"\0" * (size - file.tell()))


def linked_part(directory: Path) -> None:
    shutil.move(directory / "parts/0002", directory / "elsewhere")
    (directory / "parts/0002").symlink_to(directory / "elsewhere")


def other_labels(directory: Path) -> None:
    np.load(directory / "whole/train.labels.npy")
    told = json.loads((directory / "whole/data.json").read_bytes())
    told["info"]["label_counts"]["train"] = [19, 21]
    (directory / "whole/data.json").write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (swapped, AlteredError, r"train-00001\.x\.npy: altered: block 0"),
        (missing, AlteredError, r"train-00002\.x\.npy: cannot be read: No such file or directory; restore"),
        (link, AlteredError, r"train-00002\.x\.npy: is a link"),
        (pickle, AlteredError, r"train-00002\.x\.npy: altered"),
        (linked_part, DataError, r"parts/0002: is a link or a file; shards must lie in their directory"),
        (other_labels, DataError, r"the labels of train are not those of data\.json"),
    ],
)
def test_files_that_do_not_belong_are_noticed(made, tmp_path, change, error, message):
    directory = shutil.copytree(made, tmp_path / "copy")
    change(directory)
    with pytest.raises(error, match=message):
        read_all(directory)


def test_a_file_that_changes_while_it_is_read_is_compared_again(made, tmp_path):
    directory = shutil.copytree(made, tmp_path / "copy")
    split = reading.open(directory).split("train")
    split.take(np.arange(40))
    path = directory / "parts/0001/train-00001.x.npy"
    data = bytearray(path.read_bytes())
    data[4096 + 60] ^= 1
    path.write_bytes(data)
    with pytest.raises(AlteredError, match=r"train-00001\.x\.npy: altered: block 1 "):
        split.take(np.arange(40))


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_any_flipped_bit_of_a_compressed_block_is_noticed_before_it_is_unpacked(tmp_path, compression):
    directory = shard_files.write(
        tmp_path, np.zeros((40, 8), np.float32), np.arange(40) % 2, compression=compression, block_bytes=320
    )
    path = directory / "parts/0001/train-00001.x.blocks"
    data = path.read_bytes()
    assert len(data) < 40 * 32
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(AlteredError, match=r"train-00001\.x\.blocks: altered: block \d"):
            read_all(directory)


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("size", [1024, 1000, 7])
def test_reads_past_the_page_cache_give_the_same_bytes(tmp_path, monkeypatch, direct, size):
    """Blocks on pages and off them, in the page cache or not: the way of reading changes nothing."""
    x = values(3000, (size,), "uint8")
    split = shard_files.split(tmp_path, x, np.zeros(3000, np.int64), samples_per_shard=1100, block_bytes=100_000)
    monkeypatch.setattr(page_cache, "holds", lambda *_: not direct)
    for number in range(len(split.blocks) - 1):
        np.testing.assert_array_equal(split.read_block(number), x[split.blocks[number] : split.blocks[number + 1]])


@pytest.mark.parametrize(
    ("value", "keys", "message"),
    [
        (3, "version", r"data\.json: is of version 3, this deeptrain reads 2; use a newer one"),
        (1, "version", r"describes no shards of version 2; make the shards again"),
        ("2", "version", r"describes no shards of version 2"),
        ("../../x", "splits.train.shards.0.name", r"the shard name '\.\./\.\./x' is not of the form train-00001"),
        ("/etc/passwd", "splits.train.shards.0.name", r"the shard name '/etc/passwd' is not of the form"),
        ("train-00001\0", "splits.train.shards.0.name", r"the shard name 'train-00001\\x00' is not of the form"),
        ("val-00001", "splits.train.shards.0.name", r"a shard is named twice or in another split than its own"),
        ("train-00002", "splits.train.shards.0.name", r"a shard is named twice"),
        ("..", "splits.train.shards.0.part", r"the part '\.\.' of train-00001 is not of the form 0001, up to 0064"),
        ("0065", "splits.train.shards.0.part", r"the part '0065' of train-00001 is not of the form"),
        ("0000", "splits.train.shards.0.part", r"the part '0000' of train-00001 is not of the form"),
        (-1, "splits.train.shards.0.samples", r"the shard train-00001 has -1 samples"),
        (11, "splits.train.shards.0.samples", r"the sets do not add up to the 41 samples of the shards"),
        (10**12, "splits.train.shards.0.samples", r"the sets do not add up"),
        ("10", "splits.train.shards.0.samples", r"[Ee]xpected `int`, got `str`"),
        (["../x.csv"], "raw", r"the raw file name '\.\./x\.csv' is not relative"),
        (["a\nb"], "raw", r"the raw file name 'a\\nb' is not relative"),
        ("../x", "inputs.0.name", r"an input's name must be letters, digits and _, at most 64, got '\.\./x'"),
        ([3], "inputs.0.shape", r"the inputs are stored as .* info says"),
        ("object", "inputs.0.dtype", r"[Ii]nvalid enum value 'object'"),
        (0, "block_bytes", r"block_bytes must be at least 1, got 0"),
        ("gzip", "compression", r"[Ii]nvalid enum value 'gzip'"),
        (1, "splits.train.sets.1.first", r"the set numbers do not grow"),
        (9, "splits.train.sets.4.first", r"the set numbers of train are not those of data\.json"),
        ({}, "splits", r"the shards hold .* samples, info says"),
        ({}, "arrays", r"tells of no array train\.labels; make the shards again"),
        ([39], "arrays.train\\labels.shape", r"train\.labels\.npy: must have 4,135 bytes .* has 4,136"),
        ("xyz", "arrays.train\\labels.xxh3", r"no array has the shape \[40\] and the xxh3 'xyz'"),
        (1, "surplus", r"unknown field `surplus`"),
    ],
)
def test_a_data_json_that_breaks_a_rule_is_refused(made, tmp_path, value, keys, message):
    directory = shutil.copytree(made, tmp_path / "copy")
    path = directory / "whole" / "data.json"
    told = json.loads(path.read_bytes())
    place = told
    *parents, last = keys.split(".")
    for key in parents:
        place = place[int(key) if key.isdecimal() else key.replace("\\", ".")]
    place[last] = value
    path.write_text(json.dumps(told))
    with pytest.raises((DataError, AlteredError), match=message) as error:
        read_all(directory)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"[" * 200_000, b"null", b"\xff"])
def test_a_data_json_that_is_none_is_refused(tmp_path, data):
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "data.json").write_bytes(data)
    with pytest.raises((DataError, ArtifactError), match=r"data\.json: (no valid JSON|describes no shards)"):
        reading.open(tmp_path)


def test_a_directory_without_data_json_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"data\.json: cannot be read"):
        reading.open(tmp_path)


def test_data_info_comes_back_from_json(made):
    info = reading.open(made).info
    assert msgspec.convert(json.loads(json.dumps(info.plain())), DataInfo) == info


def test_labels_that_are_the_input_are_not_stored(tmp_path):
    split = shard_files.split(tmp_path, values(10, (2,), "float32"))
    assert not (tmp_path / "whole" / "train.labels.npy").exists()
    with pytest.raises(DataError, match="labels are the input"):
        _ = split.labels
