"""Every answer of DeepTrain 0.6.0's conversions: the same here, or in the list of those it had wrong.

What they gave is written down as it was recorded of its own functions (github.com/OverLordGoldDragon/deeptrain, commit
e010e3b, MIT licence), by the number of the record.
"""

from pathlib import Path

import numpy as np
import pytest

from deeptrain import loading
from deeptrain.loading.batches import Batches
from deeptrain.shards import conversion, raw_sets, reading, rewriting

SIX, SEVEN = np.arange(12.0).reshape(6, 2), np.arange(14.0).reshape(7, 2)
FOUR, EIGHT = np.arange(8.0).reshape(4, 2), np.arange(8)


def read(path, **said):
    """Samples of each set by its number, and its labels, as they are on disk: what `loading.open` gives."""
    data = loading.open(path, **said).data
    labels = data.label_cells()
    found, done = {}, 0
    for number, one in enumerate(data.sets):
        parts = [chunk.inputs["x"] for chunk in data.chunks(5) if chunk.origin[0, 0] == number]
        found[one.number] = (
            np.concatenate(parts),
            None if labels is None else np.asarray(labels)[done : done + one.samples],
        )
        done += one.samples
    return found


def to_hdf5(place, x, size, **options):
    """`data_to_hdf5`: an array as sets of HDF5."""
    raw_sets.from_arrays(place / "sets", x, samples_per_set=size, remainder="oversample")
    rewriting.rewrite(place / "sets", place / "hdf5", "hdf5", **options)
    return [samples for samples, _ in read(place / "hdf5").values()]


def mutated(place):
    """`data_to_hdf5(shuffle=True)`: the array of the caller, afterwards."""
    x = SIX.copy()
    raw_sets.from_arrays(place / "sets", x, samples_per_set=2, seed=0)
    return x


def directory_to_hdf5(place, files, size, samples):
    """`data_to_hdf5(loaddir=...)`: files of so many samples each, of which each is its file's number."""
    (place / "raw").mkdir()
    for number in range(files):
        np.save(place / "raw" / f"batch__{number}.npy", np.full((samples, 2), float(number)))
    rewriting.rewrite(place / "raw", place / "hdf5", "hdf5", samples_per_set=size)
    found = [samples for samples, _ in read(place / "hdf5").values()]
    return [one.shape for one in found], np.concatenate(found)[:, 0].tolist()


def to_sets(place, x, labels, size):
    """`numpy_data_to_numpy_sets`: data and labels of the sets."""
    raw_sets.from_arrays(place / "sets", x, labels, samples_per_set=size, remainder="oversample")
    found = read(place / "sets").values()
    return [samples for samples, _ in found], [of for _, of in found]


def saved(place, x, labels):
    """`numpy_data_to_numpy_sets(savedir=...)`: what is in the directory, and the labels of each set."""
    raw_sets.from_arrays(place / "sets", x, labels, samples_per_set=2)
    return sorted(file.name for file in (place / "sets").iterdir()), [of for _, of in read(place / "sets").values()]


def label_columns(place, labels, size):
    """`numpy2D_to_csv`: labels of sets, as columns of the sets by number. Here they lie beside the sets, in order."""
    raw_sets.from_arrays(place / "sets", np.zeros((len(labels), 1)), labels, samples_per_set=size)
    return np.stack([of for _, of in read(place / "sets").values()], axis=1)


def with_lz4(place, x, **settings):
    raw_sets.from_arrays(place / "sets", x, samples_per_set=1)
    directory = conversion.convert(
        place / "sets",
        place / "shards",
        splits={"train": len(x) - 1, "val": 1},
        labels="input",
        dtype=x.dtype.name,
        compression="lz4",
        **settings,
    )
    return reading.open(directory)


def round_trip(place, x):
    """`numpy_to_lz4f`: what comes back."""
    shards = with_lz4(place, x, samples_per_set="file")
    parts = [shards.split(name).take(np.arange(len(shards.split(name)))) for name in ("train", "val")]
    back = np.concatenate([part.reshape(len(part), *x.shape[1:]) for part in parts])
    order = np.concatenate([shards.split(name).sets for name in ("train", "val")])
    return back[np.argsort(order)]


def set_of_lz4(place, x):
    """The second set, by its number."""
    shards = with_lz4(place, x)
    split = next(shards.split(name) for name in ("train", "val") if 2 in shards.split(name).sets)
    return Batches(split, 1, sets=[2]).batch(1, 0).x


RIGHT = {
    222: (lambda place: to_hdf5(place, SIX, 3), [SIX[:3], SIX[3:]]),
    226: (lambda place: to_hdf5(place, SIX[:1], 3), [SIX[[0, 0, 0]]]),
    228: (lambda place: directory_to_hdf5(place, 4, 4, 2), ([(4, 2), (4, 2)], [0, 0, 1, 1, 2, 2, 3, 3])),
    230: (lambda place: to_sets(place, FOUR, EIGHT[:4], 2), ([FOUR[:2], FOUR[2:]], [EIGHT[:2], EIGHT[2:4]])),
    232: (lambda place: to_sets(place, FOUR, EIGHT.reshape(4, 2), 4), ([FOUR], [EIGHT.reshape(4, 2)])),
    236: (lambda place: label_columns(place, EIGHT, 2), EIGHT.reshape(4, 2).T),
    237: (lambda place: label_columns(place, EIGHT.reshape(4, 2).T.ravel(), 4), EIGHT.reshape(4, 2)),
    239: (lambda place: round_trip(place, np.arange(12.0).reshape(3, 4)), np.arange(12.0).reshape(3, 4)),
    240: (lambda place: round_trip(place, np.arange(5, dtype=np.uint8)), np.arange(5, dtype=np.uint8)),
}
"""By the number of the record: what is called here, and what it gave. Labels of 230 had an axis more, of length 1."""

