"""What a model is made of, in words and in numbers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deeptrain.introspection.selection import keras_model

HEAD = ("layer", "kind", "output", "parameters")


@dataclass(frozen=True, repr=False)
class ModelDescription:
    """A model as people want to see it. `print` it, or let a notebook.

    Attributes:
        summary: a table of its layers, one a line, layers within layers indented.
        parameters: how many numbers its weights have, those that are not trained included.
    """

    summary: str
    parameters: int

    def __str__(self) -> str:
        """The summary."""
        return self.summary

    __repr__ = __str__


def describe(model: Any) -> ModelDescription:
    """The description of a model.

    Keras' own `summary` is cut to the width of the terminal that happens to be there; this one is the same everywhere.

    Args:
        model: a built `keras.Model`, or a learner of one.

    Raises:
        IntrospectionError: for what is neither, and for a model that is not built.
    """
    model = keras_model(model)
    rows = [HEAD, *_rows(model, 0)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)), row[-1].rjust(widths[-1])]
        )
        for row in rows
    ]
    total = int(model.count_params())
    trained = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    lines += ["", f"{total:,} parameters, {trained:,} of them trained"]
    return ModelDescription("\n".join(lines), total)


def _rows(model: Any, depth: int) -> Iterator[tuple[str, str, str, str]]:
    for layer in model.layers:
        yield f"{'  ' * depth}{layer.name}", type(layer).__name__, _output_shape(layer), f"{layer.count_params():,}"
        if hasattr(layer, "layers"):
            yield from _rows(layer, depth + 1)


def _output_shape(layer: Any) -> str:
    try:
        shape = layer.output.shape
    except (AttributeError, ValueError):  # a layer that is called several times, or never by itself
        return "-"
    return "(" + ", ".join("None" if size is None else str(size) for size in shape) + ")"
