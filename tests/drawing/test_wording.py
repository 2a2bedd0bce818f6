"""How numbers and settings read."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.drawing import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9134, "0.913"),
        (0, "0.000"),
        (-0.25, "−0.250"),
        (12.3456, "12.35"),
        (123456.7, "123457"),
        (2.5e7, "2.50e+07"),
        (0.00001234, "1.23e-05"),
        (float("nan"), "undefined"),
        pytest.param("nan", "undefined", id="text-nan"),
        ("-inf", "−∞"),
        (None, "–"),
        ("no number", "undefined"),
    ],
)
def test_a_score_reads_in_few_digits(value: object, text: str) -> None:
    assert wording.score(value) == text


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_float_is_a_short_score(value: float) -> None:
    assert 1 <= len(wording.score(value)) <= 10


@given(st.floats(-1e5, 1e5))
def test_a_score_is_near_the_number_it_stands_for(value: float) -> None:
    found = float(wording.score(value).replace(wording.MINUS, "-"))
    assert math.isclose(found, value, rel_tol=0.006, abs_tol=0.0006)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"use": "adam", "arguments": {"learning_rate": 0.002}}, "adam(learning_rate=0.002)"),
        ({"use": "normalise", "arguments": {}}, "normalise"),
        ([1, "a", True], "[1, a, true]"),
        ({"a": None}, "{a = –}"),
        (0.1, "0.1"),
        ([], "[]"),
    ],
)
def test_a_setting_reads_as_in_the_toml(value: object, text: str) -> None:
    assert wording.setting(value) == text


def test_nested_tables_become_dotted_keys_in_their_order_without_what_is_unset() -> None:
    table = {
        "path": "data",
        "shape": None,
        "ignored": [],
        "splits": {"train": 8, "more": {"x": 1}},
        "optimizer": {"use": "sgd", "arguments": {}},
    }
    assert list(wording.rows(table)) == [
        ("path", "data"),
        ("splits.train", "8"),
        ("splits.more.x", "1"),
        ("optimizer", "sgd"),
    ]


@given(st.text(max_size=80), st.integers(1, 60))
def test_cut_text_fits_and_keeps_its_beginning(text: str, width: int) -> None:
    found = wording.cut(text, width)
    assert len(found) <= width or len(found) == len(text) <= width
    assert found == text or found[: (2 * width) // 3 - 1] == text[: max((2 * width) // 3 - 1, 0)]


def test_metric_names_read_as_words() -> None:
    assert [wording.metric_name(name) for name in ("f1_score", "roc_auc", "balanced_accuracy")] == [
        "F1 score",
        "ROC AUC",
        "balanced accuracy",
    ]
