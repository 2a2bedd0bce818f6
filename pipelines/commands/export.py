"""`python -m pipelines export RUN`: the model for use without deeptrain."""

import argparse
import sys
from pathlib import Path

import deeptrain
from pipelines.commands.predict import add_model_arguments


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "export",
        help="write a trained model as .keras and SavedModel",
        description="Write a trained model for use without deeptrain: model.keras (the same bytes every time), "
        "saved_model/, and export.json with threshold, classes and shape.",
        epilog="example: python -m pipelines export runs/digits --out export",
    )
    parser.add_argument("run_directory", metavar="RUN", type=Path, help="a run, such as runs/digits")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("export"), help="where to (default: export)")
    add_model_arguments(parser)
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Write the files.

    Raises:
        DeeptrainError: when the run cannot be used.
    """
    loaded = deeptrain.load(asked.run_directory, asked.epoch, asked.experiment, backend="tensorflow")
    for path in loaded.export(asked.out):
        sys.stdout.write(f"{path}\n")
