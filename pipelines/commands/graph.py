"""`python -m pipelines graph RUN`: what was made from what."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deeptrain.errors import DataError
from pipelines import listing

if TYPE_CHECKING:
    from deeptrain.report.run import Lineage

DIGITS = 12


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "graph",
        help="show what was made from what",
        description="Show the artifacts of a run's newest finished job, or of one training: what was made from what, "
        "with the digest of what was asked (identity) and of what came out (content). Only manifests are read.",
        epilog="example: python -m pipelines graph runs/digits --svg lineage.svg",
    )
    parser.add_argument("run_directory", metavar="RUN", type=Path, help="a run, such as runs/digits, or one training")
    parser.add_argument("--svg", metavar="FILE", type=Path, help="also draw it, for a browser")
    parser.add_argument("--json", action="store_true", help="write JSON instead of lines")
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Print the graph, and draw it where asked.

    Raises:
        DeeptrainError: when the run cannot be read.
    """
    from dataclasses import asdict

    from deeptrain import ancestry
    from deeptrain.files import readable_json, write_file

    if asked.svg is not None and not asked.svg.parent.is_dir():
        raise DataError(f"--svg {asked.svg}: the directory {asked.svg.parent} does not exist")
    found = ancestry.of(asked.run_directory)
    if asked.json:
        listing.write(readable_json([asdict(line) for line in found]).decode().splitlines())
    else:
        listing.write(lines(found, listing.width()))
    if asked.svg is not None:
        from deeptrain.report import lineage_graph

        write_file(asked.svg, lineage_graph.svg(found))
        if not asked.json:
            listing.write(["", str(asked.svg)])


def lines(found: "Sequence[Lineage]", width: int | None) -> Iterator[str]:
    """The artifacts, inputs first, at most `width` columns wide; None cuts nothing."""
    stages = {line.artifact: line.stage for line in found}
    table = [("stage", "identity", "content", "made from")]
    table += [
        (
            line.stage,
            line.identity[:DIGITS],
            line.content[:DIGITS],
            ", ".join(stages[name] for name in line.inputs if name in stages) or "raw files",
        )
        for line in found
    ]
    yield from listing.rows(table, width)
