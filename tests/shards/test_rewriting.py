"""What is written in any format is read back as it was, or refused with the rule."""

import csv
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from deeptrain.errors import DataError
from deeptrain.formats import discovery, wav
from deeptrain.formats.registry import FORMATS
from deeptrain.formats.writers import KINDS
from deeptrain.shards import rewriting

TEXT = {"csv", "tsv", "svmlight"}  # numbers without a dtype
DTYPES = ("bool", "int8", "uint8", "int16", "int64", "uint64", "float16", "float32", "float64")


@dataclass
class Data:
    """Sets of samples as a loader function gives them, and their labels."""

    sets: list[Any]
    labels: Any

    def write(self, directory: Path) -> dict[str, Any]:
        """A file a set, and the function that reads them."""
        directory.mkdir()
        for number in range(len(self.sets)):
            (directory / f"set-{3 * number + 2}.mine").touch()
        if self.labels is not None:
            words = isinstance(self.labels, list)
            name = directory / ("labels.csv" if words else "labels.npy")
            if words:
                with name.open("w", newline="") as file:
                    csv.writer(file).writerows([["label"], *([word] for word in self.labels)])
            else:
                np.save(name, self.labels)
        of = {f"set-{3 * number + 2}.mine": one for number, one in enumerate(self.sets)}
        return {"loader": lambda path: of[path.name]}


def finite(dtype: str, shape: Any) -> Any:
    elements = {} if dtype[0] in "biu" else {"allow_nan": False, "allow_infinity": False}
    return arrays.arrays(dtype, shape, elements=arrays.from_dtype(np.dtype(dtype), **elements))


@st.composite
def samples(draw: Any, count: int, kind: str, dtypes: dict[str, str]) -> Any:
    def array(name: str, *shape: int) -> Any:
        return draw(finite(dtypes[name], shape))

    if kind == "rows":
        return array("x", count, 3)
    if kind == "scalars":
        return array("x", count)
    if kind == "arrays":
        return array("x", count, 2, 3)
    if kind == "pictures":
        return array("x", count, 3, 2, 3)
    if kind == "sequences":
        return [array("x", draw(st.integers(1, 4)), 2) for _ in range(count)]
    return {"first": array("first", count, 2), "second": array("second", count, 2, 2)}


KINDS_OF = ["rows", "scalars", "arrays", "pictures", "sequences", "several"]
FITTING = {"image": ["pictures"], "wav": ["sequences"], **{to: ["rows", "scalars"] for to in TEXT}}


@st.composite
def data(draw: Any, formats: tuple[str, str]) -> Data:
    """Mostly what one of the two formats can say."""
    fitting = [kind for to in formats for kind in FITTING.get(to, KINDS_OF)]
    kind = draw(st.sampled_from([*fitting, *fitting, *fitting, draw(st.sampled_from(KINDS_OF))]))
    dtypes = {name: draw(st.sampled_from(DTYPES)) for name in ("x", "first", "second")}
    if kind == "pictures":
        dtypes["x"] = draw(st.sampled_from(["uint8", "uint8", "float32"]))
    counts = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    sets = [draw(samples(count, kind, dtypes)) for count in counts]
    total = sum(counts)
    labels = draw(
        finite("float32", total)
        if "svmlight" in formats
        else st.one_of(
            st.none(),
            st.lists(st.sampled_from(["cat", "dog", 'a "b", c', "3"]), min_size=total, max_size=total),
            finite("int64", total),
            finite("float32", total),
        )
    )
    return Data(sets, labels)


def read(directory: Path, dtype: str | None = None, **said: Any) -> tuple[dict[str, list[np.ndarray]], Any, list[int]]:
    """Samples by input, labels, and set numbers of the samples."""
    raw = discovery.open(directory, **said)
    found: dict[str, list[np.ndarray]] = {field.name: [] for field in raw.inputs}
    labels: list[Any] = []
    numbers: list[Any] = []
    for chunk in raw.chunks(5, dtype):
        for field in raw.inputs:
            values = chunk.inputs[field.name]
            ends = np.cumsum(chunk.lengths.get(field.name, np.ones(chunk.samples, np.int64)))
            found[field.name] += np.split(values, ends[:-1])
        labels += [] if chunk.labels is None else list(chunk.labels)
        numbers += [raw.sets[index].number for index in chunk.origin[:, 0]]
    return found, labels, numbers


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    alike = [a.reshape(len(a), -1).tolist() == b.reshape(len(b), -1).tolist() for a, b in zip(one, other, strict=True)]
    return all(alike) and all(a.dtype == b.dtype for a, b in zip(one, other, strict=True))


