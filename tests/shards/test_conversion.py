import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.shards import conversion, npy, reading, sources
from deeptrain.store.completeness import Checker


def make(base: Path, rows: list[int], classes: int = 2, columns: int = 4) -> dict[tuple[str, int], list[int]]:
    """Raw files with so many rows each; every cell is unique, the last column is the label."""
    written: dict[tuple[str, int], list[int]] = {}
    for file, count in enumerate(rows, 1):
        lines = []
        for row in range(count):
            number = len(written)
            lines.append([number * columns + column for column in range(columns)] + [number % classes])
            written[f"part{file}.csv", row] = lines[-1]
        (base / "raw").mkdir(exist_ok=True)
        header = ",".join([f"x{column}" for column in range(columns)] + ["label"])
        text = "".join(f"{','.join(map(str, line))}\n" for line in lines)
        (base / "raw" / f"part{file}.csv").write_text(f"{header}\n{text}")
    return written


@settings(deadline=None, max_examples=15)  # they write files
@given(
    rows=st.lists(st.integers(1, 30), min_size=1, max_size=12).filter(lambda rows: sum(rows) >= 40),
    classes=st.integers(2, 4),
    per_set=st.integers(1, 40),
    per_shard=st.integers(1, 40),
    seed=st.integers(0, 9),
    dtype=st.sampled_from(["float32", "float64", "int64", "uint16"]),
)
def test_every_raw_sample_comes_back_with_its_label_set_and_origin(
    tmp_path_factory, tools, rows, classes, per_set, per_shard, seed, dtype
):
    base = tmp_path_factory.mktemp("base")
    written = make(base, rows, classes)
    shards = tools.convert(
        base,
        splits={"train": 0.4, "val": 0.3, "test": 0.3},
        samples_per_set=per_set,
        samples_per_shard=per_shard,
        seed=seed,
        dtype=dtype,
        shape=[2, 2],
    )
    assert shards.info.samples["calibration"] == 0
    came_back = {}
    last_set = 0
    for name in ("train", "val", "test"):
        split = shards.split(name)
        assert len(split) == shards.info.samples[name] == len(split.labels) == len(split.sets)
        x = split.take(np.arange(len(split)))
        assert x.shape == (len(split), 2, 2)
        assert x.dtype == np.dtype(dtype)
        for index in range(len(split)):
            label = int(shards.info.classes[split.labels[index]])
            came_back[split.raw(index)] = [*x[index].reshape(-1).tolist(), label]
        assert split.sets.tolist() == [last_set + 1 + i // per_set for i in range(len(split))]
        last_set = int(split.sets[-1])
        counts = Counter(split.labels.tolist())
        assert shards.info.label_counts[name] == tuple(counts[number] for number in range(classes))
    assert came_back == written  # all of them, each once, or keys would be missing
    train = shards.split("train").take(np.arange(shards.info.samples["train"])).astype(np.float64)
    told = shards.info.statistics
    assert (told.count, told.min, told.max, told.nan) == (train.size, train.min(), train.max(), 0)
    assert [told.mean, told.std] == pytest.approx([train.mean(), train.std()], rel=1e-12)


def test_two_conversions_give_the_same_bytes_wherever_the_raw_files_lie(tmp_path: Path, tools):
    make(tmp_path, [20, 30])
    moved = tmp_path / "else where"
    moved.mkdir()
    shutil.copytree(tmp_path / "raw", moved / "other")

    def files_of(shards):
        return tools.tree(shards.directory.parent)

    first = files_of(tools.convert(tmp_path, samples_per_shard=7))
    again = files_of(tools.convert(tmp_path, samples_per_shard=7))
    third = files_of(tools.convert(moved, path=str(moved / "other"), samples_per_shard=7))
    assert first == again == third
    assert not any(str(tmp_path).encode() in data for data in first.values())
    assert first != files_of(tools.convert(tmp_path, samples_per_shard=7, seed=1))


@settings(deadline=None, max_examples=15)  # they write files
@given(
    rows=st.lists(st.integers(1, 30), min_size=1, max_size=6).filter(lambda rows: sum(rows) >= 40),
    memory=st.integers(1, 4000),
    shuffle=st.booleans(),
    dtype=st.sampled_from(["float32", "int16"]),  # as it goes into shards, and another
)
def test_arrays_come_back_whatever_the_memory_that_their_pieces_share(
    tmp_path_factory, tools, rows, memory, shuffle, dtype
):
    base = tmp_path_factory.mktemp("base")
    (base / "raw").mkdir()
    raw = np.arange(sum(rows) * 6).reshape(-1, 2, 3).astype(dtype)
    for number, part in enumerate(np.split(raw, np.cumsum(rows)[:-1]), 1):
        np.save(base / "raw" / f"x-{number}.npy", part)
    asked = {"labels": "input", "samples_per_set": 7, "samples_per_shard": 16, "shuffle": shuffle}
    made = tools.planned(base, **asked)
    conversion.make(made, Checker(), memory=memory)
    shards = reading.open(made.directory)
    starts = np.cumsum([0, *rows])
    for name in ("train", "val"):
        split = shards.split(name)
        expected = raw[starts[split.origin[:, 1].astype(int)] + split.origin[:, 2].astype(int)]
        assert np.array_equal(split.take(np.arange(len(split))), expected)
    again = tools.planned(base, **asked)
    conversion.make(again, Checker())
    assert tools.tree(again.root) == tools.tree(made.root)


def test_a_conversion_that_fails_while_it_writes_leaves_no_thread_and_no_artifact(tmp_path: Path, tools):
    (tmp_path / "raw").mkdir()
    raw = np.zeros((100, 3), np.float32)
    raw[70] = np.inf
    np.save(tmp_path / "raw" / "x.npy", raw)
    made = tools.planned(tmp_path, labels="input", shuffle=False)
    with pytest.raises(DataError, match=r"x\.npy: row 70: the value is inf"):
        conversion.make(made, Checker(), memory=300)
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(("write shards", "sum values"))]
    assert not list(made.root.rglob("part.json"))


