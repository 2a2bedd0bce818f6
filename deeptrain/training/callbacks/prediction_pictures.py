"""The predictions of each validation as a picture: where the model is sure, and where it is wrong."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deeptrain.errors import SettingsError
from deeptrain.training.callbacks import drawing
from deeptrain.training.callbacks.files_beside import FilesBeside
from deeptrain.training.frequency import Every

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer
    from deeptrain.training.validation import Validated

MOST_DRAWN = 5000
"""Points beyond which every n-th sample is drawn."""


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
        self.picture = draw(trainer.validated, trainer.threshold, when)
        self._files.write(trainer, f"{trainer.position.iteration:07}.png", self.picture)


def _binary(found: "Validated", threshold: float, when: str) -> bytes:
    figure, (left, right) = drawing.figure(1, 2, 5.0, 3.2, f"Predictions for the validation split {when}")
    truth, scores = found.labels.reshape(-1) > 0, found.outputs.reshape(-1)
    bins = np.linspace(min(0.0, scores.min()), max(1.0, scores.max()), 41)
    classes = [("negative", ~truth, drawing.MAIN), ("positive", truth, drawing.SECOND)]
    for name, chosen, colour in classes:
        left.hist(scores[chosen], bins, color=colour, alpha=0.6, label=f"{name} ({int(chosen.sum()):,})")
    step = -(-len(scores) // MOST_DRAWN)
    shown = np.arange(0, len(scores), step)
    place = np.unique(found.sets.reshape(-1), return_inverse=True)[1]
    for _, chosen, colour in classes:
        drawn = shown[chosen[shown]]
        right.plot(scores[drawn], place[drawn], "|", color=colour, markersize=7)
    for pane in (left, right):
        pane.axvline(threshold, color=drawing.INK, linewidth=1, label=f"threshold {threshold:.4g}")
    left.legend(fontsize=7, frameon=False)
    drawing.quiet(left, "How probabilities are distributed", "probability of positive", "samples")
    drawing.quiet(right, "Set by set, in the same colours", "probability of positive", "set number")
    numbers = np.unique(found.sets)
    ticks = np.unique(np.linspace(0, len(numbers) - 1, min(len(numbers), 10)).astype(int))
    right.set_yticks(ticks, [str(numbers[tick]) for tick in ticks])
    right.invert_yaxis()
    return drawing.png(figure)


def _classes(found: "Validated", _: float, when: str) -> bytes:
    count = found.outputs.shape[-1]
    truth, said = found.labels.reshape(-1).astype(np.int64), found.outputs.reshape(-1, count).argmax(-1)
    table = np.zeros((count, count))
    np.add.at(table, (truth, said), 1)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    size = max(3.2, 0.4 * count)
    figure, (pane,) = drawing.figure(1, 1, size + 1.2, size, f"Validation split {when}")
    image = pane.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if count <= 20:
        pane.set_xticks(range(count))
        pane.set_yticks(range(count))
        for row in range(count):
            for column in range(count):
                colour = "white" if shares[row, column] > 0.5 else drawing.INK
                text = f"{int(table[row, column])}"
                pane.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    drawing.quiet(pane, "Samples by class", "predicted class", "true class")
    drawing.scale(figure, image, pane, "share of the true class")
    return drawing.png(figure)


def _values(found: "Validated", _: float, when: str) -> bytes:
    figure, (pane,) = drawing.figure(1, 1, 4.0, 4.0, f"Validation split {when}")
    truth, said = found.labels.reshape(-1), found.outputs.reshape(-1)
    step = -(-len(truth) // MOST_DRAWN)
    ends: list[Any] = [min(truth.min(), said.min()), max(truth.max(), said.max())]
    pane.plot(ends, ends, color=drawing.FAINT, linewidth=1, label="no error")
    pane.plot(truth[::step], said[::step], ".", color=drawing.MAIN, markersize=3, alpha=0.5, label="predicted")
    pane.legend(fontsize=7, frameon=False)
    error = float(np.sqrt(np.mean((truth - said) ** 2)))
    drawing.quiet(pane, f"Root mean squared error {error:.4g}", "true value", "predicted value")
    return drawing.png(figure)
