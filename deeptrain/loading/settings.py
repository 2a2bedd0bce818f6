"""`[training.windows]`: how sequences are cut along time."""

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from msgspec import Meta

from deeptrain.settings import Section

Positive = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[int, Meta(ge=0)]


class LinearWeights(Section, frozen=True):
    """Weights that go evenly from a series' first window to its last.

    Attributes:
        first: of the first window; a series of one window has it too.
        last: of the last.
    """

    first: float
    last: float


Weights = LinearWeights | tuple[float, ...]
"""Linear, or one weight for each window of a series; the last one stands for all windows behind it."""


class WindowSettings(Section, frozen=True):
    """`[training.windows]`: a batch of sequences is fed window after window, each an iteration.

    Attributes:
        size: steps in a window.
        slide: steps from the beginning of a window to the beginning of the next; by default `size`.
        start_increments: steps left out at the beginning of every series: the first number in epoch 1, the next in
            epoch 2, and so on from the front again. Validation and predictions leave out none.
        remainder: "pad" fills a series' last window up with zeros that the model is told not to see (a mask), "drop"
            leaves out the steps behind its last whole window.
        weights: of the windows of a series in the training loss; by default all 1.
        prediction_weights: of its windows in the mean that is the prediction for a series; by default all 1.
    """

    size: Positive
    slide: Positive | None = None
    start_increments: tuple[NotNegative, ...] = (0,)
    remainder: Literal["pad", "drop"] = "pad"
    weights: Weights | None = None
    prediction_weights: Weights | None = None

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """Weights are numbers from 0, not all of them 0; there is a first increment."""
        if not self.start_increments:
            yield "start_increments", "expected at least one number of steps", []
        for key in ("weights", "prediction_weights"):
            given = getattr(self, key)
            if given is None:
                continue
            values = (given.first, given.last) if isinstance(given, LinearWeights) else given
            if not values or not all(math.isfinite(value) and value >= 0 for value in values) or not any(values):
                yield key, "expected finite numbers from 0, at least one above it", list(values)
            elif values[0] == 0 and (isinstance(given, tuple) or key == "prediction_weights"):
                yield key, "expected a first weight above 0: a series may have one window only", list(values)

    @property
    def step(self) -> int:
        """Steps from window to window."""
        return self.slide or self.size
