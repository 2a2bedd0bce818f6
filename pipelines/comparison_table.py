"""Runs side by side in a terminal: who they are, settings that differ, what came out, and what each gains."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pipelines.cells import cells, cut, cut_path, padded, printable, wrapped

if TYPE_CHECKING:
    from deeptrain.report.compared import Comparison, Row

GAP = "  "
LEAST = 12
"""Columns that a setting has at least where the width is limited; it is cut rather than put below others."""


def lines(comparison: "Comparison", width: int | None, mark: str = "…") -> list[str]:
    """The lines, at most `width` columns wide; None cuts nothing.

    Where not all runs fit side by side, those that do are followed by the next, under the same names.
    """
    found = list(_runs(comparison, width, mark))
    letters = [run.letter for run in comparison.runs]
    found += ["", *_table("settings that differ", comparison.differing, letters, width, mark, cutting=True)]
    found += ["", *_table("outcome", comparison.outcomes, letters, width, mark, cutting=False)]
    told = [*comparison.sentences(), *(f"{about}: {text}" for about, text in comparison.notices)]
    if told:
        found += ["", *(line for text in told for line in wrapped(printable(text), width))]
    return found


def _runs(comparison: "Comparison", width: int | None, mark: str) -> Iterator[str]:
    named = [(f"{run.letter}{GAP}{printable(run.name)}", printable(run.where)) for run in comparison.runs]
    longest = max(cells(name) for name, _ in named)
    fits = width is None or all(longest + len(GAP) + cells(where) <= width for _, where in named)
    for name, where in named:
        if fits:
            yield f"{padded(name, longest)}{GAP}{where}"
        else:
            yield cut(name, width or 0, mark)
            yield f"   {cut_path(where, (width or 0) - 3, mark)}"


def _table(
    title: str, rows: Sequence["Row"], letters: Sequence[str], width: int | None, mark: str, *, cutting: bool
) -> Iterator[str]:
    if not rows:
        yield f"{title}: none"
        return
    head = [title, *letters]
    body = [[printable(one) for one in (row.name, *row.cells)] for row in rows]
    if width is not None and cutting:
        first = max(len(title), *(min(cells(row[0]), width * 9 // 20) for row in body))
        most = max(LEAST, (width - first) // len(letters) - len(GAP))
        body = [[_cut_key(row[0], width * 9 // 20, mark), *_cut_values(row[1:], most, mark)] for row in body]
    sizes = [max(cells(row[place]) for row in (head, *body)) for place in range(len(head))]
    begin = 1
    while begin < len(head):
        end = begin + 1
        while end < len(head) and (
            width is None or sizes[0] + sum(sizes[begin : end + 1]) + (end + 1 - begin) * 2 <= width
        ):
            end += 1
        if begin > 1:
            yield ""
        for row in (head, *body):
            shown = [padded(row[0], sizes[0]), *(padded(row[at], sizes[at]) for at in range(begin, end))]
            line = GAP.join(shown).rstrip()
            yield line if width is None else cut(line, width, mark)
        begin = end


def _cut_key(key: str, width: int, mark: str) -> str:
    """A dotted key in at most `width` columns: its end says most and stays."""
    return key if cells(key) <= width else mark + key[len(mark) - width :]


def _cut_values(values: Sequence[str], width: int, mark: str) -> list[str]:
    """Values that differ in at most `width` columns: without what they begin with alike where they would look alike."""
    shown = [cut(value, width, mark) for value in values]
    if len(set(shown)) == len(set(values)):
        return shown
    long = [value for value in values if cells(value) > width]
    least = min(map(len, long))
    alike = next((place for place in range(least) if len({value[place] for value in long}) > 1), least)
    return [cut(value if cells(value) <= width else mark + value[alike:], width, mark) for value in values]
