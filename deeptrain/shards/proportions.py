"""Whole numbers nearest to a proportional table: so many samples of each class for each split."""

from collections.abc import Sequence


def proportional_table(rows: Sequence[int], columns: Sequence[int]) -> list[list[int]]:
    """How to share out `columns` among `rows` in proportion: entry (i, j) is rows[i] * columns[j] / total, rounded.

    Every entry is that fraction rounded down or up, and every row and column adds up exactly: a *controlled
    rounding* (Cox 1987, "A constructive procedure for unbiased controlled rounding"), which always exists. Entries
    with the largest remainders are rounded up first, ties in order; where that leaves a row short, an alternating
    path exchanges roundings (Ford and Fulkerson's augmenting path).

    Args:
        rows: sizes of the splits.
        columns: sizes of the classes; both add up to the same total.

    Raises:
        ValueError: when the totals differ.
    """
    total = sum(rows)
    if sum(columns) != total:
        raise ValueError(f"rows add up to {total}, columns to {sum(columns)}")
    table = [[row * column // max(total, 1) for column in columns] for row in rows]
    remainders = {
        (i, j): remainder
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
        if total and (remainder := row * column % total)
    }
    row_left = [row - sum(entries) for row, entries in zip(rows, table, strict=True)]
    column_left = [column - sum(entries[j] for entries in table) for j, column in enumerate(columns)]
    raised: set[tuple[int, int]] = set()
    for i, j in sorted(remainders, key=lambda entry: (-remainders[entry], entry)):
        if row_left[i] and column_left[j]:
            raised.add((i, j))
            row_left[i] -= 1
            column_left[j] -= 1
    for i, left in enumerate(row_left):
        for _ in range(left):
            column_left[_augment(i, sorted(remainders), raised, column_left)] -= 1
    for i, j in raised:
        table[i][j] += 1
    return table


def _augment(
    start: int, entries: Sequence[tuple[int, int]], raised: set[tuple[int, int]], column_left: Sequence[int]
) -> int:
    """Raise one more entry of row `start`, moving others within their columns; the column that took one more."""
    came_from: dict[int, tuple[int, int]] = {}  # column -> the entry (row, column) by which the path reached it
    left_by: dict[int, int] = {start: -1}  # row -> the column whose raised entry in it is given up
    waiting = [start]
    for row in waiting:
        for i, column in entries:
            if i != row or (i, column) in raised or column in came_from:
                continue
            came_from[column] = (i, column)
            if column_left[column]:
                end = column
                while column >= 0:
                    entry = came_from[column]
                    raised.add(entry)
                    column = left_by[entry[0]]
                    raised.discard((entry[0], column))
                return end
            for other, _ in sorted(entry for entry in raised if entry[1] == column):
                if other not in left_by:
                    left_by[other] = column
                    waiting.append(other)
    raise AssertionError("a controlled rounding always exists")  # the theorem above
