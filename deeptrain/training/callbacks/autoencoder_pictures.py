"""Originals over their reconstructions, after each validation."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deeptrain.errors import SettingsError
from deeptrain.training.callbacks import drawing
from deeptrain.training.callbacks.files_beside import FilesBeside
from deeptrain.training.frequency import Every

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer

LONGEST_IMAGE = 4
"""Times as long as wide: what is longer is a series of some channels."""


class AutoencoderPictures:
    """Draws `live/autoencoder_pictures/0000420.png`, named by the iteration, for a model that gives its input again.

    Images (height, width), at most 4 times as long as wide, or with 1, 3 or 4 channels are drawn as such, originals and
    reconstructions in one scale of grey; anything else as lines. Each column is a sample of the validation split,
    its mean squared error above it.

    Attributes:
        every: by default after each validation.
        errors: (samples drawn,) mean squared errors of the newest picture; None before the first.
        picture: the newest, as PNG; None before the first.
    """

    def __init__(self, samples: int = 8, every: Every | None = None, directory: str | Path | None = None) -> None:
        """Choose how many.

        Args:
            samples: the first so many of the validation split.
            every: how often.
            directory: for the files, instead of the run's `live/autoencoder_pictures`.

        Raises:
            SettingsError: when there is no sample to draw.
        """
        if type(samples) is not int or samples < 1:
            raise SettingsError(f"autoencoder_pictures: samples must be an integer of at least 1, got {samples!r}")
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
        self.errors = ((originals - made) ** 2).reshape(len(made), -1).mean(axis=1)
        self.picture = _draw(originals, made, self.errors, trainer.position.iteration)
        self._files.write(trainer, f"{trainer.position.iteration:07}.png", self.picture)


def _draw(originals: np.ndarray, made: np.ndarray, errors: np.ndarray, iteration: int) -> bytes:
    count = len(made)
    title = f"Originals (above) and reconstructions after {iteration:,} iterations"
    width = max(1.4, 5 / count)  # the title is 5 inches
    figure, panes = drawing.figure(2, count, width, 1.6, title, drawing.BARE)
    low, high = float(originals.min()), float(originals.max())
    for column in range(count):
        for row, one in enumerate((originals[column], made[column])):
            pane = panes[row * count + column]
            drawing.bare(pane)
            _one(pane, one, low, high)
        panes[column].set_title(f"error {errors[column]:.3g}", fontsize=8, color=drawing.INK)
    if _is_image(originals[0]) and originals[0].squeeze().ndim == 2:
        drawing.scale(figure, panes[0].images[0], panes, "value")
    return drawing.png(figure)


def _is_image(sample: np.ndarray) -> bool:
    if sample.ndim == 3:
        return sample.shape[-1] in {1, 3, 4}
    return sample.ndim == 2 and max(sample.shape) <= LONGEST_IMAGE * min(sample.shape)


def _one(pane: Any, sample: np.ndarray, low: float, high: float) -> None:
    if not _is_image(sample):
        pane.plot(sample.reshape(len(sample), -1), linewidth=0.8)
        pane.set_ylim(low, high)
    elif sample.squeeze().ndim == 2:
        pane.imshow(sample.reshape(sample.shape[:2]), cmap="gray", vmin=low, vmax=high)
    else:
        pane.imshow(np.clip((sample - low) / max(high - low, 1e-12), 0, 1))
