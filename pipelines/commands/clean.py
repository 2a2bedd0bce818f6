"""`python -m pipelines clean`: delete what no finished run refers to, or what a rule names."""

import argparse
import re
import sys
import time
from pathlib import Path

from deeptrain import cleaning
from deeptrain.cleaning import Cleaning, Rules
from deeptrain.files import readable_json
from deeptrain.lineage import STORE
from pipelines.cells import printable

UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "clean",
        help="delete what no finished run refers to, or what a rule names",
        description="Delete artifacts that no finished run refers to, or what a rule names. What goes is listed with "
        "its size, and asked about; without a terminal to ask on it is only listed. Runs that a command works on are "
        "left alone, and so are experiments that never finished a run.",
        epilog="example: python -m pipelines clean --keep-last 3",
    )
    parser.add_argument("--store", metavar="DIR", type=Path, default=Path(STORE), help="the directory of runs")
    parser.add_argument(
        "--older-than", metavar="AGE", type=_age, help="finished runs older than 30d (m, h, d, w) go; nothing younger"
    )
    rules = parser.add_mutually_exclusive_group()
    rules.add_argument(
        "--keep-last", metavar="N", type=_count, help="of each experiment only the newest N finished runs stay"
    )
    rules.add_argument(
        "--interventions",
        action="store_true",
        help="go back to the undisturbed run: epochs from the first change by hand on, and all made from them",
    )
    rules.add_argument("--quarantine", action="store_true", help="what was set aside as damaged or stale")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="write JSON instead of text; only --yes deletes then")
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """List what may go, ask, and delete it.

    Raises:
        DeeptrainError: when there is no such store, or something cannot be deleted.
    """
    rules = Rules(asked.older_than, asked.keep_last, asked.interventions, asked.quarantine)
    now = time.time()
    found = cleaning.find(asked.store, rules, now)
    if not asked.json:
        sys.stdout.write("".join(f"{printable(line)}\n" for line in _lines(found, now)))
    removing = bool(found.pieces) and (asked.yes or (not asked.json and _agreed()))
    if removing:
        cleaning.remove(found.pieces)
    if asked.json:
        sys.stdout.write(readable_json(_plain(found, now, removed=removing)).decode())
    elif removing:
        sys.stdout.write(f"deleted {_size(found.bytes)}\n")
    elif found.pieces:
        sys.stdout.write("nothing was deleted; say --yes to delete it without being asked\n")


def _agreed() -> bool:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    sys.stdout.write("delete it? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _lines(found: Cleaning, now: float) -> list[str]:
    lines = [
        f"{_size(piece.bytes):>9}  {_since(now - piece.changed):>6}  {piece.directory}  {piece.why}"
        for piece in found.pieces
    ]
    lines += [f"{_size(found.bytes):>9}  in all"] if found.pieces else ["nothing to delete"]
    return [*lines, *found.left]


def _plain(found: Cleaning, now: float, *, removed: bool) -> dict[str, object]:
    return {
        "pieces": [
            {
                "path": str(piece.directory),
                "paths": [str(path) for path in piece.paths],
                "why": piece.why,
                "bytes": piece.bytes,
                "age_seconds": round(now - piece.changed, 3),
            }
            for piece in found.pieces
        ],
        "bytes": found.bytes,
        "left_alone": list(found.left),
        "deleted": removed,
    }


def _age(text: str) -> float:
    """Seconds of "30d", "12h", "45m", "2w"."""
    match = re.fullmatch(r"([0-9]{1,9})([mhdw])", text, re.ASCII)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a number and a unit (m, h, d or w), such as 30d, got {text!r}")
    return float(match[1]) * UNITS[match[2]]


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text!r}")
    return int(text)


def _size(count: int) -> str:
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"


def _since(seconds: float) -> str:
    unit = next((unit for unit in ("w", "d", "h", "m") if seconds >= 2 * UNITS[unit]), None)
    return "now" if unit is None else f"{seconds // UNITS[unit]:.0f} {unit}"
