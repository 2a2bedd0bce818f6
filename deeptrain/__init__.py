"""Train few models thoroughly: exact resume, full knowledge of the train state, calibrated results."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deeptrain.predictor import Predictor
    from deeptrain.report.compared import Comparison
    from deeptrain.training.runtime import Backend

__version__ = "0.1.0"


def load(
    run: str | Path,
    epoch: int | str = "best",
    experiment: str | Path | None = None,
    average: int | None = None,
    backend: "Backend | None" = None,
) -> "Predictor":
    """A trained model with its preprocessing, calibration and threshold, ready to predict.

    Args:
        run: a run's directory, `runs/digits`, or one training in it, `runs/digits/training-...`.
        epoch: "best", "last" or a number, counted from 1.
        experiment: the run's TOML file; needed when the model's builder is a file beside it. Nothing in the
            run's directory is ever executed, so code is only taken from what is installed or from this file's place.
        average: of how many epochs the weights are averaged: of "best" the best by the key metric, otherwise those up
            to `epoch`. By default as the run itself predicted with that epoch, or else 1.
        backend: what Keras runs on, "tensorflow", "jax" or "torch"; by default what the run was trained on. Weights are
            the same on all, and scores differ in their last digits.

    Raises:
        ArtifactError: when the run, the epoch or its state is not there or damaged.
        UserCodeError: when the model's builder cannot be found.
        TrainingError: when the backend is not installed, or this process uses Keras on another.
    """
    from deeptrain import predictor

    return predictor.open(Path(run), epoch, None if experiment is None else Path(experiment), average, backend)


def compare(*runs: str | Path) -> "Comparison":
    """Two or more runs side by side: settings that differ, epochs, metrics with 95 % intervals, differences, cost.

    Nothing of the runs is executed, and no framework is loaded.

    Args:
        runs: directories, `runs/digits` for its newest finished job, or one training in it, `runs/digits/training-...`.

    Raises:
        SettingsError: when it is one run only, or a run is named twice.
        ArtifactError: when a run is not there, has no finished epoch, is damaged, or of another version.
    """
    from deeptrain import comparison

    return comparison.of(runs)
