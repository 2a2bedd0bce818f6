"""`python -m pipelines status`: the trainings of a store, and where each stands."""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines import listing
from pipelines.cells import cells, cut, padded, printable

if TYPE_CHECKING:
    from deeptrain.inventory import Standing

UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
DOES = {False: "works on it", True: "is building the model"}
LEAST = 12
"""Columns that a name has at least."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "status",
        help="list the trainings of a store, and where each stands",
        description="List the trainings of a store: epochs done of those asked for, best key metric, age, and who is "
        "working on it. Nothing is written, no lock is taken, and nothing of a run is executed.",
        epilog="examples: python -m pipelines status; python -m pipelines status runs/digits --json",
    )
    parser.add_argument(
        "store", metavar="STORE", nargs="?", type=Path, help="the directory of runs, or one run (default: runs)"
    )
    parser.add_argument("--json", action="store_true", help="write JSON instead of a table")
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Print where each training stands.

    Raises:
        DeeptrainError: when there is no such store.
    """
    from deeptrain import inventory, lineage
    from deeptrain.files import readable_json

    store = Path(lineage.STORE) if asked.store is None else asked.store
    found = inventory.of(store)
    if asked.json:
        listing.write(readable_json([one.plain() for one in found]).decode().splitlines())
    elif not found:
        listing.write([f"{store}: no training yet"])
    else:
        listing.write(lines(found, time.time(), listing.width()))


def lines(found: "Sequence[Standing]", now: float, width: int | None) -> Iterator[str]:
    """The table, at most `width` columns wide, and below it who works and what is damaged; None cuts nothing.

    Args:
        found: at least one.
        now: seconds since 1970.
        width: columns of the terminal.
    """
    table = [("name", "state", "epochs", "best", "metric", "age")]
    table += [
        (
            printable(one.name),
            one.state,
            f"{one.epochs}" + ("" if one.asked is None else f" of {one.asked}"),
            "-" if one.best is None else f"{one.best:.4g} at {one.best_epoch}",
            printable(one.key_metric) or "-",
            age(now - one.changed) if one.changed else "-",
        )
        for one in found
    ]
    sizes = [max(cells(row[place]) for row in table) for place in range(len(table[0]))]
    over = 0 if width is None else sum(sizes) + len(listing.GAP) * (len(sizes) - 1) - width
    for place in (0, 4):  # a name's and a metric's beginning say most
        cutting = min(max(over, 0), max(sizes[place] - LEAST, 0))
        sizes[place], over = sizes[place] - cutting, over - cutting
    for row in table:
        shown = [padded(cut(cell, size, listing.MARK), size) for cell, size in zip(row, sizes, strict=True)]
        yield listing.GAP.join(shown).rstrip()
    for one in found:
        for told in (
            f"{one.name}: {one.running} {DOES[one.state == 'starting']}" if one.running else "",
            f"{one.name}: training stopped: {one.stopped}" if one.stopped else "",
            f"{one.name}: {one.fault}" if one.fault else "",
        ):
            if told:
                yield ""
                yield from listing.wrapped(printable(told), width)


def age(seconds: float) -> str:
    """How long ago, in the greatest unit there is one of: "3 h"."""
    for size, unit in UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "now"
