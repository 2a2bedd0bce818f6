import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deeptrain.shards.proportions import proportional_table


@st.composite
def margins(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    columns = draw(st.lists(st.integers(0, 30), min_size=1, max_size=12))
    cuts = sorted(draw(st.lists(st.integers(0, sum(columns)), max_size=4)))
    rows = [after - before for before, after in zip([0, *cuts], [*cuts, sum(columns)], strict=True)]
    return rows, columns


@given(margins())
@example(([0], [0]))
@example(([1, 1, 1], [1, 1, 1]))
def test_every_share_is_rounded_down_or_up_and_every_sum_is_exact(both: tuple[list[int], list[int]]):
    rows, columns = both
    table = proportional_table(rows, columns)
    total = max(sum(rows), 1)
    assert [sum(entries) for entries in table] == rows
    assert [sum(entries) for entries in zip(*table, strict=True)] == columns
    for row, entries in zip(rows, table, strict=True):
        for column, entry in zip(columns, entries, strict=True):
            assert row * column // total <= entry <= -(-row * column // total)


def test_a_thousand_classes_with_awkward_remainders_still_have_a_table():
    columns = [3 + i % 7 for i in range(1000)]
    rows = [sum(columns) // 3 + 1, sum(columns) // 5, 17]
    rows.append(sum(columns) - sum(rows))
    table = proportional_table(rows, columns)
    assert [sum(entries) for entries in table] == rows
    assert [sum(entries) for entries in zip(*table, strict=True)] == columns


def test_the_largest_remainders_are_rounded_up():
    assert proportional_table([7, 3], [6, 4]) == [[4, 3], [2, 1]]  # of 4.2, 2.8 and 1.8, 1.2


def test_sums_that_differ_are_refused():
    with pytest.raises(ValueError, match="rows add up to 3, columns to 4"):
        proportional_table([3], [2, 2])
