"""The predictions of each validation as a picture: where the model is sure, and where it is wrong."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deeptrain.drawing.canvas import Picture
from deeptrain.errors import SettingsError
from deeptrain.introspection.pictures import by_set, confusion, values
from deeptrain.training.callbacks.files_beside import FilesBeside
from deeptrain.training.frequency import Every

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer
    from deeptrain.training.validation import Validated


class PredictionPictures:
    """Draws `live/prediction_pictures/0000420.png`, named by the iteration.

    Binary labels: how probabilities are distributed in each class, with the threshold, and those of the samples set by
    set. Classes: the share of each true class that was called each class. Values: predicted against true.

    Attributes:
        every: by default after each validation.
        picture: the newest, as PNG; None before the first.
    """

    def __init__(self, every: Every | None = None, directory: str | Path | None = None) -> None:
        """Choose how often.

        Args:
            every: how often.
            directory: for the files, instead of the run's `live/prediction_pictures`.
        """
        self.every = Every(validations=1) if every is None else every
        self._files = FilesBeside("prediction_pictures", directory)
        self.picture: bytes | None = None

    def act(self, trainer: "Trainer") -> None:
        """Draw."""
        if trainer.validated is None:
            return
        if not isinstance(trainer.kind, str):
            raise SettingsError(f"prediction_pictures: expected one output, there are {', '.join(trainer.kind)}")
        when = f"after {trainer.position.iteration:,} iterations"
        draw = {"binary": _binary, "classes": _classes, "values": _values}[trainer.kind]
        self.picture = draw(trainer.validated, trainer.threshold, when).png()
        self._files.write(trainer, f"{trainer.position.iteration:07}.png", self.picture)


def _binary(found: "Validated", threshold: float, when: str) -> Picture:
    return by_set.draw(
        found.labels.reshape(-1),
        found.outputs.reshape(-1),
        found.sets.reshape(-1),
        threshold,
        title=f"Predictions for the validation split {when}",
    )


def _classes(found: "Validated", _: float, when: str) -> Picture:
    count = found.outputs.shape[-1]
    truth, said = found.labels.reshape(-1).astype(np.int64), found.outputs.reshape(-1, count).argmax(-1)
    table = np.zeros((count, count), np.int64)
    np.add.at(table, (truth, said), 1)
    return confusion.draw(table, title=f"Validation split {when}")


def _values(found: "Validated", _: float, when: str) -> Picture:
    return values.draw(found.labels.reshape(-1), found.outputs.reshape(-1), title=f"Validation split {when}")
