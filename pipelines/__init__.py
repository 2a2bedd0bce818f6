"""What a user runs: `luigi --module pipelines TrainModel`."""

from pipelines import luigi_command
from tasks import (
    Epoch,
    Evaluation,
    Predictions,
    Probabilities,
    RawFiles,
    Report,
    Shards,
    Subset,
    Threshold,
    TrainModel,
)

__all__ = [
    "Epoch",
    "Evaluation",
    "Predictions",
    "Probabilities",
    "RawFiles",
    "Report",
    "Shards",
    "Subset",
    "Threshold",
    "TrainModel",
]

luigi_command.set_defaults()
if luigi_command.is_running():
    luigi_command.take_part()