def test_every_format_that_is_read_can_be_written():
    assert set(KINDS) == set(FORMATS)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(KINDS)), st.sampled_from(sorted(KINDS)), st.booleans(), st.data())
def test_from_any_format_to_any_other_and_back_nothing_is_lost(tmp_path_factory, first, second, one_file, more):
    given_data = more.draw(data((first, second)))
    place = tmp_path_factory.mktemp("rewritten")
    said = given_data.write(place / "mine")
    expected, labels, numbers = read(place / "mine", **said)
    dtypes = {name: values[0].dtype.name for name, values in expected.items()}
    source, was_text = place / "mine", False
    for step, to in enumerate((first, second)):
        only = next(iter(dtypes.values())) if was_text else None
        directory = place / f"step-{step}"
        memory = more.draw(st.sampled_from([1, 999, 1 << 20]))
        try:
            written = rewriting.rewrite(
                source, directory, to, one_file=one_file, rate=100, dtype=only, memory=memory, **said
            )
        except DataError as error:
            refused = str(error)
        else:
            refused = ""
        if refused:
            assert not directory.exists() or not list(directory.iterdir())
            assert f"; {to} " in refused or f"{to} cannot say" in refused or "svmlight" in refused
            return
        features = len(next(iter(expected.values()))[0].reshape(-1)) if to == "svmlight" else None
        source, said, was_text = directory, {"features": features} if features else {}, was_text or to in TEXT
        found, back, there = read(source, next(iter(dtypes.values())) if was_text else None, **said)
        if list(found) != list(expected):
            assert was_text
            assert len(found) == 1
        assert all(same(a, b) for a, b in zip(found.values(), expected.values(), strict=True))
        if "svmlight" in (first, second)[: step + 1]:
            assert [float(label) for label in back] == [float(label) for label in labels]
        else:
            assert list(map(str, back)) == list(map(str, labels))
        if not one_file and to not in {"image", "wav"} and len(set(numbers)) > 1:
            assert there == numbers
            assert [file.stem for file in written] == [f"set-{number}" for number in dict.fromkeys(numbers)]
        numbers = there


@pytest.mark.parametrize(
    ("to", "values", "labels", "said", "message"),
    [
        ("npy", [np.zeros((2, 1))], None, {}, r"npy holds samples of one shape; arrow and parquet hold sequences"),
        (
            "npy",
            {"a": np.zeros((2, 1)), "b": np.zeros((2, 2))},
            None,
            {},
            r"npy holds one input; npz, hdf5, arrow and p",
        ),
        ("csv", np.zeros((2, 3, 1)), None, {}, r"csv holds one row of numbers a sample, of shape \[columns\]"),
        ("svmlight", np.zeros((2, 3)), None, {}, r"svmlight begins every line with a label, and there is none"),
        ("svmlight", np.zeros((2, 3)), ["a", "b"], {}, r"the label 'a' is no number, which svmlight needs"),
        ("svmlight", np.full((2, 3), 2**60), np.zeros(2), {}, r"holds whole numbers beyond 9,007,199,254,740,992"),
        (
            "image",
            np.zeros((2, 3, 3, 1)),
            None,
            {},
            r"image \(PNG\) holds one input, uint8 of shape \[height, width, c",
        ),
        ("wav", [np.zeros((2, 1))], None, {}, r"wav needs the steps a second of recordings; say rate"),
        ("hdf", np.zeros((2, 3)), None, {}, r"format 'hdf' is not known; known: npy, npz, hdf5"),
        ("npy", np.zeros((2, 3)), None, {"samples_per_set": 0}, r"samples_per_set = 0: must be at least 1"),
        ("npy", np.zeros((2, 3)), None, {"samples_per_set": 2, "one_file": True}, r"one file has no sets; give one of"),
        (
            "parquet",
            {"y": np.zeros((2, 3)), "b": np.zeros((2, 2)), "c": np.zeros(2)},
            None,
            {"label_column": "c"},
            r"parquet would be read with 'y' as labels; ren",
        ),
    ],
)
def test_what_a_format_cannot_say_is_told_with_the_rule(tmp_path: Path, to, values, labels, said, message):
    reading = Data([values], labels).write(tmp_path / "mine")
    with pytest.raises(DataError, match=message):
        rewriting.rewrite(tmp_path / "mine", tmp_path / "new", to, **said, **reading)
    assert not (tmp_path / "new").exists() or not list((tmp_path / "new").iterdir())
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("to", ["npz", "parquet"])
def test_sets_of_any_size_are_cut_across_the_raw_ones(tmp_path: Path, to):
    sequences = [
        [np.full((1 + index % 3, 2), index, np.int16) for index in range(start, start + 5)] for start in (0, 5)
    ]
    values = sequences if to == "parquet" else [np.arange(10).reshape(5, 2), np.arange(10, 20).reshape(5, 2)]
    reading = Data(values, np.arange(10)).write(tmp_path / "mine")
    written = rewriting.rewrite(tmp_path / "mine", tmp_path / "new", to, samples_per_set=4, **reading)
    assert [path.stem for path in written] == ["set-1", "set-2", "set-3"]
    expected, labels, _ = read(tmp_path / "mine", **reading)
    found, back, numbers = read(tmp_path / "new")
    assert same(found["x"], expected["x"])
    assert back == labels
    assert numbers == [1] * 4 + [2] * 4 + [3] * 2


