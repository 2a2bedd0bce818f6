import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.shards.labels import interpret
from deeptrain.shards.settings import LabelSettings


def labels(cells: list[str], **settings):
    return interpret(cells, LabelSettings(column="y", **settings), "raw: labels 'y'", lambda i: f"a.csv: line {i + 2}")


@given(st.lists(st.integers(-5, 5), min_size=30), st.booleans())
def test_few_whole_numbers_are_classes_in_the_order_of_numbers(numbers, as_floats):
    numbers = [*numbers, -1, 7]
    found = labels([f"{number}.0" if as_floats else str(number) for number in numbers])
    assert found.kind == "classes"
    assert found.classes == tuple(map(str, sorted(set(numbers))))
    assert [int(found.classes[number]) for number in found.numbers] == numbers
    assert found.numbers.dtype == np.int64


@given(st.lists(st.sampled_from(["cat", "dog", "1", "Zoé", "nan?", "10"]), min_size=1))
def test_words_are_classes_in_the_order_of_their_letters(cells):
    cells = [*cells, "cat", "eel"]
    found = labels(cells)
    assert found.classes == tuple(sorted(set(cells)))
    assert [found.classes[number] for number in found.numbers] == cells


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1))
def test_other_numbers_are_values(values):
    found = labels([*map(repr, values), "0.5"])
    assert (found.kind, found.classes) == ("values", ())
    assert found.numbers.tolist() == [*values, 0.5]
    assert found.numbers.dtype == np.float32


@pytest.mark.parametrize(
    ("cells", "positive", "classes", "numbers"),
    [
        ("0 1 1 0", None, ("0", "1"), [0, 1, 1, 0]),
        ("1 8 3 8", 8, ("other", "8"), [0, 1, 0, 1]),
        ("1 8 3 8", "8", ("other", "8"), [0, 1, 0, 1]),
        ("1.0 8.0 3.0", 8, ("other", "8"), [0, 1, 0]),
        ("1 8 3 8", 8.0, ("other", "8"), [0, 1, 0, 1]),
        ("1 8 3 8", (8, 3), ("1", "3 or 8"), [0, 1, 1, 1]),
        ("ill well ill", "ill", ("well", "ill"), [1, 0, 1]),
        ("a 1 2", 1, ("other", "1"), [0, 1, 0]),
        ("0.5 0.7 0.5", 0.5, ("0.7", "0.5"), [1, 0, 1]),
    ],
)
def test_positives_make_binary_labels(cells, positive, classes, numbers):
    found = labels(cells.split(), positive=positive)
    assert (found.kind, found.classes, found.numbers.tolist()) == ("binary", classes, numbers)
    assert found.numbers.dtype == np.uint8


def test_the_kind_can_be_said():
    assert labels(["0", "1", "1"], kind="classes").classes == ("0", "1")
    assert labels(["0", "1", "1"], kind="values").numbers.tolist() == [0, 1, 1]
    assert labels([str(i) for i in range(100)], kind="classes").numbers.tolist() == list(range(100))


@pytest.mark.parametrize(
    ("cells", "settings", "message"),
    [
        ("3 3 3", {}, "raw: labels 'y': all 3 labels are 3; there is nothing to tell apart"),
        ("3 3 3", {"positive": 3}, "all 3 labels are 3; there is nothing to tell apart"),
        ("1 2 3 9", {"positive": 7}, "labels.positive 7 never occurs; labels that occur: 1, 2, 3, 9"),
        ("1 2 3", {"positive": (1, 7)}, "labels.positive 7 never occurs"),
        ("a b", {"positive": "c"}, "labels.positive 'c' never occurs; labels that occur: 'a', 'b'"),
        ("a b", {"positive": ("a", "b")}, "labels.positive names every label that occurs; leave at least one out"),
        ("1 2 2", {"kind": "binary"}, "binary labels need labels.positive, which counts as 1; labels that occur: 1, 2"),
        ("1 x 2 x", {"kind": "values"}, "a.csv: line 3: the label 'x' is no number"),
        ("1 2 x", {"kind": "values"}, "a.csv: line 4: the label 'x' is no number, labels.kind asks for values"),
        ("0.5 1e39", {}, "a.csv: line 3: the label '1e39' is beyond what float32 holds"),
        ("0.5 1e400", {}, "a.csv: line 3: the label '1e400' is beyond what float64 holds"),
        ("0.5 1e400", {"kind": "values"}, "a.csv: line 3: the label '1e400' is beyond what float64 holds"),
        ("0 1 -1e400", {"kind": "classes"}, "a.csv: line 4: the label '-1e400' is beyond what float64 holds"),
        ("0 1 1e400", {"positive": 1}, "a.csv: line 4: the label '1e400' is beyond what float64 holds"),
        ("0 1 " + "9" * 400, {}, "a.csv: line 4: the label '99999999999999999999999999999999999...' is beyond what fl"),
        (
            "1 2 3 4 5",
            {},
            '5 different whole numbers in 5 samples can be classes or values; set labels.kind to "classes"',
        ),
    ],
)
def test_labels_that_make_no_sense_are_refused(cells, settings, message):
    with pytest.raises(DataError) as error:
        labels(cells.split(), **settings)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_word_that_looks_like_a_huge_number_is_a_word_among_words():
    assert labels(["a", "1e400", "a"]).classes == ("1e400", "a")
