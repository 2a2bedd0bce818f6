"""Pictures of arrays: one kind a file, each a function `draw` that gives a `drawing.canvas.Picture`."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deeptrain.introspection.pictures import (
        animation,
        arrays,
        by_iteration,
        by_set,
        confusion,
        curves,
        heat_maps,
        histograms,
        history,
        images,
        modes,
        over_time,
        ranking,
        rate_curve,
        reconstructions,
        samples,
        scores,
        values,
    )

__all__ = [
    "animation",
    "arrays",
    "by_iteration",
    "by_set",
    "confusion",
    "curves",
    "heat_maps",
    "histograms",
    "history",
    "images",
    "modes",
    "over_time",
    "ranking",
    "rate_curve",
    "reconstructions",
    "samples",
    "scores",
    "values",
]


def __getattr__(name: str) -> Any:
    """A kind of picture; matplotlib is loaded with the first."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    """The kinds, those that are not loaded yet too, for who completes a name."""
    return [*__all__]
