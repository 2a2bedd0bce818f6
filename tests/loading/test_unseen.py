"""New raw files of every format a run can be trained on become the samples its model takes."""

import functools
import wave
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
from pyarrow import feather, parquet

from deeptrain.errors import ArtifactError, DataError
from deeptrain.loading import memory, unseen
from deeptrain.loading.unseen import Way
from deeptrain.shards import conversion, reading
from deeptrain.shards.info import DataInfo
from deeptrain.store import artifact

Arrays = Any
RANDOM = np.random.Generator(np.random.Philox(8))
SERIES = [RANDOM.integers(-99, 99, (steps, 2)).astype(np.float32) for steps in (3, 5, 2, 4, 6, 3, 7, 2)]
TABLE = RANDOM.integers(-9, 9, (8, 3)).astype(np.float32)
PICTURES = RANDOM.integers(0, 255, (8, 2, 3, 1)).astype(np.uint8)
TWO = {"image": RANDOM.random((8, 2, 2), np.float32), "age": np.arange(8, dtype=np.float32)}

LOADERS = """
import json
import numpy as np

def rows(path):
    return np.array(json.loads(path.read_text())["rows"], "float32")

def named(path, key):
    return np.array(json.loads(path.read_text())[key], "float32")

def series(path):
    return [np.array(one, "float32") for one in json.loads(path.read_text())["rows"]]

def several(path):
    told = json.loads(path.read_text())
    arrays = {name: np.array(told["rows"][name], "float32") for name in told["rows"]}
    return {**arrays, "y": np.array(told["y"])} if "y" in told else arrays
"""


def delimited(separator: str, letters: str = "abcy") -> Callable[..., None]:
    def write(path: Path, x: np.ndarray, y: list[int] | None) -> None:
        names = [*letters[: x.shape[1]], *([letters[-1]] if y else [])]
        rows = [[*row, *([y[number]] if y else [])] for number, row in enumerate(x.tolist())]
        kind = "csv" if separator == "," else "tsv"
        (path / f"1.{kind}").write_text("\n".join(separator.join(map(str, row)) for row in [names, *rows]) + "\n")

    return write


def columns(path: Path, x: np.ndarray, y: list[int] | None) -> None:
    parquet.write_table(pa.table({**dict(zip("abc", x.T, strict=True)), **({"y": y} if y else {})}), path / "1.parquet")


def lists(path: Path, x: list[np.ndarray], y: list[int] | None, name: str = "moves") -> None:
    steps = pa.array([one.tolist() for one in x], pa.list_(pa.list_(pa.float32(), 2)))
    table = pa.table({**({"y": y} if y else {}), name: steps})
    if name == "moves":
        parquet.write_table(table, path / "1.parquet")
    else:
        feather.write_feather(table, path / "1.arrow", compression="uncompressed")


def arrow(path: Path, x: list[np.ndarray], y: list[int] | None) -> None:
    lists(path, x, y, "steps")


def svmlight(path: Path, x: np.ndarray, y: list[int] | None, first: int = 1) -> None:
    lines = [
        " ".join([str((y or [0] * 8)[row]), *(f"{i + first}:{v}" for i, v in enumerate(values) if v)])
        for row, values in enumerate(x.tolist())
    ]
    (path / "1.svmlight").write_text("\n".join(lines) + "\n")


def npy(path: Path, x: np.ndarray, y: list[int] | None) -> None:
    np.save(path / "set-2.npy", x[:4])
    np.save(path / "set-10.npy", x[4:])
    if y:
        np.save(path / "labels.npy", y)


def npz(path: Path, x: np.ndarray, y: list[int] | None) -> None:
    np.savez(path / "1.npz", **({"target": y} if y else {}), data=x)


def npz_of_two(path: Path, x: dict[str, np.ndarray], y: list[int] | None) -> None:
    np.savez(path / "1.npz", **({"y": y} if y else {"more": np.zeros(8)}), **x)


def h5_of_two(path: Path, x: dict[str, np.ndarray], y: list[int] | None) -> None:
    with h5py.File(path / "1.h5", "w") as file:
        for name, array in {**x, **({"y": y} if y else {"more": np.zeros(3)})}.items():
            file[name] = array


def h5_of_sets(path: Path, x: np.ndarray, y: list[int] | None) -> None:
    for file_name, arrays in (("1.h5", x), ("labels.h5", np.array(y) if y else None)):
        if arrays is not None:
            with h5py.File(path / file_name, "w") as file:
                file["3"], file["12"] = arrays[:4], arrays[4:]


