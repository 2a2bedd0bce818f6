"""The table at the end of a job: what each stage did, how long it took, and where its artifact is."""

import itertools
import os.path
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from pipelines.cells import cells, cut, cut_path, padded, printable

State = Literal["ran", "was there", "failed", "left out"]
STATES: tuple[State, ...] = ("was there", "ran", "failed", "left out")
PLURAL: dict[State, str] = {"was there": "were there", "ran": "ran", "failed": "failed", "left out": "left out"}
TELLING: tuple[State, ...] = ("failed", "ran", "was there", "left out")
HEAD = ("stage", "state", "seconds", "artifact")
GAP = "  "
LEAST = 24


class Row(NamedTuple):
    """One stage.

    Attributes:
        stage: its name.
        state: what became of it.
        seconds: how long it ran; None if it did not.
        where: the artifact's path; for "failed" and "left out" the reason.
        epochs: the first and the last epoch of an epoch stage; neighbouring rows of this kind become one.
    """

    stage: str
    state: State
    seconds: float | None
    where: str
    epochs: tuple[int, int] | None = None


class Shown(NamedTuple):
    """A row as it is shown; `telling` is the state that gives its colour and decides what `where` is."""

    stage: str
    state: str
    seconds: str
    where: str
    telling: State | None

    @property
    def has_path(self) -> bool:
        """Whether `where` is a path, not a reason."""
        return self.telling in ("ran", "was there") and bool(self.where)


def table_lines(rows: Iterable[Row], width: int | None, mark: str = "…") -> list[tuple[str, State | None]]:
    """The table's lines, each with the state of its row (None: the head), at most `width` columns wide.

    When a path is too long for its column, the directory that all are in moves to the column's head; what is still too
    long is cut in its middle. When the column would be narrower than 24, paths stand on lines of their own. None as
    width cuts nothing.
    """
    shown = [Shown(*HEAD, None), *collapsed(rows)]
    sizes = [max(map(cells, column)) for column in zip(*(row[:3] for row in shown), strict=True)]
    room = None if width is None else width - sum(sizes) - 3 * len(GAP)
    if room is not None and room >= LEAST and any(row.has_path and cells(row.where) > room for row in shown):
        shown = _below_their_directory(shown)
    table: list[tuple[str, State | None]] = []
    for row in shown:
        left = GAP.join((padded(row.stage, sizes[0]), padded(row.state, sizes[1]), row.seconds.rjust(sizes[2])))
        if width is None or room is None:
            table.append((f"{left}{GAP}{row.where}".rstrip(), row.telling))
        elif room >= LEAST:
            table.append((f"{left}{GAP}{_shortened(row, room, mark)}".rstrip(), row.telling))
        else:
            table.append((cut(left.rstrip(), width, mark), row.telling))
            if row.where and row.telling is not None:
                table.append((cut(GAP, width, "") + _shortened(row, width - len(GAP), mark), row.telling))
    return table


def collapsed(rows: Iterable[Row]) -> list[Shown]:
    """The rows as they are shown: neighbouring epochs are one row, "epochs 1-8", "3 were there, 5 ran"."""
    shown: list[Shown] = []
    for is_epochs, group in itertools.groupby(rows, key=lambda row: row.epochs is not None):
        together = list(group)
        shown += [_epochs(together)] if is_epochs else [_plain(row) for row in together]
    return shown


def _below_their_directory(shown: Sequence[Shown]) -> list[Shown]:
    directory = _common([str(PurePosixPath(row.where).parent) for row in shown if row.has_path])
    if directory in ("", ".", "/"):
        return list(shown)
    head = shown[0]._replace(where=f"{HEAD[3]} in {directory}")
    below = [
        row._replace(where=str(PurePosixPath(row.where).relative_to(directory))) if row.has_path else row
        for row in shown[1:]
    ]
    return [head, *below]


def _shortened(row: Shown, width: int, mark: str) -> str:
    is_path = row.has_path or row.telling is None
    return cut_path(row.where, width, mark) if is_path else cut(row.where, width, mark)


def _plain(row: Row) -> Shown:
    return Shown(printable(row.stage), row.state, _seconds([row]), printable(row.where), row.state)


def _epochs(rows: Sequence[Row]) -> Shown:
    spans = [row.epochs for row in rows if row.epochs is not None]
    first, last = min(span[0] for span in spans), max(span[1] for span in spans)
    counts = dict.fromkeys(STATES, 0)
    for row, span in zip(rows, spans, strict=True):
        counts[row.state] += span[1] - span[0] + 1
    telling = next(state for state in TELLING if counts[state])
    told = ", ".join(f"{n} {state if n == 1 else PLURAL[state]}" for state, n in counts.items() if n)
    places = [row.where for row in rows if row.state == telling]
    where = _common(places) if telling in ("ran", "was there") else places[0]
    if first == last:
        return Shown(f"epoch {first}", telling, _seconds(rows), printable(where), telling)
    return Shown(f"epochs {first}-{last}", told, _seconds(rows), printable(where), telling)


def _common(paths: Sequence[str]) -> str:
    try:
        return os.path.commonpath(paths)
    except ValueError:  # absolute and relative ones together have nothing in common
        return ""


def _seconds(rows: Sequence[Row]) -> str:
    known = [row.seconds for row in rows if row.seconds is not None]
    if not known:
        return ""
    return f"{sum(known):,.1f}" if sum(known) >= 0.05 else "<0.1"