def test_shards_are_npy_files_of_plain_numpy_with_data_at_byte_4096(tmp_path: Path, tools):
    make(tmp_path, [50])
    shards = tools.convert(tmp_path, samples_per_shard=10, dtype="int16", shape=[2, 2, 1])
    part = shards.directory / "parts" / "0001"
    names = sorted(path.name for path in part.glob("*.x.npy"))
    assert names == [f"{split}-0000{number}.x.npy" for split in ("train", "val") for number in (1, 2, 3)]
    path = part / "train-00003.x.npy"
    expected = shards.split("train").take(np.arange(20, 25))
    for mode in (None, "r"):
        assert np.array_equal(np.load(path, mmap_mode=mode, allow_pickle=False), expected)
    assert path.read_bytes()[npy.OFFSET :] == expected.astype("<i2").tobytes()


@settings(deadline=None)
@given(
    dtype=st.sampled_from(["<f4", "<f8", "<i8", "|u1", ">f4"]),
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
)
def test_any_array_is_written_as_numpy_reads_it(tmp_path_factory, dtype, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    with path.open("wb") as file:
        npy.write(file, array)
    assert np.array_equal(np.load(path, allow_pickle=False), array)
    assert np.array_equal(npy.mapped(path, np.dtype(dtype), tuple(shape)), array)


def test_raw_data_sorted_by_class_becomes_sets_of_mixed_classes(tmp_path: Path, tools):
    tools.write_csv(tmp_path / "raw" / "a.csv", [[i, int(i >= 500)] for i in range(1000)], "x,label")
    train = tools.convert(tmp_path, splits={"train": 900, "val": 100}).split("train")
    means = [train.labels[train.sets == number].mean() for number in np.unique(train.sets)]
    assert 0.1 < min(means) < max(means) < 0.9


def test_labels_apart_belong_to_the_samples_in_natural_order(tmp_path: Path, tools):
    for number in (1, 2, 10):
        tools.write_csv(tmp_path / "raw" / f"{number}.csv", [[number * 100 + i, 0.5] for i in range(10)])
    order = [*range(100, 110), *range(200, 210), *range(1000, 1010)]
    tools.write_csv(tmp_path / "raw" / "labels.csv", [[f"id {i}", i] for i in order], "id,value")
    shards = tools.convert(tmp_path, labels={"path": "raw/labels.csv", "column": "value", "kind": "values"})
    for name in ("train", "val"):
        split = shards.split(name)
        assert split.take(np.arange(len(split)))[:, 0].tolist() == split.labels.tolist()
        assert shards.info.columns == ("0", "1")
    found = sources.find(tools.settings(labels={"path": "raw/labels.csv"}), tmp_path)["raw"]
    assert [file.name for file in found.all] == ["1.csv", "2.csv", "10.csv", "labels.csv"]


def test_a_bad_label_apart_is_named_with_its_file_and_sample(tmp_path: Path, tools):
    tools.write_csv(tmp_path / "raw" / "a.csv", [[i] for i in range(40)])
    tools.write_csv(tmp_path / "y.csv", [*[[i] for i in range(39)], ["x"]], "y")
    message = r"y\.csv: for .*raw/a\.csv: line 40: the label 'x' is no number, labels\.kind asks for values"
    with pytest.raises(DataError, match=message):
        tools.convert(tmp_path, labels={"path": "y.csv", "kind": "values"})


def test_a_group_stays_together_and_is_no_feature(tmp_path: Path, tools):
    rows = [[i, i % 2, f"person {i // 10}"] for i in range(200)]
    tools.write_csv(tmp_path / "raw" / "a.csv", rows, "x,label,who")
    shards = tools.convert(tmp_path, splits={"train": 0.5, "val": 0.25, "test": 0.25, "group": "who"})
    assert shards.info.columns == ("x",)
    people = [set((shards.split(name).origin[:, 2] // 10).tolist()) for name in ("train", "val", "test")]
    assert sorted(person for some in people for person in some) == list(range(20))
    assert list(shards.info.samples.items()) == [("train", 100), ("val", 50), ("calibration", 0), ("test", 50)]


GOOD = "a,b,label\n" + "".join(f"{i},{i + 1},{i % 2}\n" for i in range(20))


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        (
            GOOD,
            {"labels": {"column": "lable"}},
            r"raw: labels\.column 'lable' is no column; did you mean label\? columns: a, b, label",
        ),
        (
            GOOD,
            {"splits": {"train": 5, "val": 5, "group": "who"}},
            r"splits\.group 'who' is no column; columns: a, b, label",
        ),
        (GOOD, {"labels": {"column": "label", "positive": 8}}, r"raw: labels 'label': labels\.positive 8 never occurs"),
        (GOOD, {"shape": [8, 8]}, r"raw: data\.shape \[8, 8\] takes 64 values, a sample has 2 feature columns: a, b"),
        (GOOD, {"splits": {"train": 15, "val": 15}}, r"train 15 \+ val 15 = 30 samples are asked for, there are 20"),
        (GOOD, {"dtype": "uint8", "path": "missing"}, r"missing: does not exist"),
        (GOOD.replace("7,8,1", "7,nan,1"), {}, r"a\.csv: line 9, column 'b': the value is nan"),
        (GOOD.replace("7,8,1", "7,8,nan"), {}, r"a\.csv: line 9, column 'label': the value is nan"),
        (GOOD.replace("7,8,1", "7,8,"), {}, r"a\.csv: line 9, column 'label': the cell is empty"),
        (GOOD[: len(GOOD) // 2], {}, r"a\.csv: line 12: has 2 cells where the first line has 3; is the file cut off"),
        (
            re.sub(",[01]\n", ",1\n", GOOD),
            {},
            r"raw: labels 'label': all 20 labels are 1; there is nothing to tell apart",
        ),
        ("label\n1\n2\n", {}, r"raw: no features: its columns are label, none is left for samples"),
        (
            GOOD,
            {"labels": {"path": "y.csv"}},
            r"y\.csv: has 3 labels for the 20 samples of .*raw; give one",
        ),
        (GOOD, {"labels": {"path": "y.csv", "column": "z"}}, r"y\.csv: has no column 'z'; it has y"),
        (
            GOOD,
            {"labels": {"path": "raw/a.csv"}, "path": "y.csv"},
            r"a\.csv: has 20 labels for the 3 samples of .*y\.csv; give one a sample",
        ),
        (GOOD, {"labels": {"path": "nowhere.csv"}}, r"nowhere\.csv: does not exist"),
    ],
)
def test_what_is_wrong_with_data_is_said_in_one_line_and_nothing_is_written(
    tmp_path: Path, tools, text, changes, message
):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.csv").write_text(text)
    (tmp_path / "y.csv").write_text("y\n1\n0\n1\n")
    with pytest.raises(DataError, match=message) as error:
        tools.convert(tmp_path, **changes)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "shards0").exists()


@pytest.mark.parametrize("count", [19, 21])
def test_fewer_or_more_labels_than_samples_are_refused_with_both_numbers(tmp_path: Path, tools, count):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.csv").write_text(GOOD)
    tools.write_csv(tmp_path / "y.csv", [[i % 2] for i in range(count)])
    with pytest.raises(DataError, match=rf"y\.csv: has {count} labels for the 20 samples"):
        tools.convert(tmp_path, labels={"path": "y.csv"})


def test_a_file_cut_at_a_line_end_is_found_by_the_number_of_labels(tmp_path: Path, tools):
    tools.write_csv(tmp_path / "raw" / "a.csv", [[i, i] for i in range(10)])
    tools.write_csv(tmp_path / "y.csv", [[i % 2] for i in range(20)])
    with pytest.raises(DataError, match="has 20 labels for the 10 samples"):
        tools.convert(tmp_path, labels={"path": "y.csv"})


def test_data_json_says_what_a_person_wants_to_know(tmp_path: Path, tools):
    make(tmp_path, [50])
    shards = tools.convert(tmp_path, samples_per_set=8, samples_per_shard=20)
    told = json.loads((shards.directory / "whole" / "data.json").read_bytes())
    assert told["raw"] == ["part1.csv"]
    assert told["info"] == json.loads(json.dumps(shards.info.plain()))
    assert told["splits"]["val"] == {
        "shards": [
            {"name": "val-00001", "part": "0001", "samples": 20},
            {"name": "val-00002", "part": "0001", "samples": 5},
        ],
        "sets": [{"first": 5, "count": 3, "samples": 8}, {"first": 8, "count": 1, "samples": 1}],
    }


LOADER = """
import sys
import numpy as np
from deeptrain import formats
from deeptrain.shards import conversion, reading

FIRST = 0

@formats.loader(".xyz")
def load(path):
    return {"x": np.arange(FIRST, FIRST + 64, dtype=np.float32)[:, None], "label": np.arange(64) % 2}

made = conversion.convert(
    "raw", "out", splits={"train": 0.5, "val": 0.5}, labels={"column": "label"}, shuffle=False, samples_per_set=8
)
print(made.name, int(reading.open(made).split("train").take(np.arange(32)).min()) // 64)
"""


def test_the_code_of_a_registered_loader_is_in_the_identity_of_what_it_read(tmp_path: Path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.xyz").write_text("1")
    told = []
    for first in ("0", "0  # said again", "640"):
        script = tmp_path / "my-script.py"
        script.write_text(LOADER.replace("FIRST = 0", f"FIRST = {first}"))
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(
            [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        told.append(done.stdout.split())
    assert told[0] == told[1]
    assert told[0][0] != told[2][0]
    assert [rows for _, rows in told] == ["0", "0", "10"]