def pictures(path: Path, x: np.ndarray, y: list[int] | None) -> None:
    for number, picture in enumerate(x):
        folder = path / ("ab"[y[number]] if y else "")
        folder.mkdir(exist_ok=True)
        Image.fromarray(picture[:, :, 0]).save(folder / f"{number}.png")


def recordings(path: Path, x: list[np.ndarray], y: list[int] | None) -> None:
    for number, one in enumerate(x):
        folder = path / ("ab"[y[number]] if y else "")
        folder.mkdir(exist_ok=True)
        with wave.open(str(folder / f"{number}.wav"), "wb") as file:
            file.setparams((2, 2, 8000, 0, "NONE", ""))
            file.writeframes(one.astype("<i2").tobytes())


def loaded(path: Path, x: Any, y: list[int] | None) -> None:
    import json

    plain = {name: one.tolist() for name, one in x.items()} if isinstance(x, dict) else [one.tolist() for one in x]
    (path / "1.json").write_text(json.dumps({"rows": plain, **({"y": y} if y and isinstance(x, dict) else {})}))
    if y and not isinstance(x, dict):
        np.save(path.parent / "labels.npy", y)


APART = {"path": "labels.npy"}
FORMATS: dict[str, tuple[Callable[..., None], Any, dict[str, Any]]] = {
    "csv": (delimited(","), TABLE, {}),
    "csv reshaped": (delimited(","), TABLE, {"shape": [3, 1]}),
    "tsv": (delimited("\t"), TABLE, {}),
    "parquet": (columns, TABLE, {}),
    "csv of numbered columns": (
        delimited(",", "0123"),
        TABLE,
        {"labels": {"column": "3"}, "reading": {"header": True}},
    ),
    "svmlight": (svmlight, TABLE, {}),
    "svmlight from 0": (functools.partial(svmlight, first=0), TABLE, {"reading": {"first": 0}}),
    "npy": (npy, TABLE.reshape(8, 3, 1), {}),
    "npy reshaped": (npy, TABLE.reshape(8, 3, 1), {"shape": [3]}),
    "npz": (npz, TABLE, {}),
    "npz of two inputs": (npz_of_two, TWO, {}),
    "npz of two dtypes": (npz_of_two, TWO, {"dtype": {"image": "float64", "age": "uint8"}}),
    "HDF5 of two inputs": (h5_of_two, TWO, {}),
    "HDF5 of sets": (h5_of_sets, TABLE, {}),
    "images": (pictures, PICTURES, {"dtype": "uint8"}),
    "lists in Parquet": (lists, SERIES, {}),
    "lists in Arrow": (arrow, SERIES, {}),
    "wav": (recordings, SERIES, {"dtype": "int16"}),
    "loader": (loaded, TABLE, {"loader": "my_loaders:rows", "labels": APART}),
    "loader with arguments": (
        loaded,
        TABLE,
        {"loader": {"use": "my_loaders:named", "arguments": {"key": "rows"}}, "labels": APART},
    ),
    "loader of sequences": (loaded, SERIES, {"loader": "my_loaders:series", "labels": APART}),
    "loader of two inputs": (loaded, TWO, {"loader": "my_loaders:several"}),
}

Run = tuple[DataInfo, Way, Path]


