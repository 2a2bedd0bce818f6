"""Originals over their reconstructions, after each validation."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deeptrain.errors import DataError, SettingsError, in_one_line
from deeptrain.introspection.pictures import animation, reconstructions
from deeptrain.training.callbacks.files_beside import FilesBeside
from deeptrain.training.frequency import Every

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer

log = logging.getLogger("deeptrain")

MOST = 24
MOST_FRAMES = 60
GIF = "reconstructions.gif"
SECONDS = 0.4
"""That each picture of the GIF is seen."""


class AutoencoderPictures:
    """Draws `live/autoencoder_pictures/0000420.png`, named by the iteration, for a model that gives its input again.

    Of samples of the validation split, see `introspection.pictures.reconstructions`. When all epochs are trained the
    pictures of them, those that were drawn before a resume too, are together `reconstructions.gif` beside them: at
    most 60, evenly taken, the newest among them.

    Attributes:
        every: by default after each validation.
        errors: (samples drawn,) mean squared errors of the newest picture; None before the first.
        picture: the newest, as PNG; None before the first.
    """

    def __init__(self, samples: int = 8, every: Every | None = None, directory: str | Path | None = None) -> None:
        """Choose how many.

        Args:
            samples: the first so many of the validation split, at most 24.
            every: how often.
            directory: for the files, instead of the run's `live/autoencoder_pictures`.

        Raises:
            SettingsError: when there is no sample to draw, or too many.
        """
        if type(samples) is not int or not 1 <= samples <= MOST:
            raise SettingsError(f"autoencoder_pictures: samples must be an integer from 1 to {MOST}, got {samples!r}")
        self.every = Every(validations=1) if every is None else every
        self._samples = samples
        self._files = FilesBeside("autoencoder_pictures", directory)
        self.errors: np.ndarray | None = None
        self.picture: bytes | None = None

    def act(self, trainer: "Trainer") -> None:
        """Draw.

        Raises:
            SettingsError: when labels are not as the outputs.
        """
        if trainer.validated is None:
            return
        originals, made = (
            np.asarray(one[: self._samples], np.float64)
            for one in (trainer.validated.labels, trainer.validated.outputs)
        )
        if originals.shape != made.shape or originals.ndim < 2:
            raise SettingsError(
                "autoencoder_pictures: expected labels that are the input, and outputs like them; labels are "
                f"{list(originals.shape[1:])}, outputs {list(made.shape[1:])} a sample"
            )
        drawn = reconstructions.draw(originals, made, title=f"After {trainer.position.iteration:,} iterations")
        self.errors = np.array(drawn.numbers["errors"])
        self.picture = drawn.png()
        self._files.write(trainer, f"{trainer.position.iteration:07}.png", self.picture)

    def end(self, trainer: "Trainer") -> None:
        """Join the pictures, unless there are epochs to come."""
        directory = self._files.directory(trainer)
        if directory is None or (trainer.position.epoch <= trainer.epochs and trainer.state.stopped is None):
            return
        files = sorted(directory.glob("[0-9]*.png"))
        shown = files[:: -(-len(files) // MOST_FRAMES)] if files else []
        try:
            pictures = [file.read_bytes() for file in dict.fromkeys([*shown, *files[-1:]])]
            if pictures:
                self._files.write(trainer, GIF, animation.gif(pictures, SECONDS))
        except (OSError, DataError) as error:
            log.warning("autoencoder_pictures: %s is not written: %s", directory / GIF, in_one_line(error))
