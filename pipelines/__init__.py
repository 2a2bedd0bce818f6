"""What a user runs: `luigi --module pipelines TrainModel`."""

from pipelines import luigi_command
from tasks import (
    Calibrate,
    Epoch,
    Epochs,
    Evaluate,
    Members,
    Offsets,
    Predictions,
    Probabilities,
    RawFiles,
    Report,
    Shards,
    Subset,
    Threshold,
    Thresholds,
    TrainModel,
)

__all__ = [
    "Calibrate",
    "Epoch",
    "Epochs",
    "Evaluate",
    "Members",
    "Offsets",
    "Predictions",
    "Probabilities",
    "RawFiles",
    "Report",
    "Shards",
    "Subset",
    "Threshold",
    "Thresholds",
    "TrainModel",
]

luigi_command.set_defaults()
if luigi_command.is_running():
    luigi_command.take_part()
