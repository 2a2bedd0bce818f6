"""How weights, outputs and gradients of each layer are distributed: in numbers, and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from deeptrain import files
from deeptrain.errors import SettingsError
from deeptrain.introspection import backward, selection
from deeptrain.introspection.backward import gradients
from deeptrain.introspection.dataset import first_of
from deeptrain.introspection.distribution import Statistics, histogram
from deeptrain.introspection.forward import outputs
from deeptrain.introspection.held import weights
from deeptrain.introspection.pictures import histograms
from deeptrain.training.callbacks.files_beside import FilesBeside
from deeptrain.training.callbacks.newest import newest_of
from deeptrain.training.frequency import Every

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer

Values = Literal["weights", "outputs", "gradients"]
KINDS: tuple[Values, ...] = ("weights", "outputs", "gradients")


@dataclass(frozen=True)
class Distribution:
    """Numbers in short.

    Attributes:
        statistics: what they are; see `introspection.Statistics`.
        counts: how many of those that are finite are in each of equal bins from the least to the greatest.
    """

    statistics: Statistics
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: np.ndarray, bins: int) -> "Distribution":
        """The distribution of an array."""
        return cls(Statistics.of(values), histogram(values, bins)[0])

    def as_dict(self) -> dict[str, Any]:
        """As it is written: the statistics by name, and the counts."""
        return self.statistics.as_dict() | {"counts": self.counts}


class LayerHistograms:
    """Writes `live/layer_histograms/0000420.json` and `.png`, named by the iteration.

    Outputs and gradients are those for the first batch of the validation split, or of the newest training batch where
    there is none. Nothing of training changes.

    Attributes:
        every: by default at the end of each epoch.
        numbers: the newest `Distribution` of each, by kind and name.
        picture: the newest, as PNG; None before the first, or where none is drawn.
    """

    def __init__(
        self,
        of: Sequence[Values] = ("weights",),
        *,
        bins: int = 50,
        pictures: bool = True,
        every: Every | None = None,
        directory: str | Path | None = None,
    ) -> None:
        """Choose what is looked at.

        Args:
            of: "weights" of any learner; "outputs" and "gradients" of layers of a Keras model.
            bins: of a histogram.
            pictures: whether a picture is drawn.
            every: how often.
            directory: for the files, instead of the run's `live/layer_histograms`.

        Raises:
            SettingsError: for another kind, or less than a bin.
        """
        if not of or any(one not in KINDS for one in of):
            raise SettingsError(f"layer_histograms: of must be some of {', '.join(KINDS)}, got {list(of)}")
        if type(bins) is not int or bins < 1:
            raise SettingsError(f"layer_histograms: bins must be an integer of at least 1, got {bins!r}")
        self.every = Every(epochs=1) if every is None else every
        self._of, self._bins, self._pictures = tuple(of), bins, pictures
        self._files = FilesBeside("layer_histograms", directory)
        self.numbers: dict[str, dict[str, Distribution]] = {}
        self.picture: bytes | None = None

    def init(self, trainer: "Trainer") -> None:
        """Refuse what cannot be looked at, before hours are spent."""
        if "outputs" in self._of:
            selection.keras_model(trainer.learner)
        if "gradients" in self._of:
            backward.check_known(trainer.learner)

    def act(self, trainer: "Trainer") -> None:
        """Look, and write."""
        arrays = {kind: _values(trainer, kind) for kind in self._of}
        self.numbers = {
            kind: {name: Distribution.of(value, self._bins) for name, value in found.items()}
            for kind, found in arrays.items()
        }
        iteration = trainer.position.iteration
        plain = {kind: {name: one.as_dict() for name, one in found.items()} for kind, found in self.numbers.items()}
        self._files.write(trainer, f"{iteration:07}.json", files.readable_json({"iteration": iteration, **plain}))
        if self._pictures and any(arrays.values()):
            shown = {kind.capitalize(): found for kind, found in arrays.items()}
            title = f"Layers after {iteration:,} iterations"
            self.picture = histograms.draw(shown, title=title, bins=self._bins).png()
            self._files.write(trainer, f"{iteration:07}.png", self.picture)


def _values(trainer: "Trainer", kind: Values) -> dict[str, np.ndarray]:
    learner = trainer.learner
    if kind == "weights":
        return weights(learner)
    if trainer.val_data is not None:
        probe = next(trainer.val_data.judged(0))
    elif trainer.position.iteration:
        probe = newest_of(trainer)
    else:
        return {}
    x, y, by_sample = first_of(probe)
    return outputs(learner, x) if kind == "outputs" else gradients(learner, x, y, weights=by_sample)
