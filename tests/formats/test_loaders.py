import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from deeptrain import formats
from deeptrain.errors import DataError, UserCodeError
from deeptrain.formats import discovery, loaders
from deeptrain.formats.format import Field
from deeptrain.settings import Use


def lines(path: Path) -> np.ndarray:
    return np.array([float(line) for line in path.read_text().split()])


def write(path: Path, *names: str) -> None:
    for number, name in enumerate(names, 1):
        (path / name).write_text(f"{number}\n2\n3\n")


@pytest.fixture
def clean():
    kept = dict(loaders.registered)
    yield
    loaders.registered.clear()
    loaders.registered.update(kept)


@pytest.mark.usefixtures("clean")
def test_a_function_that_is_registered_for_an_extension_reads_its_files_like_any_format(tmp_path: Path):
    @formats.loader(".xyz")
    def read(path: Path) -> dict[str, object]:
        return {"a": lines(path)[:, None], "label": np.array(["u", "v", "u"])}

    write(tmp_path, "set2.xyz", "set10.xyz")
    data = discovery.open(tmp_path)
    assert (data.samples, [found.number for found in data.sets]) == (6, [2, 10])
    assert data.inputs == (Field("x", "float64", (1,)),)
    assert data.label_cells() == ["u", "v", "u"] * 2
    chunks = list(data.chunks(2, "uint8"))
    assert [chunk.inputs["x"].tolist() for chunk in chunks] == [[[1], [2]], [[3]], [[2], [2]], [[3]]]
    assert not data.random_access
    assert read(tmp_path / "set2.xyz")["label"][0] == "u"


def test_a_loader_that_is_named_is_found_beside_the_experiment_and_only_when_something_is_read(tmp_path: Path):
    (tmp_path / "mine.py").write_text("import numpy\n\ndef read(path):\n    return numpy.ones((3, 2))\n")
    (tmp_path / "raw").mkdir()
    write(tmp_path / "raw", "1.txt", "2.txt")
    found = discovery.find(tmp_path / "raw", loader="mine:read", beside=tmp_path)
    assert [file.name for file in found.files] == ["1.txt", "2.txt"]
    assert "mine" not in sys.modules
    data = discovery.open(tmp_path / "raw", loader="mine:read", beside=tmp_path)
    assert (data.samples, data.inputs[0].shape) == (6, (2,))


SCALED = """
import numpy

def read(path, scale, *, offset=0.0):
    return scale * numpy.ones((3, 2)) + offset

def alone(path):
    return numpy.ones((3, 2))

def anything(path, **others):
    return numpy.full((3, 2), len(others))

class Several:
    def __call__(self, path, scale=1):
        return numpy.full((3, 2), scale)

several = Several()
"""


def test_a_named_loader_is_called_with_its_arguments(tmp_path: Path):
    (tmp_path / "scaled.py").write_text(SCALED)
    write(tmp_path, "1.txt")

    def read(use: str, **arguments: object) -> float:
        data = discovery.open(tmp_path / "1.txt", loader=Use(use=use, arguments=arguments), beside=tmp_path)
        (chunk,) = data.chunks(3)
        return float(chunk.inputs["x"].mean())

    assert read("scaled:read", scale=3.0) == 3.0
    assert read("scaled:read", scale=3.0, offset=0.5) == 3.5
    assert (read("scaled:alone"), read("scaled:anything", a=1, b=2), read("scaled:several", scale=4)) == (1, 2, 4)
    for use, arguments, message in [
        (
            "scaled:read",
            {"scael": 3.0},
            r"1\.txt: the loader scaled:read takes no argument 'scael'; did you mean scale\?",
        ),
        ("scaled:read", {"scale": 1, "x": 3}, r"the loader scaled:read takes no argument 'x'; it takes scale, offset"),
        ("scaled:alone", {"scale": 1}, r"scaled:alone takes no argument 'scale'; it takes the path alone"),
        ("scaled:alone", {"path": "a"}, r"scaled:alone takes no argument 'path'; it takes the path alone"),
        (
            "scaled:read",
            {},
            r"the loader scaled:read cannot be called with its path: missing a required argument: 'scale'",
        ),
        ("scaled:read", {"scale": "a"}, r"the loader scaled:read raised "),
    ]:
        with pytest.raises(UserCodeError, match=message) as error:
            read(use, **arguments)
        assert "\n" not in str(error.value)


def test_sequences_of_different_lengths_are_a_list_of_arrays(tmp_path: Path):
    series = [np.full((length, 2), length, np.float32) for length in (3, 1, 2)]
    write(tmp_path, "a.txt")
    data = discovery.open(tmp_path / "a.txt", loader=lambda _: {"x": series, "y": np.array([0, 1, 0])})
    assert data.inputs == (Field("x", "float32", (None, 2)),)
    chunks = list(data.chunks(2))
    assert [chunk.lengths["x"].tolist() for chunk in chunks] == [[3, 1], [2]]
    assert [chunk.inputs["x"][:, 0].tolist() for chunk in chunks] == [[3, 3, 3, 1], [2, 2]]
    assert [chunk.labels.tolist() for chunk in chunks] == [[0, 1], [0]]
    series[1][0, 0] = np.nan
    fresh = discovery.open(tmp_path / "a.txt", loader=lambda _: series)
    with pytest.raises(DataError, match=r"a\.txt: .*: 'x': row 1: the value is nan"):
        list(fresh.chunks(9))


