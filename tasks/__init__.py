"""Luigi tasks: parameters in, one artifact out, and a `run` of a few lines that calls the library."""

from tasks.calibrate import Calibrate
from tasks.epoch import Epoch
from tasks.epochs import Epochs
from tasks.evaluate import Evaluate
from tasks.members import Members
from tasks.offsets import Offsets
from tasks.predictions import EpochPredictions, Predictions
from tasks.probabilities import Probabilities
from tasks.raw_files import RawFiles
from tasks.report import Report
from tasks.shards import Samples, ShardPart, Shards
from tasks.subset import Subset
from tasks.threshold import Threshold
from tasks.thresholds import Thresholds
from tasks.train_model import TrainModel

__all__ = [
    "Calibrate",
    "Epoch",
    "EpochPredictions",
    "Epochs",
    "Evaluate",
    "Members",
    "Offsets",
    "Predictions",
    "Probabilities",
    "RawFiles",
    "Report",
    "Samples",
    "ShardPart",
    "Shards",
    "Subset",
    "Threshold",
    "Thresholds",
    "TrainModel",
]
