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
    from collections.abc import Iterable

    import numpy as np

    from deeptrain.shards.info import DataInfo


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
    from deeptrain.shards import outputs
    from deeptrain.training import averaged

    if asked.out is not None and not asked.out.parent.is_dir():
        raise DataError(f"--out {asked.out}: the directory {asked.out.parent} does not exist")
    loaded = deeptrain.load(asked.run_directory, asked.epoch, asked.experiment)
    x = predictor.samples(loaded, asked.path, asked.format)
    scores = loaded.scores(x)
    decisions, by_score = loaded.decided(scores), outputs.parts(scores)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    by_output = outputs.parts(loaded.calibrate(scores))
    tables = [
        _columns(output, x, its, outputs.parts(decisions)[output], loaded.data) for output, its in by_output.items()
    ]
    if loaded.probability_map is not None:
        of = str(loaded.calibrated)
        tables.append(_scores(of, _one_row_a_sample(by_score[of], x), outputs.parts(loaded.data.classes)[of]))
    writer.writerow(["sample", *(name for header, _ in tables for name in header)])
    side_by_side = zip(*(rows for _, rows in tables), strict=True)
    writer.writerows([i, *(cell for row in found for cell in row)] for i, found in enumerate(side_by_side))
    data = text.getvalue()
    if asked.out is None:
        if sys.stdout.isatty():  # the names of classes are what raw files held
            data = "".join(f"{printable(line)}\n" for line in data.split("\n")[:-1])
        sys.stdout.write(data)
        return
    write_file(asked.out, data.encode())
    told = "" if loaded.threshold is None else f", threshold {loaded.threshold:.6g} ({loaded.threshold_source})"
    count, weights = len(next(iter(by_output.values()))), averaged.in_words(loaded.averaged)
    sys.stdout.write(f"{count} samples scored with {weights}{told}: {asked.out}\n")


def _columns(
    output: str, x: Any, values: "np.ndarray", decisions: "np.ndarray", data: "DataInfo"
) -> tuple[list[str], "Iterable[list[Any]]"]:
    """Header and rows of the columns of an output, with its name in front where there are several."""
    from deeptrain.shards import outputs

    kind, names = outputs.parts(data.kind)[output], outputs.parts(data.classes)[output]
    table = _one_row_a_sample(values, x)
    if kind == "binary":
        header = ["probability", "decision", "class"]
        rows: Iterable[list[Any]] = (
            [repr(float(p)), int(d), names[int(d)]] for p, d in zip(table[:, 0], decisions, strict=True)
        )
    elif kind == "classes":
        header = [*(f"probability {name}" for name in names), "class"]
        rows = ([*(repr(float(p)) for p in row), names[int(d)]] for row, d in zip(table, decisions, strict=True))
    else:
        columns = data.columns
        numbered = map(str, range(table.shape[1]))
        several = [f"value {name}" for name in (columns if len(columns) == table.shape[1] else numbered)]
        header = several if len(several) > 1 else ["value"]
        rows = ([repr(float(value)) for value in row] for row in table)
    return [f"{output} {name}" if output else name for name in header], rows


def _scores(output: str, table: "np.ndarray", classes: "Iterable[str]") -> tuple[list[str], "Iterable[list[Any]]"]:
    """The scores that decisions are by, where probabilities were made of them."""
    header = ["score"] if table.shape[1] == 1 else [f"score {name}" for name in classes]
    rows = ([repr(float(value)) for value in row] for row in table)
    return [f"{output} {name}" if output else name for name in header], rows


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
