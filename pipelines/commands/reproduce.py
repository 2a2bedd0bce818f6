"""`python -m pipelines reproduce FILE EPOCH`: whether a past epoch, trained again, is the one recorded."""

import argparse
import sys
from pathlib import Path


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "reproduce",
        help="train a past epoch again and compare it with the record",
        description="Train a past epoch again, from the end of the one before it, and compare weights, optimizer, "
        "metrics and history with what was recorded. The run is only read.",
        epilog="example: python -m pipelines reproduce mine.toml 5",
    )
    parser.add_argument("experiment", metavar="FILE", type=Path, help="the experiment's TOML file")
    parser.add_argument("epoch", metavar="EPOCH", type=int, help="an epoch that is done, from 1")
    parser.add_argument("--store", metavar="DIR", type=Path, help="the directory of runs (default: runs)")
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Print what was compared.

    Raises:
        DeeptrainError: when the epoch is not done, or does not come out as recorded.
    """
    from deeptrain.reproduction import reproduce

    sys.stdout.write(f"{reproduce(asked.experiment, asked.epoch, store=asked.store)}\n")