def converted(directory: Path, write: Callable[..., None], x: Any, **asked: Any) -> Run:
    """Shards of labelled raw files; what is known of them, and the directory of the loaders."""
    (directory / "raw").mkdir(parents=True)
    (directory / "my_loaders.py").write_text(LOADERS)
    write(directory / "raw", x, [0, 1] * 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        labels = {"kind": "classes", **asked.pop("labels", {})}
        made = conversion.convert("raw", "made", splits={"train": 4, "val": 4}, labels=labels, **asked)
    opened = artifact.open(directory / made / "whole")
    return reading.open(directory / made).info, Way.of(opened.manifest.settings, "here"), directory


def assert_same(found: Arrays, expected: Arrays, info: DataInfo) -> None:
    if len(info.inputs) == 1:
        found, expected = {info.inputs[0].name: found}, {info.inputs[0].name: expected}
    assert list(found) == [one.name for one in info.inputs]
    for one in info.inputs:
        parts = (found[one.name], expected[one.name]) if one.sequence else ([found[one.name]], [expected[one.name]])
        for part, wanted in zip(*parts, strict=True):
            assert part.dtype == one.dtype
            shape = wanted.shape if one.sequence else (len(wanted), *one.shape)
            np.testing.assert_array_equal(part, wanted.reshape(shape), strict=False)
            assert part.shape == shape


@pytest.mark.parametrize("name", FORMATS)
def test_new_files_of_every_format_with_labels_or_none_are_read_as_the_runs_own(name: str, tmp_path: Path) -> None:
    write, x, asked = FORMATS[name]
    info, way, beside = converted(tmp_path / "run", write, x, **asked)
    new = tmp_path / "elsewhere" / "new"
    new.mkdir(parents=True)
    reverse = {key: one[::-1] for key, one in x.items()} if isinstance(x, dict) else x[::-1]
    write(new, reverse, None)
    assert_same(unseen.read(new, info, way, beside=beside), reverse, info)
    (file, *more) = sorted(new.iterdir())
    if not more:
        assert_same(unseen.read(file, info, way, beside=beside), reverse, info)
    again = unseen.read(beside / "raw", info, way, beside=beside)
    by_class = name in {"images", "wav"}  # folder by folder
    order = [0, 2, 4, 6, 1, 3, 5, 7] if by_class else list(range(8))
    assert_same(
        again, {**x} if isinstance(x, dict) else [x[i] for i in order] if isinstance(x, list) else x[order], info
    )


@pytest.fixture(scope="module")
def of_columns(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return converted(tmp_path_factory.mktemp("columns") / "run", delimited(","), TABLE)


@pytest.fixture(scope="module")
def of_arrays(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return converted(tmp_path_factory.mktemp("arrays") / "run", npz, TABLE.reshape(8, 1, 3))


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return converted(tmp_path_factory.mktemp("two") / "run", npz_of_two, TWO)


@pytest.fixture(scope="module")
def of_series(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return converted(tmp_path_factory.mktemp("series") / "run", lists, SERIES)


@settings(deadline=None, max_examples=30)  # they write files
@given(order=st.permutations("abcwy"), parts=st.integers(1, 4), kind=st.sampled_from(["csv", "parquet"]))
def test_columns_are_found_by_name_in_any_order_and_others_are_ignored(
    order: list[str], parts: int, kind: str, of_columns: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    info, way, _ = of_columns
    path = tmp_path_factory.mktemp("new")
    cells = dict(zip("abc", TABLE.T.tolist(), strict=True)) | {"w": ["Ann"] * 8, "y": [1.0] * 8}
    for number, rows in enumerate(np.array_split(np.arange(8), parts), 1):
        table = pa.table({name: [cells[name][row] for row in rows] for name in order})
        if kind == "csv":
            lines = [order, *([str(cells[name][row]) for name in order] for row in rows)]
            (path / f"{number}.csv").write_text("\n".join(map(",".join, lines)) + "\n")
        else:
            parquet.write_table(table, path / f"{number}.parquet")
    assert unseen.read(path, info, way).tolist() == TABLE.tolist()


def test_arrays_of_as_many_values_and_sequences_of_one_length_are_taken(
    of_columns: Run, of_series: Run, tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", TABLE.astype(np.float64))
    assert unseen.read(tmp_path / "a.npy", *of_columns[:2]).tolist() == TABLE.tolist()
    steps = np.arange(24, dtype=np.int16).reshape(3, 4, 2)
    np.save(tmp_path / "b.npy", steps)
    found = unseen.read(tmp_path / "b.npy", *of_series[:2])
    assert [one.tolist() for one in found] == steps.tolist()
    assert {one.dtype for one in found} == {np.dtype(np.float32)}


def test_a_sparse_line_that_lacks_the_last_features_is_as_wide_as_the_runs(tmp_path: Path) -> None:
    info, way, _ = converted(tmp_path / "run", svmlight, np.abs(TABLE) + 1)
    (tmp_path / "new.svmlight").write_text("0 1:5\n")
    assert unseen.read(tmp_path / "new.svmlight", info, way).tolist() == [[5, 0, 0]]


def test_new_files_may_lie_in_folders_of_people_where_the_runs_own_did(tmp_path: Path) -> None:
    for person in "uvw":
        (tmp_path / "raw" / person).mkdir(parents=True)
        delimited(",")(tmp_path / "raw" / person, TABLE, [0, 1] * 4)
    splits = {"train": 16, "val": 8, "group": "folder"}
    made = conversion.convert(tmp_path / "raw", tmp_path / "made", splits=splits, labels={"kind": "classes"})
    info = reading.open(made).info
    way = Way.of(artifact.open(made / "whole").manifest.settings, "here")
    assert unseen.read(tmp_path / "raw", info, way).tolist() == [*TABLE.tolist()] * 3
    assert unseen.read(tmp_path / "raw" / "v", info, way).tolist() == TABLE.tolist()


def test_new_samples_may_lack_values_where_the_runs_own_could(tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text("a,b,c\n1,,3\n4,nan,6\n")
    info, way, _ = converted(tmp_path / "whole", delimited(","), TABLE)
    with pytest.raises(DataError, match=r"new\.csv: line 2, column 'b': the cell is empty"):
        unseen.read(new, info, way)
    info, way, _ = converted(tmp_path / "missing", delimited(","), TABLE, allow_missing=True)
    found = unseen.read(new, info, way)
    np.testing.assert_array_equal(found, [[1, np.nan, 3], [4, np.nan, 6]])
    np.testing.assert_array_equal(memory.of(found, info, allow_missing=True).take(np.arange(2)), found)
    with pytest.raises(DataError, match=r"samples: number 0: the value is nan"):
        memory.of(found, info)


def test_a_format_that_is_named_takes_the_place_of_the_loader(tmp_path: Path) -> None:
    info, way, _ = converted(tmp_path / "run", loaded, TABLE, loader="my_loaders:rows", labels=APART)
    delimited(",")(tmp_path, TABLE, None)
    with pytest.raises(
        DataError, match=r"1\.csv: has a, b, c, none of which is an array of numbers; .* of shape \(3,\)"
    ):
        unseen.read(tmp_path / "1.csv", info, way, format="csv")
    np.save(tmp_path / "a.npy", TABLE)
    assert unseen.read(tmp_path / "a.npy", info, way, format="npy").tolist() == TABLE.tolist()


def write_csv(text: str) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        (path / "a.csv").write_text(text)
        return path / "a.csv"

    return write


def write_npy(array: Any) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        np.save(path / "a.npy", array)
        return path / "a.npy"

    return write


def write_npz(**arrays: Any) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        np.savez(path / "a.npz", **arrays)
        return path / "a.npz"

    return write


FIVE = np.zeros((5, 2, 2), np.float32)


@pytest.mark.parametrize(
    ("run", "write", "message"),
    [
        ("of_columns", write_csv("a,x\n1,2\n"), r"a\.csv: lacks 2 of the 3 columns: b, c"),
        ("of_columns", write_csv("a,b,c\n1,2,Ann\n"), r"a\.csv: column 'c' holds words, the run was trained on num"),
        ("of_columns", write_csv("a,b,c\n1,2,3\n1,2,nan\n"), r"a\.csv: line 3, column 'c': the value is nan"),
        ("of_columns", write_csv("a,b,c\n"), r"a\.csv: no samples: it has a header and no rows"),
        ("of_columns", write_npy(np.zeros((2, 4))), r"samples have the shape \(4,\), the run was trained on \(3,\)"),
        ("of_columns", lambda path: path / "gone.csv", r"gone\.csv: does not exist; give the path of a file or of a"),
        ("of_arrays", write_npy(np.zeros((2, 3, 1))), r"have the shape \(3, 1\), the run was trained on \(1, 3\)"),
        ("of_arrays", write_npy(np.array(["a", "b"])), r"a\.npy: has x, none of which is an array of numbers"),
        ("of_arrays", write_npy(np.zeros(3, complex)), r"a\.npy: has dtype complex128; known are whole numbers"),
        ("of_arrays", write_npz(a=FIVE, b=FIVE), r"a\.npz: has a, b where the run was trained on one input; name that"),
        ("of_two", write_npz(image=FIVE), r"a\.npz: lacks 1 of the 2 inputs: age"),
        ("of_two", write_npz(image=FIVE, age=np.zeros(4)), r"a\.npz: its keys differ in length: 'image' 5, 'age' 4"),
        ("of_two", write_npz(image=FIVE, age=FIVE), r"samples of 'age' have the shape \(2, 2\), the run was .* \(1,\)"),
        ("of_two", write_npz(image=FIVE, age=list("abcde")), r"column 'age' holds words, the run was trained on num"),
        ("of_series", write_npy(np.zeros((2, 4, 3))), r"have the shape \(4, 3\), the run was trained on \(steps, 2\)"),
        ("of_series", write_npy(np.full((2, 4, 2), np.inf)), r"a\.npy: row 0: the value is inf; repair it or drop"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_run_is_told_in_one_line(
    run: str, write: Callable[[Path], Path], message: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    info, way, _ = request.getfixturevalue(run)
    with pytest.raises(DataError, match=message) as error:
        unseen.read(write(tmp_path), info, way)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("told", [{}, {"labels": "input"}, {"labels": 3, "reading": {}}, {"labels": "x", "reading": 1}])
def test_settings_that_are_no_manifests_are_refused(told: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match=r"^here: not the manifest of shards: "):
        Way.of(told, "here")
