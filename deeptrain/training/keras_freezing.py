"""Layers whose weights stay as they are, named by patterns."""

import fnmatch
from collections.abc import Sequence
from typing import Any

from deeptrain.errors import TrainingError, did_you_mean


class Freezing:
    """Freezes layers of a model; all others are trained as its builder left them."""

    def __init__(self, model: Any) -> None:
        """Take a model as its builder left it."""
        self._model = model
        self._built = [(layer, layer.trainable) for layer in model._flatten_layers()]

    def freeze(self, patterns: Sequence[str]) -> None:
        """Freeze these layers, and set all others free.

        Args:
            patterns: ("conv*") of names or paths of layers; `()` freezes none.

        Raises:
            TrainingError: when a pattern fits no layer, or nothing is left to train; nothing is changed then.
        """
        if isinstance(patterns, str):
            raise TrainingError(f"frozen: expected a list of names of layers, such as [{patterns!r}], got {patterns!r}")
        names = {name for layer, _ in self._built for name in _names(layer)}
        for pattern in patterns:
            if not fnmatch.filter(names, pattern):
                told = did_you_mean(pattern, sorted(names))
                raise TrainingError(f"no layer of {self._model.name} is called {pattern}; {told}")
        before = [(layer, layer.trainable) for layer, _ in self._built]
        _set(self._built)
        for layer, _ in self._built:
            if any(fnmatch.fnmatch(name, pattern) for name in _names(layer) for pattern in patterns):
                layer.trainable = False
        if not self._model.trainable_variables:
            _set(before)
            raise TrainingError(f"nothing of {self._model.name} is left to train when {', '.join(patterns)} are frozen")

    def check(self, patterns: Sequence[str]) -> None:
        """Raise what `freeze` would; nothing is changed."""
        before = [(layer, layer.trainable) for layer, _ in self._built]
        self.freeze(patterns)
        _set(before)


def _set(flags: Sequence[tuple[Any, bool]]) -> None:
    for layer, trainable in flags:  # setting one sets those within it, which come later
        layer.trainable = trainable


def _names(layer: Any) -> list[str]:
    """What a layer is called, and its path where it has one."""
    return [name for name in (layer.name, layer.path) if name]
