from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import dump_svmlight_file

from deeptrain.errors import DataError
from deeptrain.formats import discovery, svmlight
from deeptrain.formats.format import Field
from deeptrain.formats.svmlight import SVMLIGHT, Svmlight


@settings(deadline=None, max_examples=40)  # they write files
@given(
    samples=st.integers(1, 12),
    features=st.integers(1, 6),
    rows=st.integers(1, 14),
    zero=st.booleans(),
    seed=st.integers(0, 9),
)
def test_every_row_comes_back_dense(tmp_path_factory, samples, features, rows, zero, seed):
    path = tmp_path_factory.mktemp("svm") / "a.svm"
    random = np.random.Generator(np.random.Philox(seed))
    values = random.random((samples, features)) * (random.random((samples, features)) < 0.5)
    labels = random.integers(0, 3, samples)
    dump_svmlight_file(values, labels, str(path), zero_based=zero, comment="made here")
    reader = Svmlight(features=features, first=0 if zero else 1)
    fields = reader.fields(path)
    assert fields == (Field("label", "float64"), Field("x", "float64", (features,)))
    chunks = list(reader.chunks(path, fields, rows))
    np.testing.assert_allclose(np.concatenate([chunk.arrays["x"] for chunk in chunks]), values, rtol=1e-12)
    assert np.concatenate([chunk.arrays["label"] for chunk in chunks]).tolist() == labels.tolist()


def test_blocks_are_cut_at_lines(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(svmlight, "BLOCK", 16)
    path = tmp_path / "a.svm"
    path.write_text("".join(f"{i} 1:{i} 3:0.5 # note {i}\n\n" for i in range(1, 50)))
    chunks = list(SVMLIGHT.chunks(path, SVMLIGHT.fields(path), 3))
    assert np.concatenate([chunk.arrays["x"] for chunk in chunks]).tolist() == [[i, 0, 0.5] for i in range(1, 50)]
    assert SVMLIGHT.place(path, 2) == "line 5"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "1 1:2\n1 99999999:1\n",
            r"a\.svm: line 2: has feature 99,999,999 where 65,536 features are believed .*; say how",
        ),
        (
            "1 1:2\n1 0:1\n",
            r"a\.svm: line 2: has feature 0, features count from 1; say first = 0 if these count from 0",
        ),
        ("1 2:2 1:1\n", r"a\.svm: line 1: feature 1 comes after feature 2; features of a line must go up"),
        ("1 1:2\n\n2 2;3\n", r"a\.svm: line 3: '2;3' is no feature; write number:value"),
        ("1 1:nan\n", r"a\.svm: line 1: ('1:nan' is no feature|the value is nan)"),
        ("one 1:2\n", r"a\.svm: line 1: the label 'one' is no number"),
        ("1,2 1:2\n", r"a\.svm: line 1: has several labels \('1,2'\); one is read"),
        ("1 -1:2\n", r"a\.svm: line 1: '-1:2' is no feature"),
        ("1 99999999999999999999:2\n", r"a\.svm: line 1: '99999999999999999999:2' is no feature"),
        ("", r"a\.svm: no features: no line has any"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_with_its_number(tmp_path: Path, text, message):
    path = tmp_path / "a.svm"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as error:
        list(SVMLIGHT.chunks(path, SVMLIGHT.fields(path), 9))
    assert "\n" not in str(error.value)


def test_features_that_are_said_bound_those_of_every_file(tmp_path: Path):
    (tmp_path / "1.svm").write_text("1 1:2\n")
    (tmp_path / "2.svm").write_text("0 3:2\n")
    with pytest.raises(DataError, match=r"2\.svm: 'x' is float64 of shape 3 where it is float64 of shape 1 in 1\.svm"):
        discovery.open(tmp_path)
    data = discovery.open(tmp_path, features=4).counted()
    assert (data.samples, data.inputs[0].shape, data.labels.column) == (2, (4,), "label")
    assert [chunk.inputs["x"].tolist() for chunk in data.chunks(9)] == [[[2, 0, 0, 0]], [[0, 0, 2, 0]]]
    with pytest.raises(DataError, match=r"2\.svm: line 1: has feature 3 where 2 features were said"):
        list(discovery.open(tmp_path, features=2).chunks(9))
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"features = 4 means nothing for npy files; leave it out"):
        discovery.open(tmp_path / "a.npy", features=4)
