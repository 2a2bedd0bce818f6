import random
import re
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
        ("1 123456789012:1\n", r"a\.svm: line 1: has feature 123,456,789,012 where 65,536 features are believed"),
        ("1 qid:1:0.5 2:1\n", r"a\.svm: line 1: 'qid:1:0\.5' is no query id; write qid:number"),
        ("1 1:2\n1 1:2 qid:3\n", r"a\.svm: line 2: 'qid:3' comes after features; a query id is behind the label"),
        ("1 1:2_0\n", r"a\.svm: line 1: '1:2_0' is no feature; write number:value"),
        ("1_0 1:2\n", r"a\.svm: line 1: the label '1_0' is no number"),
        ("1 1:2\r7\n1 2:3\n", r"a\.svm: line 1: '7' is no feature; write number:value"),
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


NUMBER = rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
LINE = re.compile(rb"\s*(%s)(?:\s+qid:-?[0-9]{1,18})?((?:\s+\+?[0-9]{1,18}:%s)*)\s*" % (NUMBER, NUMBER))
WHOLE = [b"1 1:2 3:4\n0 2:1\n" * 3, b"-1 qid:3 1:0.5 2:1e3 # a_qid\n+1 1:2\n\n", b"0.5 1:.5 2:-1.e-2\r\n#\n2 3:4\r\n"]
PIECES = [
    *map(bytes, zip(b"0123456789 :.,+-eEnaifqd#\n\r\t\0\v\f\xff\x85_")),
    b"nan",
    b"inf",
    b"1e400",
    b"2147483648",
    b"qid:",
    b"::",
]


def by_the_rule(data: bytes) -> list[list[float]] | None:
    """Label and features of each line, read by a grammar; None where a line does not follow it."""
    rows = []
    for line in data.split(b"\n"):
        line = line.partition(b"#")[0]
        found = LINE.fullmatch(line)
        if found is None:
            if line.strip():
                return None
            continue
        pairs = [pair.split(b":") for pair in found[2].split()]
        indices = [int(index) for index, _ in pairs]
        if indices != sorted(set(indices)) or 0 in indices or max(indices, default=0) > svmlight.MOST_FEATURES:
            return None
        row = dict(zip(indices, (float(value) for _, value in pairs), strict=True))
        rows.append([float(found[1]), *(row.get(index, 0.0) for index in range(1, max(row, default=0) + 1))])
    width = max(map(len, rows), default=1)
    fine = width > 1 and all(np.isfinite(row).all() for row in rows)
    return [row + [0.0] * (width - len(row)) for row in rows] if fine else None


def test_a_damaged_line_is_named_or_reads_as_what_stands_there(tmp_path: Path):
    generator, path, refused = random.Random(3), tmp_path / "a.svm", 0
    for _ in range(400):
        data = generator.choice(WHOLE)
        for _ in range(generator.choice([1, 1, 2, 4])):
            first = generator.randrange(len(data) + 1)
            data = data[:first] + generator.choice([b"", *PIECES]) + data[first + generator.choice([0, 0, 1, 2]) :]
        path.write_bytes(data)
        expected = by_the_rule(data)
        try:
            chunks = list(discovery.open(path).chunks(3))
        except DataError as error:
            assert expected is None, data
            assert re.search(r"a\.svm: (line [0-9]+|no features)", str(error)), data  # noqa: PT017
            refused += 1
            continue
        found = [[label, *row] for chunk in chunks for label, row in zip(chunk.labels, chunk.inputs["x"], strict=True)]
        assert np.array_equal(found, expected), data
    assert 100 < refused < 390
