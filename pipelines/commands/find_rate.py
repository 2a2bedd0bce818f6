"""`python -m pipelines find-rate FILE`: which learning rate to begin with."""

import argparse
import sys
from pathlib import Path

from deeptrain.errors import DataError
from deeptrain.files import write_file


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "find-rate",
        help="find a learning rate to begin with",
        description="Train an experiment's model from its beginning with a growing learning rate, and tell at which "
        "its loss falls fastest. No run is read or written; raw files are converted into a temporary directory.",
        epilog="example: python -m pipelines find-rate mine.toml --out rate.png",
    )
    parser.add_argument("experiment", metavar="FILE", type=Path, help="the experiment's TOML file")
    parser.add_argument("--iterations", type=int, default=100, help="how many rates are tried (default: 100)")
    parser.add_argument("--least", type=float, default=1e-7, help="the first rate (default: 1e-7)")
    parser.add_argument("--greatest", type=float, default=1.0, help="the last rate (default: 1)")
    parser.add_argument("--out", metavar="PNG", type=Path, help="draw loss over learning rate")
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Print the curve, and draw it where asked.

    Raises:
        DeeptrainError: when the experiment or the arguments cannot be used.
    """
    from deeptrain.training import Trainer, find_rate

    if asked.out is not None and not asked.out.parent.is_dir():
        raise DataError(f"--out {asked.out}: the directory {asked.out.parent} does not exist")
    trainer = Trainer.from_experiment(asked.experiment)
    curve = find_rate(trainer, least=asked.least, greatest=asked.greatest, iterations=asked.iterations)
    sys.stdout.write(f"{curve}\n")
    if asked.out is not None:
        write_file(asked.out, curve.picture().png())
        sys.stdout.write(f"{asked.out}\n")
