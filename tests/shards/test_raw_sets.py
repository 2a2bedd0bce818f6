from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.formats import discovery
from deeptrain.shards import raw_sets, rewriting


def read(directory: Path) -> tuple[np.ndarray, list[object]]:
    raw = discovery.open(directory)
    chunks = list(raw.chunks(7))
    return np.concatenate([chunk.inputs["x"] for chunk in chunks]), [
        cell for chunk in chunks for cell in (chunk.labels if isinstance(chunk.labels, list) else chunk.labels.tolist())
    ]


@settings(max_examples=12)  # they write files
@given(
    samples=st.integers(1, 60),
    per_set=st.integers(1, 30),
    seed=st.sampled_from([None, 0, 3]),
    dtype=st.sampled_from([np.int8, np.int64, np.float64]),
)
def test_every_sample_keeps_its_label_and_the_labels_their_dtype(tmp_path_factory, samples, per_set, seed, dtype):
    directory = tmp_path_factory.mktemp("sets")
    x = np.arange(samples * 3, dtype=np.float32).reshape(samples, 3)
    written = raw_sets.from_arrays(
        directory / "new", x, np.arange(samples).astype(dtype), samples_per_set=per_set, seed=seed
    )
    assert [path.name for path in written] == [f"set-{n + 1}.npy" for n in range(-(-samples // per_set))]
    back, labels = read(directory / "new")
    assert np.array_equal(np.sort(back[:, 0]), x[:, 0])
    assert (back[:, 0] / 3).astype(int).tolist() == [int(label) for label in labels]
    assert np.load(directory / "new" / "labels.npy").dtype == dtype
    assert seed is not None or np.array_equal(back, x)


@pytest.mark.parametrize(("remainder", "sizes"), [("keep", [8, 8, 4]), ("drop", [8, 8]), ("oversample", [8, 8, 8])])
def test_a_remainder_is_treated_as_asked(tmp_path: Path, remainder, sizes):
    written = raw_sets.from_arrays(
        tmp_path / "a", np.arange(20)[:, None], np.arange(20), samples_per_set=8, remainder=remainder
    )
    assert [len(np.load(path)) for path in written] == sizes
    labels = np.load(tmp_path / "a" / "labels.npy")
    assert labels.tolist() == [value for path in written for value in np.load(path)[:, 0].tolist()]


def test_a_table_with_words_as_labels_becomes_arrays(tmp_path: Path, tools):
    tools.write_csv(tmp_path / "t.csv", [[i, 2 * i, "ab"[i % 2]] for i in range(30)], "p,q,label")
    written = rewriting.rewrite(tmp_path / "t.csv", tmp_path / "arrays")
    x, labels = np.load(written[0]), (tmp_path / "arrays" / "labels.csv").read_text().split()
    assert x.tolist() == [[i, 2 * i] for i in range(30)]
    assert labels == ["label", *("ab"[i % 2] for i in range(30))]


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (np.zeros((3, 1)), np.zeros(4), r"4 labels were given for 3 samples; give one a sample"),
        (np.zeros((0, 1)), None, r"no samples: 0 were given, in sets of 32"),
        (np.array([[object()]]), None, r"arrays of Python objects cannot be written"),
    ],
)
def test_what_cannot_be_written_is_told(tmp_path: Path, x, labels, message):
    with pytest.raises(DataError, match=message):
        raw_sets.from_arrays(tmp_path / "a", x, labels)


def test_nothing_is_written_among_other_files(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(DataError, match="holds files already; name a new directory, or empty this one"):
        raw_sets.from_arrays(tmp_path, np.zeros((3, 1)))


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (np.zeros((2, 1)), ["a", "a "], "the labels 'a' and 'a ' would be read as the same; rename one"),
        (np.zeros((2, 1)), ["01", "1"], "the labels '01' and '1' would be read as the same; rename one"),
        (np.zeros((2, 1)), ["a", " "], "a label is an empty word; give each sample one"),
        (np.array(3.0), None, r"a single value was given; give an array \(samples, ...\)"),
    ],
)
def test_labels_that_would_not_come_back_are_refused(tmp_path: Path, x, labels, message):
    with pytest.raises(DataError, match=message):
        raw_sets.from_arrays(tmp_path / "out", x, labels)
    assert not list((tmp_path / "out").iterdir())


def test_words_that_look_like_numbers_stay_apart_beside_words(tmp_path: Path):
    raw_sets.from_arrays(tmp_path / "out", np.zeros((3, 1)), ["01", "1", "one"])
    assert discovery.open(tmp_path / "out").label_cells() == ["01", "1", "one"]
