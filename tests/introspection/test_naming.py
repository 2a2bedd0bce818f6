import itertools
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.introspection import naming

SETTINGS = {
    "model": {"builder": "m:build", "arguments": {"filters": [6, 12, 2], "dropout": 0.5, "act": ["relu", "relu"]}},
    "training": {"optimizer": "nadam", "batch_size": 32, "schedule": {"use": "cosine", "arguments": {"to": 1e-5}}},
}
ALIASES = {"model.arguments.filters": "filt", "model.arguments.dropout": "idp", "training.optimizer": ""}

NUMBERS = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False)
WORDS = st.sampled_from(
    ["adam", "Adam", "nadam", "true", "none", "e4", "a_b", "a b", "é", "CON", "x3", "relu.", "-", ""]
)
VALUES = st.recursive(
    NUMBERS | st.none() | st.booleans() | WORDS | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)


def named(values: list[Any], aliases: list[str], base: str = "cnn") -> str:
    keys = [f"k{number}" for number in range(len(values))]
    return naming.describe(base, dict(zip(keys, values, strict=True)), dict(zip(keys, aliases, strict=True)))


def test_a_name_tells_what_was_chosen_and_how_good_it_is() -> None:
    told = naming.describe("cnn", SETTINGS, ALIASES)
    assert told == "cnn-filt6_12_2-idp.5-nadam"
    assert naming.with_number(told, 3, 0.9812) == "M3__cnn-filt6_12_2-idp.5-nadam__max.981"
    assert naming.with_number(told, 10, 0.0357, maximize=False).endswith("__min.036")
    assert naming.with_number(told) == told
    assert naming.with_number(told, 12, math.nan) == f"M12__{told}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2e-4, "2e-4"),
        (2.5e-4, "2.5e-4"),
        (0.001, "1e-3"),
        (0.01, ".01"),
        (0.5, ".5"),
        (1.1, "1.1"),
        (-0.25, "-.25"),
        (0, "0"),
        (-0.0, "0"),
        (32, "32"),
        (100, "100"),
        (1024, "1024"),
        (2000, "2k"),
        (13500, "13.5k"),
        (12345.678, "12345.678"),
        (1_000_000, "1e6"),
        (5e-324, "5e-324"),
        (math.inf, "inf"),
    ],
)
def test_a_number_is_written_short_and_whole(value: float, text: str) -> None:
    assert naming.number_text(value) == text


@settings(max_examples=50)
@given(NUMBERS)
def test_a_number_is_read_back_from_its_text(value: float) -> None:
    text = naming.number_text(value)
    read = float(text.removesuffix("k")) * (1000 if text.endswith("k") else 1)
    assert math.isclose(read, value, rel_tol=1e-15, abs_tol=0) or not math.isfinite(value)


@pytest.mark.parametrize(
    ("best", "text"),
    [(0.9996, "max1"), (12.44, "max12.4"), (1.26e-5, "max1.26e-5"), (-0.5, "max-.5"), (0, "max0"), (1e9, "max1e9")],
)
def test_the_metric_has_three_digits(best: float, text: str) -> None:
    assert naming.with_number("cnn", best=best) == f"cnn__{text}"


@pytest.mark.parametrize(
    ("value", "start"),
    [
        ([2e-4, 2e-4, 2e-4, 1e-4], "cnn-2e-4x3_1e-4"),
        ([5], "cnn-_5"),
        ([], "cnn-empty"),
        (True, "cnn-true"),
        (None, "cnn-none"),
        ("relu", "cnn-relu"),
        (["relu", "relu"], "cnn-relu_relu+"),
        ("Adam", "cnn-adam+"),
        ("true", "cnn-true+"),
        ({"use": "cosine", "arguments": {"to": 1e-5}}, "cnn-usecosine_argumentsto1e-5+"),
        ({"use": "cosine", "arguments": {}}, "cnn-cosine+"),
        (math.sqrt, "cnn-sqrt+"),
    ],
)
def test_lists_words_tables_and_objects_have_a_form(value: Any, start: str) -> None:
    name = named([value], [""])
    assert name == start or (start.endswith("+") and name.startswith(start) and len(name) == len(start) + 8)


def same(one: Any, other: Any) -> bool:
    """Whether two values are one setting: 1 and 1.0 are, True and 1 are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if type(one) in (int, float) and type(other) in (int, float):
        return one == other
    return type(one) is type(other) and one == other


@given(st.data())
def test_two_different_choices_never_have_one_name(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 3))
    aliases = data.draw(st.lists(st.sampled_from(["", "a", "k1", "lr_"]), min_size=count, max_size=count))
    one, other = (data.draw(st.lists(VALUES, min_size=count, max_size=count)) for _ in range(2))
    assume(not same(one, other))
    assert named(one, aliases) != named(other, aliases)


def test_what_is_written_exactly_cannot_be_taken_apart_otherwise() -> None:
    values = [1, -1, 3, 13, 1e-4, [5], [5, -3], [5, 5], [-1], [], "a", "a_1", "e", "none", None]
    for aliases in (["", "", ""], ["a", "", "e"], ["", "5_", ""]):
        names = [named(list(chosen), aliases) for chosen in itertools.product(values, repeat=3)]
        assert len(names) == len({name.casefold() for name in names})


@settings(max_examples=50)
@given(st.text(max_size=20), VALUES)
@example("con", 1)
@example("Nul.txt", None)
@example("日本", "日本")
@example("a" * 300, 1)
@example("..", ".")
def test_every_name_is_one_of_a_directory_on_every_file_system(base: str, value: Any) -> None:
    for name in (named([], [], base), named([value], ["k"], base), named([value] * 30, ["k"] * 30, base)):
        assert re.fullmatch(r"[a-z0-9][a-z0-9._+-]*", name)
        assert len(naming.with_number(name, 99_999, -1.234e-100)) < 128
        assert not name.endswith(".")
        assert name.partition(".")[0] not in {"con", "prn", "aux", "nul", "com1", "lpt9"}


def test_a_name_is_a_directory_here(tmp_path: Path) -> None:
    name = naming.with_number(named(["Ünï/cöde\0: *?"] * 40, ["k"] * 40), 7, 0.5)
    (tmp_path / name).mkdir()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("seed", ["0", "1"])
def test_a_name_is_the_same_in_every_process_and_locale(seed: str) -> None:
    script = (
        "import locale, contextlib\n"
        "with contextlib.suppress(locale.Error): locale.setlocale(locale.LC_ALL, '')\n"
        "from deeptrain.introspection import naming\n"
        "settings = {'a': 1.5, 'b': {'É': 2e-4}, 'c': ['I', '\u0131']}\n"
        "told = naming.describe('cnn', settings, {'a': 'a', 'b': '', 'c': ''})\n"
        "print(naming.with_number(told, 1, .25))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": "tr_TR.UTF-8" if seed == "1" else "C"}
    environment["PYTHONPATH"] = str(Path(naming.__file__).parents[2])
    found = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == "M1__cnn-a1.5-e2e-4-i+3x5avwvk__max.25\n"


def test_a_key_that_is_none_is_told_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"model.arguments has no key 'filtres'; did you mean filters\?"):
        naming.describe("cnn", SETTINGS, {"model.arguments.filtres": "f"})


def test_a_list_is_reached_into_by_number() -> None:
    assert naming.describe("cnn", SETTINGS, {"model.arguments.filters.1": "f"}) == "cnn-f12"