FILLED = "the last set was filled with the global generator: other samples in every run"
LOST = "labels got the dtype of the samples"

WRONG = {
    223: (
        lambda place: to_hdf5(place, SEVEN, 3),
        [SEVEN[:3], SEVEN[3:6], SEVEN[[6, 4, 5]]],
        [SEVEN[:3], SEVEN[3:6], SEVEN[[6, 0, 2]]],
        "`data_to_hdf5`",
        FILLED,
    ),
    224: (
        lambda place: to_hdf5(place, SIX, 3, dtype="float16"),
        [SIX[:3], SIX[3:]],
        [SIX[:3].astype(np.float16), SIX[3:].astype(np.float16)],
        "`data_to_hdf5`",
        "the dtype that was asked for was not taken",
    ),
    225: (
        lambda place: to_hdf5(place, np.arange(12), 4),
        [[[0, 1, 2, 3]], [[4, 5, 6, 7]], [[8, 9, 10, 11]]],
        [np.arange(4), np.arange(4, 8), np.arange(8, 12)],
        "`data_to_hdf5`",
        "a set of four numbers became one sample of four",
    ),
    227: (mutated, SIX[[0, 1, 4, 5, 2, 3]], SIX, "`data_to_hdf5`", "the caller's array was shuffled"),
    229: (
        lambda place: directory_to_hdf5(place, 3, 4, 3),
        ValueError,
        ([(4, 2), (4, 2), (1, 2)], [0, 0, 0, 1, 1, 1, 2, 2, 2]),
        "`data_to_hdf5`",
        "files whose samples do not divide a set failed",
    ),
    231: (
        lambda place: to_sets(place, SEVEN[:5], EIGHT[:5], 2),
        ([SEVEN[:2], SEVEN[2:4], SEVEN[[4, 4]]], [EIGHT[:2], EIGHT[2:4], EIGHT[[4, 4]]]),
        ([SEVEN[:2], SEVEN[2:4], SEVEN[[4, 0]]], [EIGHT[:2], EIGHT[2:4], EIGHT[[4, 0]]]),
        "`numpy_data_to_numpy_sets`",
        FILLED,
    ),
    233: (
        lambda place: saved(place, FOUR, EIGHT[:4]),
        (["batch__1.npy", "batch__2.npy", "labels.h5"], [FOUR[0], FOUR[1]]),
        (["labels.npy", "set-1.npy", "set-2.npy"], [EIGHT[:2], EIGHT[2:4]]),
        "`numpy_data_to_numpy_sets`",
        LOST,
    ),
    234: (
        lambda place: saved(place, FOUR.astype(np.float16), np.array([2049, 4099, 70000, 1]))[1],
        [np.array([2048, 4100], np.float16), np.array([np.inf, 1], np.float16)],
        [np.array([2049, 4099]), np.array([70000, 1])],
        "`numpy_data_to_numpy_sets`",
        LOST,
    ),
    235: (
        lambda place: label_columns(place, EIGHT, 4),
        EIGHT.reshape(2, 4),
        EIGHT.reshape(2, 4).T,
        "`numpy2D_to_csv`",
        "by default two sets of four became four of two",
    ),
    238: (
        lambda place: label_columns(place, EIGHT, 8),
        ValueError,
        EIGHT[:, None],
        "`numpy2D_to_csv`",
        "one number a sample was refused",
    ),
    246: (
        lambda place: set_of_lz4(place, FOUR),
        IndexError,
        np.array([[2.0, 3.0]]),
        "`DataLoader`",
        "one file of compressed sets failed: it asked for a set by text",
    ),
}
"""What is called here, what it gave or raised, what is right, of which function, and what was wrong."""


def same(one, other):
    try:
        np.testing.assert_equal(one, other)
    except (AssertionError, TypeError, ValueError):
        return False
    return _dtypes(one) == _dtypes(other)


def _dtypes(found):
    """Of the arrays in nested lists and tuples."""
    if isinstance(found, list | tuple):
        return [_dtypes(one) for one in found]
    return getattr(found, "dtype", None)


@pytest.mark.parametrize("number", RIGHT)
def test_an_answer_is_that_of_the_original(tmp_path: Path, number):
    ours, theirs = RIGHT[number]
    assert same(ours(tmp_path), theirs)


@pytest.mark.parametrize("number", WRONG)
def test_an_answer_is_right_where_that_of_the_original_was_not(tmp_path: Path, number):
    ours, theirs, right, _, _ = WRONG[number]
    assert same(ours(tmp_path), right)
    assert isinstance(theirs, type) or not same(theirs, right)


def test_the_docs_list_what_was_wrong():
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    for _, _, _, function, why in WRONG.values():
        assert f"| {function} | {why} |" in page
