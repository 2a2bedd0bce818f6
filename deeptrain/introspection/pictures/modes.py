"""Outputs of layers in inference mode beside those in training mode: what dropout, noise and batch statistics do."""

from collections.abc import Mapping

from numpy.typing import ArrayLike

from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.errors import DataError
from deeptrain.introspection.pictures import histograms

INFERENCE, TRAINING = "inference mode (training=False)", "training mode (training=True)"


def draw(
    inference: Mapping[str, ArrayLike],
    training: Mapping[str, ArrayLike],
    *,
    title: str = "Outputs in both modes",
    unit: str = "output",
    bins: int = 60,
    theme: Theme = LIGHT,
) -> Picture:
    """Two histograms for each layer, on axes of one range: left its outputs in inference mode, right in training mode.

    Args:
        inference: outputs by layer, of a call with `training=False`.
        training: outputs of the same layers for the same batch, of a call with `training=True`.
        title: of the picture.
        unit: of the outputs.
        bins: of each histogram, at most.
        theme: colours.

    Raises:
        DataError: when the two are not of the same layers, and as `histograms.draw` does.
    """
    if set(inference) != set(training):
        only = sorted(set(inference) ^ set(training))
        raise DataError(f"modes: expected the same layers in both modes; in one of them only: {', '.join(only[:5])}")
    both = {name: {INFERENCE: inference[name], TRAINING: training[name]} for name in inference}
    return histograms.draw(
        both, title=title, unit=unit, columns=2, bins=bins, shared_x=True, shared_y=True, theme=theme
    )
