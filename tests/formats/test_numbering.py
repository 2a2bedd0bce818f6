import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.formats import numbering

NUMBERS = st.lists(st.integers(0, 10**6), unique=True, min_size=2)


@given(NUMBERS, st.sampled_from(["", "set", "128batch__", "2024-x1_", "a1b2c"]), st.sampled_from(["", "_v2", ".5"]))
def test_numbers_are_found_whatever_digits_stand_before_and_after(numbers: list[int], before: str, after: str):
    separator = "" if not before or not before[-1].isdigit() else "-"
    names = [f"{before}{separator}{number}{after}" for number in numbers]
    assert numbering.of(names, None, "raw") == tuple(numbers)


@given(NUMBERS, st.integers(7, 12))
def test_zero_padding_does_not_count(numbers: list[int], width: int):
    assert numbering.of([f"a{number:0{width}}" for number in numbers], None, "raw") == tuple(numbers)


@given(NUMBERS)
def test_gaps_and_ranges_name_each_missing_and_each_there(numbers: list[int]):
    numbers = sorted(number % 60 for number in numbers)
    numbers = sorted(set(numbers))
    missing = [number for number in range(numbers[0], numbers[-1]) if number not in numbers]

    def told(text: str) -> list[int]:
        parts = [part.split("-") for part in text.split(", ") if part]
        return [number for part in parts for number in range(int(part[0]), int(part[-1]) + 1)]

    if "..." not in numbering.gaps(numbers):
        assert told(numbering.gaps(numbers)) == missing
    if "..." not in numbering.ranges(numbers):
        assert told(numbering.ranges(numbers)) == numbers


@pytest.mark.parametrize(
    ("names", "which", "numbers"),
    [
        (["a", "b"], None, None),
        (["a1", "b2"], None, None),
        (["a1"], None, None),
        (["a1"], 1, (1,)),
        (["a1_1", "a1_2", "a2_3"], None, (1, 2, 3)),
        (["a1_1", "a1_2", "a2_1", "a2_2"], None, None),
        (["2024-01-05", "2024-02-07"], 2, (1, 2)),
        (["2024-01-05", "2024-02-07"], "none", None),
        (["a" + "9" * 30, "a1"], None, None),
        (["a1", "a\u0661"], None, None),
    ],
)
def test_names_with_other_digits_or_none(names, which, numbers):
    assert numbering.of(names, which, "raw") == numbers


@pytest.mark.parametrize(
    ("names", "which", "message"),
    [
        (["set1", "set01", "set2"], None, "raw: set number 1 is doubled: 'set1' and 'set01'; rename one"),
        (["a1_3", "a2_3"], 2, "raw: set number 3 is doubled: 'a1_3' and 'a2_3'"),
        (["2024-01-05", "2024-02-07"], None, r"'2024-01-05' may be 1 \(set_number = 2\) or 5 \(set_number = 3\): each"),
        (["a1", "b"], 1, "raw: 'b' has no run of digits number 1 that could be its set number"),
        (["a1"], 2, "raw: 'a1' has no run of digits number 2"),
    ],
)
def test_doubled_and_ambiguous_numbers_are_errors_that_name_the_candidates(names, which, message):
    with pytest.raises(DataError, match=message):
        numbering.of(names, which, "raw")
