"""Texts that are put into pages keep their letters, and are broken where a reader would break them."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.report import templates
from deeptrain.report.templates import whole
from pipelines.ui.server import OURS


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


@pytest.mark.parametrize("sheet", ["graph.css", "samples.css"])
def test_how_graphs_and_samples_look_stands_in_one_place_for_all_pages(sheet: str) -> None:
    rules = (templates.DIRECTORY / sheet).read_text().splitlines()
    others = [templates.DIRECTORY / "page.html", templates.DIRECTORY / "lineage.svg", OURS / "static" / "style.css"]
    for other in others:
        assert not set(rules) & set(other.read_text().splitlines())
    assert f'href="/ui/{sheet}"' in (OURS / "templates" / "base.html").read_text()
    page = templates.environment().from_string('{% include "' + sheet + '" +%}\n')
    assert page.render().splitlines() == rules
