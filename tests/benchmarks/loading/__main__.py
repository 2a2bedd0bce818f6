"""`make bench-loading`: batches of deeptrain and of its peers, side by side in one run.

python -m tests.benchmarks.loading [--size 2e9] [--systems raw,deeptrain,grain] ...
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.loading import conversions, dataset, peer, table
from tests.benchmarks.loading.measuring import Bench, Plan

ORDERS = ("sequential", "shuffled", "samples")
PARTS = ("conversions", "speed", "checks")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the JSON after each step, print the tables."""
    asked = _parser().parse_args(arguments)
    place = asked.directory.resolve()
    result = asked.json or place / "results.json"
    plan = Plan(
        systems=peer.chosen(asked.systems),
        datasets=asked.data,
        size=int(asked.size),
        batches=asked.batches,
        orders=asked.orders,
        repetitions=asked.repetitions,
        seconds=asked.seconds,
        drop_caches=not asked.spare_neighbours,
    )

    def progress(line: str) -> None:
        sys.stderr.write(f"{line}\n")
        if result.parent.exists():
            result.write_text(json.dumps(asdict(bench.results), indent=1))

    bench = Bench(plan, place, progress)
    try:
        if "conversions" in asked.parts:
            conversions.run(bench, int(asked.size))
        bench.run(speed="speed" in asked.parts, checks="checks" in asked.parts)
    finally:  # what was measured is shown, even if somebody has enough of it
        result.write_text(json.dumps(asdict(bench.results), indent=1))
        table.show(bench.results, sys.stdout)
        sys.stdout.write(f"\nevery measurement: {result}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    def names(text: str) -> tuple[str, ...]:
        return tuple(text.split(","))

    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split(","))

    every = ",".join(system.name for system in peer.SYSTEMS)
    parser = argparse.ArgumentParser(prog="make bench-loading ARGS=...", description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=float, default=2e9, help="bytes of each set of samples (%(default).0g)")
    parser.add_argument("--systems", type=names, default=names(every), help="of %(default)s")
    parser.add_argument("--data", type=names, default=tuple(dataset.KINDS), help="of %(default)s")
    parser.add_argument("--batches", type=numbers, default=(32, 256))
    parser.add_argument("--orders", type=names, default=ORDERS, help="of %(default)s")
    parser.add_argument(
        "--repetitions", type=int, default=3, help="rounds, each with all systems in turn (%(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="an epoch is cut short after these (%(default)s)")
    parser.add_argument(
        "--directory", type=Path, default=Path("build/bench-loading"), help="on the disk to be measured"
    )
    parser.add_argument("--json", type=Path, help="where every measurement goes (results.json in the directory)")
    parser.add_argument("--spare-neighbours", action="store_true", help="evict only the files read, not the page cache")
    parser.add_argument("--parts", type=names, default=PARTS, help="of %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
