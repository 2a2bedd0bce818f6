"""Texts that are put into pages keep their letters, and are broken where a reader would break them."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.report.templates import whole


@given(st.text())
def test_a_text_is_the_same_without_its_tags_and_never_markup(text: str) -> None:
    assert html.unescape(re.sub(r'<wbr>|<span class="whole">|</span>', "", whole(text))) == text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("set 3, row 7", ["set 3, row 7"]),
        ("--seed", ["--seed"]),
        ("digits-1.csv", ["digits-1.", "csv"]),
        ("rate=0.005", ["rate=0.005"]),
        ("my.models:build(units=32,", ["my.", "models:", "build(", "units=32,"]),
        ("batch_size", ["batch_", "size"]),
    ],
)
def test_a_word_is_broken_behind_its_parts_and_never_within_a_number(text: str, parts: list[str]) -> None:
    assert re.sub("<span.*?>|</span>", "", whole(text)).split("<wbr>") == parts