def test_names_of_columns_and_groups_stay(tmp_path: Path, tools):
    tools.write_csv(
        tmp_path / "raw" / "t.csv", [[i, 2 * i, "ab"[i % 2], f"p{i % 3}"] for i in range(6)], "left,right,label,person"
    )
    rewriting.rewrite(tmp_path / "raw", tmp_path / "parquet", "parquet", group="person")
    rewriting.rewrite(tmp_path / "parquet", tmp_path / "tsv", "tsv", group="person")
    raw = discovery.open(tmp_path / "tsv", group="person")
    assert raw.columns == ("left", "right")
    assert raw.group_cells() == [f"p{i % 3}" for i in range(6)]
    with pytest.raises(DataError, match="npy has no column for the groups 'person'; arrow and parquet have"):
        rewriting.rewrite(tmp_path / "parquet", tmp_path / "npy", "npy", group="person")


def test_how_far_it_is_is_told(tmp_path: Path):
    reading = Data([np.zeros((6, 4), np.float32), np.ones((3, 4), np.float32)], None).write(tmp_path / "mine")
    told: list[tuple[int, int | None]] = []
    rewriting.rewrite(
        tmp_path / "mine",
        tmp_path / "new",
        watch=lambda now: told.append((now.samples, now.of)),
        memory=3 * 16 * 16,
        **reading,
    )
    assert [done for done, _ in told] == [3, 6, 9]


MEMORY = """
import sys
import h5py, numpy, pyarrow.csv, pyarrow.parquet, sklearn.datasets
from deeptrain.shards import rewriting

def peak():
    with open("/proc/self/status") as file:  # that of getrusage begins with the parent's
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024

for to in sys.argv[2:]:
    before = peak()
    rewriting.rewrite(sys.argv[1], f"new-{to}", to, memory=16 << 20, dtype="float32")
    print(to, round(peak() - before))
"""


def test_what_is_written_at_another_time_has_the_same_bytes(tmp_path: Path):
    """An identity follows from the bytes of raw files: what is written again must not be another data set."""
    numbers = [np.arange(12, dtype=np.float32).reshape(4, 3) + add for add in (0, 12)]
    reading = Data(numbers, np.array([0, 1] * 4)).write(tmp_path / "raw")
    kinds = [to for to in KINDS if to not in ("image", "wav")]
    for time_of_day in ("now", "later"):
        for to in kinds:
            rewriting.rewrite(tmp_path / "raw", tmp_path / time_of_day / to, to, **reading)
        time.sleep(2.1 if time_of_day == "now" else 0)  # a zip tells the time in steps of two seconds
    for to in kinds:
        now, later = (
            {path.name: path.read_bytes() for path in sorted((tmp_path / one / to).iterdir())}
            for one in ("now", "later")
        )
        assert now == later, to


def test_what_is_written_never_lies_in_memory_whole(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.full((400_000, 64), 1 / 7, np.float32))  # 98 MiB
    command = [sys.executable, "-c", MEMORY, "x.npy", "npy", "npz", "hdf5", "arrow", "parquet", "csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    told = dict(line.split() for line in done.stdout.splitlines())
    assert list(told) == command[4:]
    assert max(map(int, told.values())) < 64, told


def test_recordings_keep_their_rate(tmp_path: Path):
    reading = Data([[np.ones((3, 2), np.int16), np.zeros((2, 2), np.int16)]], ["a", "b"]).write(tmp_path / "mine")
    rewriting.rewrite(tmp_path / "mine", tmp_path / "first", "wav", rate=8000, **reading)
    written = rewriting.rewrite(tmp_path / "first", tmp_path / "second", "wav")
    assert [wav.rate(path) for path in written] == [8000, 8000]
    with pytest.raises(DataError, match="wav needs the steps a second of recordings; say rate"):
        rewriting.rewrite(tmp_path / "mine", tmp_path / "third", "wav", **reading)
