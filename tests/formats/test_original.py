"""Every answer of DeepTrain 0.6.0's loaders: the same here, or in the list of those it had wrong.

What they gave is written down as it was recorded of its own functions (github.com/OverLordGoldDragon/deeptrain, commit
e010e3b, MIT licence), by the number of the record.
"""

from pathlib import Path

import h5py
import numpy as np
import pyarrow
import pytest

from deeptrain import loading
from deeptrain.errors import DataError
from deeptrain.settings import Use


def files(place, numbers, name="batch__{}.npy"):
    for number in numbers:
        np.save(place / name.format(number), np.full(2, number))
    return place


def rows(place):
    np.save(place / "data.npy", np.arange(6).reshape(3, 2))
    return place / "data.npy"


def keys(place):
    with h5py.File(place / "data.h5", "w") as file:
        for number in range(12):
            file[str(number)] = np.array([[number]])
    return place / "data.h5"


def columns(place):
    (place / "labels.csv").write_text("0,1\n0,1\n2,3\n4,5\n")
    return place / "labels.csv"


def read(path, number=None, **said):
    """The set numbers, and the samples of one of them."""
    opened = loading.open(path, **said)
    if number is None:
        return opened.set_numbers
    place = opened.set_numbers.index(number)
    parts = [chunk.inputs["x"][chunk.origin[:, 0] == place] for chunk in opened.data.chunks(9)]
    return opened.set_numbers, np.concatenate(parts).tolist()


def row_of_many(place):
    """A row of a file, of which no other one is read."""
    data = loading.open(rows(place), rows="samples").data
    out = {"x": np.zeros((1, 2), np.int64)}
    assert data.random_access
    data.take(np.array([1]), out)
    return out["x"][0].tolist()


RIGHT = {
    241: (lambda place: read(files(place, (1, 2, 10)), 10), ((1, 2, 10), [10, 10])),
    242: (lambda place: read(rows(place), 1, rows="sets"), ((0, 1, 2), [2, 3])),
    244: (lambda place: read(columns(place), 1, keys="sets", header=True), ((0, 1), [1, 3, 5])),
    248: (lambda place: read(place / "nope"), DataError("/nope: does not exist; give the path of a file or of a dir")),
    249: (
        lambda place: read(rows(place), format="foo"),
        DataError("format 'foo' is not known; known: npy, npz, hdf5, csv"),
    ),
}
"""By the number of the record: what is called here, and what it gave; how what it refused is refused here."""

WRONG = {
    243: (
        lambda place: read(keys(place), 11),
        (0, 1, 10, 11, *range(2, 10)),
        (tuple(range(12)), [[11]]),
        "`DataLoader`",
        "sets of a file in the order of their names as text",
    ),
    245: (row_of_many, AttributeError, [2, 3], "`DataLoader`", "a file that need not be read whole had no loader"),
    247: (
        lambda place: read(files(place, (1, 2), "2d_{}.npy")),
        (21, 22),
        (1, 2),
        "`DataLoader`",
        "digits elsewhere in a name became part of the set number",
    ),
}
"""What is called here, what it gave or raised, what is right, of which function, and what was wrong."""


@pytest.mark.parametrize("number", RIGHT)
def test_an_answer_is_that_of_the_original(tmp_path: Path, number):
    ours, theirs = RIGHT[number]
    if not isinstance(theirs, DataError):
        assert ours(tmp_path) == theirs
        return
    with pytest.raises(DataError) as told:
        ours(tmp_path)
    assert str(theirs) in str(told.value)


@pytest.mark.parametrize("number", WRONG)
def test_an_answer_is_right_where_that_of_the_original_was_not(tmp_path: Path, number):
    ours, theirs, right, _, _ = WRONG[number]
    assert ours(tmp_path) == right != theirs


def test_the_loader_in_the_docs_reads_what_it_compressed(tmp_path: Path):
    x = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    with pyarrow.BufferOutputStream() as file:
        with pyarrow.CompressedOutputStream(file, "lz4") as stream:
            stream.write(x.tobytes())
        np.save(tmp_path / "batch__1.npy", file.getvalue().to_pybytes())
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    code = page[page.index("## Coming from DeepTrain") :].partition("```python\n")[2].partition("```")[0]
    (tmp_path / "lz4_files.py").write_text(code)
    use = Use("lz4_files:read", {"shape": [2, 2], "dtype": "float32"})
    data = loading.open(tmp_path / "batch__1.npy", loader=use, beside=tmp_path).data
    assert np.array_equal(np.concatenate([chunk.inputs["x"] for chunk in data.chunks(2)]), x)


def test_the_docs_list_what_was_wrong():
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    for _, _, _, function, why in WRONG.values():
        assert f"| {function} | {why} |" in page
