"""`python -m pipelines new DIR`: an experiment to begin with, its builder and its data, in a directory of its own."""

import argparse
import shlex
import sys
from importlib import resources
from pathlib import Path

from deeptrain import files
from deeptrain.errors import DataError, SettingsError
from deeptrain.experiment import ExperimentSettings

EXPERIMENT, MODEL, DATA = "experiment.toml", "model.py", "data"
SAMPLES_PER_FILE = 150


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "new",
        help="make an experiment to begin with",
        description="Make a directory with an experiment of its own: settings, a builder, and a small folder of real "
        "data (the 569 tumours of the Wisconsin diagnostic data set, UCI, as scikit-learn has them). It runs as it is; "
        "change what you like.",
        epilog="example: python -m pipelines new mine",
    )
    parser.add_argument("directory", metavar="DIR", type=Path, help="a directory that is empty or not there yet")
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Write it and say how to run it.

    Raises:
        DeeptrainError: when the directory is not empty, cannot be written, or has a name that no experiment can have.
    """
    directory: Path = asked.directory
    experiment = directory / EXPERIMENT
    try:
        write(directory)
    except OSError as error:
        raise DataError(f"{error.filename or directory}: cannot be written: {error.strerror}") from error
    sys.stdout.write(
        f"{experiment}  what is asked\n{directory / MODEL}  the model\n{directory / DATA}  the data\n\n"
        f"run it: luigi --module pipelines TrainModel --experiment {shlex.quote(str(experiment))}\n"
    )


def write(directory: Path) -> None:
    """Put the starter experiment into a directory, the same bytes every time but for its name; settings come last.

    Raises:
        DataError: when something is there already.
        SettingsError: when no experiment can have the directory's name.
        OSError: when it cannot be written.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DataError(f"{directory}: is not empty; name a directory that is, or one that is not there yet")
    name = directory.resolve().name
    for _, rule, _ in ExperimentSettings(name=name).mistakes():
        raise SettingsError(f"{directory}: the experiment is called as its directory: {rule}")
    templates = resources.files("pipelines.starter")
    settings = templates.joinpath(EXPERIMENT).read_text("utf-8").replace('name = "starter"', f'name = "{name}"')
    files.make_directories(directory / DATA)
    for number, text in enumerate(_data(), 1):
        files.write_file(directory / DATA / f"tumours-{number}.csv", text.encode())
    files.write_file(directory / MODEL, templates.joinpath(MODEL).read_bytes())
    files.write_file(directory / EXPERIMENT, settings.encode())


def _data() -> list[str]:
    """The texts of the CSV files: 30 measures of the nuclei of a tumour's cells, and whether it is malignant.

    Breast Cancer Wisconsin (Diagnostic), W. Wolberg, O. Mangasarian, N. Street and W. Street, UCI Machine Learning
    Repository, 1993, https://doi.org/10.24432/C5DW2B, licence CC BY 4.0.
    """
    from sklearn import datasets

    tumours = datasets.load_breast_cancer()
    header = [str(name).replace(" ", "_") for name in tumours.feature_names] + ["diagnosis"]
    labels = [str(tumours.target_names[label]) for label in tumours.target]
    rows = [[*map(repr, values), label] for values, label in zip(tumours.data.tolist(), labels, strict=True)]
    return [
        "".join(",".join(row) + "\n" for row in [header, *rows[start : start + SAMPLES_PER_FILE]])
        for start in range(0, len(rows), SAMPLES_PER_FILE)
    ]