class Odd:
    def __init__(self) -> None:
        self.calls = itertools.count()

    def __call__(self, _: Path) -> np.ndarray:
        return np.full(3, next(self.calls))


def failing(_: Path) -> None:
    raise ValueError("no such\nthing")


def mixed(_: Path) -> list[np.ndarray]:
    return [np.zeros((3, 2)), np.zeros((3, 4))]


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        (failing, r"a\.txt: the loader .*:failing raised ValueError: no such thing"),
        (lambda _: None, r"a\.txt: the loader .* gave a NoneType; give an array \(samples, \.\.\.\), a list of arrays"),
        (lambda _: [1, 2], r"a\.txt: the loader .* gave a list; give an array"),
        (lambda _: [], r"a\.txt: the loader .* gave an empty list"),
        (lambda _: np.array(3.0), r"a\.txt: the loader .* gave an array without axes"),
        (lambda _: {}, r"a\.txt: the loader .* gave an empty mapping"),
        (lambda _: {3: np.zeros(2)}, r"a\.txt: the loader .* gave the name 3; names are printable words"),
        (lambda _: {"a": np.zeros(2), "b": np.zeros(3)}, r"gave arrays of different numbers of samples: 'a' 2, 'b' 3"),
        (lambda _: {"a": "text"}, r"a\.txt: the loader .*, 'a': gave a str"),
        (mixed, r"a\.txt: .* gave sequences that differ in more than their length: float64 \(3, 2\), float64 \(3, 4\)"),
        (lambda _: np.array([object()]), r"a\.txt: the loader .*: holds Python objects"),
        (lambda _: np.zeros(3, complex), r"a\.txt: the loader .*: has dtype complex128"),
        (lambda _: np.zeros((0, 3)), r"a\.txt: the loader .* gave no samples"),
        ("no_such_module:read", r"no_such_module:read: .*No module named 'no_such_module'"),
        ("read", r"loader 'read' is no name of a function; write module:function"),
    ],
)
def test_what_a_loader_does_wrong_is_said_in_one_line_that_names_it(tmp_path: Path, loader, message):
    write(tmp_path, "a.txt")
    with pytest.raises((UserCodeError, DataError), match=message) as error:
        discovery.open(tmp_path / "a.txt", loader=loader)
    assert "\n" not in str(error.value)


def test_another_answer_at_a_later_call_is_an_error_and_a_fresh_opening_is_not(tmp_path: Path):
    write(tmp_path, "a.txt")
    data = discovery.open(tmp_path / "a.txt", loader=Odd())
    with pytest.raises(UserCodeError, match=r"a\.txt: the loader .* gave something else than at its first call"):
        list(data.chunks(2))
    steady = discovery.open(tmp_path / "a.txt", loader=lines)
    assert len(list(steady.chunks(2))) == len(list(steady.chunks(2))) == 2
    (tmp_path / "a.txt").write_text("7\n8\n9\n")
    with pytest.raises(UserCodeError, match=r"or did the file change\?"):
        list(steady.chunks(2))
    (chunk,) = discovery.open(tmp_path / "a.txt", loader=lines).chunks(9)
    assert chunk.inputs["x"].tolist() == [7, 8, 9]


def test_files_that_differ_in_shape_or_dtype_are_named_with_what_both_have(tmp_path: Path):
    write(tmp_path, "1.txt", "2.txt")
    with pytest.raises(DataError, match=r"2\.txt: 'x' is float64 of shape 2 where it is float64 of shape 1 in 1\.txt"):
        discovery.open(tmp_path, loader=lambda path: np.zeros((3, int(path.stem))))
    with pytest.raises(DataError, match=r"2\.txt: 'x' is int8 where it is float32 in 1\.txt"):
        discovery.open(tmp_path, loader=lambda path: np.zeros(3, "float32" if path.stem == "1" else "int8"))


@pytest.mark.parametrize("extension", ["xyz", ".XYZ", "", ".a\n"])
def test_what_is_no_extension_is_refused(extension):
    with pytest.raises(UserCodeError, match=r"is no extension; write it in lower case with the dot, '\.xyz'"):
        formats.loader(extension)


@pytest.mark.parametrize(
    "wrap",
    [lambda array: array, lambda array: [array], lambda array: {"x": array}],
    ids=["array", "sequences", "mapping"],
)
def test_masked_values_of_a_loader_are_never_taken_for_real_ones(tmp_path: Path, wrap):
    write(tmp_path, "set1.xyz")
    masked = np.ma.masked_array(np.zeros((3, 2)), mask=[[0, 1]] * 3)
    with pytest.raises(UserCodeError, match="gave masked values, which would be taken for real ones; fill or drop"):
        discovery.open(tmp_path, loader=lambda _: wrap(masked))
