"""`python -m pipelines predict RUN PATH`: scores for new raw files."""

import argparse
import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import deeptrain
from deeptrain.errors import DataError
from deeptrain.files import write_file
from pipelines.cells import printable

if TYPE_CHECKING:  # to see what commands there are must not load NumPy
    import numpy as np


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "predict",
        help="score new raw files with a trained model",
        description="Score new raw files with a trained model: one row a sample, in the order of the files.",
        epilog="example: python -m pipelines predict runs/digits new.csv --out scores.csv",
    )
    parser.add_argument("run_directory", metavar="RUN", type=Path, help="a run, such as runs/digits")
    parser.add_argument("path", metavar="PATH", type=Path, help="a raw file or a directory of them; labels are ignored")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write a CSV file instead of printing")
    parser.add_argument("--format", metavar="NAME", help="of the files, such as csv or npy; as the run's if absent")
    add_model_arguments(parser)
    parser.set_defaults(run=run)


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say which model is meant."""
    parser.add_argument("--epoch", default="best", type=_epoch, help='"best" (default), "last" or a number')
    parser.add_argument("--experiment", metavar="FILE", type=Path, help="the TOML file, if the builder is beside it")


def run(asked: argparse.Namespace) -> None:
    """Predict, and print or write a CSV table.

    Raises:
        DeeptrainError: when the run or the files cannot be used.
    """
    from deeptrain import predictor

    if asked.out is not None and not asked.out.parent.is_dir():
        raise DataError(f"--out {asked.out}: the directory {asked.out.parent} does not exist")
    loaded = deeptrain.load(asked.run_directory, asked.epoch, asked.experiment)
    x = predictor.samples(loaded, asked.path, asked.format)
    values = loaded.probabilities(x)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = loaded.data.classes
    if loaded.data.kind == "binary":
        writer.writerow(["sample", "probability", "decision", "class"])
        decisions = values > loaded.threshold
        rows = (
            [i, repr(float(p)), int(d), names[int(d)]] for i, (p, d) in enumerate(zip(values, decisions, strict=True))
        )
    elif loaded.data.kind == "classes":
        writer.writerow(["sample", *(f"probability {name}" for name in names), "class"])
        rows = ([i, *(repr(float(p)) for p in row), names[int(row.argmax())]] for i, row in enumerate(values))
    else:
        table = _one_row_a_sample(values, x)
        columns = loaded.data.columns
        numbered = map(str, range(table.shape[1]))
        several = [f"value {name}" for name in (columns if len(columns) == table.shape[1] else numbered)]
        writer.writerow(["sample", *(several if len(several) > 1 else ["value"])])
        rows = ([i, *(repr(float(value)) for value in row)] for i, row in enumerate(table))
    writer.writerows(rows)
    data = text.getvalue()
    if asked.out is None:
        if sys.stdout.isatty():  # the names of classes are what raw files held
            data = "".join(f"{printable(line)}\n" for line in data.split("\n")[:-1])
        sys.stdout.write(data)
        return
    write_file(asked.out, data.encode())
    told = "" if loaded.threshold is None else f", threshold {loaded.threshold:.6g} ({loaded.threshold_source})"
    sys.stdout.write(f"{len(values)} samples scored with epoch {loaded.epoch}{told}: {asked.out}\n")


def _one_row_a_sample(values: "np.ndarray", x: Any) -> "np.ndarray":
    """The values of each sample side by side."""
    from deeptrain.loading import arrays

    count = arrays.samples(x)
    if len(values) != count:
        raise DataError(
            f"this model predicts every step of its {count:,} sequences ({len(values):,} in all), which is no table of "
            "one row a sample; use deeptrain.load"
        )
    return values.reshape(count, -1)


def _epoch(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text
