"""The parts of a batch, x, y, weights, mask and begins, as learners of Keras models take them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deeptrain.errors import BatchError, in_one_line
from deeptrain.loading.arrays import Arrays
from deeptrain.metrics.metric import Kind
from deeptrain.training import keras_checks, keras_shapes
from deeptrain.training.keras_step import Given


def present(**parts: Any) -> dict[str, Any]:
    """Those that are there."""
    return {name: part for name, part in parts.items() if part is not None}


def given(parts: Mapping[str, Any]) -> Given:
    """As a step is given them."""
    return Given(parts["x"], parts.get("y"), parts.get("weights"), parts.get("mask"))


def changed(change: Callable[[Any], Any], parts: Any) -> Any:
    """A structure of mappings with each array changed."""
    if isinstance(parts, Mapping):
        return {name: changed(change, part) for name, part in parts.items()}
    return change(parts)


def signature(parts: Mapping[str, Any], leading: int) -> tuple[Any, ...]:
    """What a compiled function depends on: names, shapes without the `leading` axes, dtypes."""
    return tuple(
        (name, signature(part, leading)) if isinstance(part, Mapping) else (name, part.shape[leading:], part.dtype)
        for name, part in sorted(parts.items())
    )


def targets(y: Arrays, shapes: Any, kind: Kind | Mapping[str, Kind], leading: int) -> Arrays:
    """Labels as the loss takes them: floats unless they are class numbers, with the output's last axis of one.

    Args:
        y: labels, by name where there are several outputs.
        shapes: of the outputs.
        kind: of the task.
        leading: axes before the batch's.
    """
    if isinstance(y, Mapping):
        return {name: _with_last_axis(part, leading + len(shapes[name])) for name, part in y.items()}
    if kind == "classes":
        return y
    return _with_last_axis(y.astype(np.float32, copy=False), leading + len(shapes))


def output_shapes(model: Any, x: Arrays, leading: int) -> Any:
    """Shapes of a model's outputs for a batch; by name where there are several.

    Args:
        model: a built `keras.Model`.
        x: inputs.
        leading: axes before the batch's.

    Raises:
        BatchError: when the model does not take the batch.
    """
    keras_checks.check_inputs(model, x, leading)
    shapes, dtypes = changed(lambda part: part.shape[leading:], x), changed(lambda part: part.dtype, x)
    try:
        return keras_shapes.output_shapes(model, keras_shapes.symbols(shapes, dtypes))
    except Exception as error:
        raise BatchError(f"{model.name} takes no batch of shape {shapes}: {in_one_line(error)}") from error


def check_labels(loss: Any, shapes: Any, parts: Mapping[str, Any]) -> None:
    """Check that the labels of a group are in the range that the loss of each output is defined for.

    Raises:
        BatchError: naming the first label that is not.
    """
    for one, name in keras_checks.losses_by_output(loss, shapes):
        labels, shape = (parts["y"], shapes) if name is None else (parts["y"][name], shapes[name])
        keras_checks.check_labels(one, labels, shape, parts.get("weights"))


def _with_last_axis(y: np.ndarray, rank: int) -> np.ndarray:
    return y[..., None] if y.ndim == rank - 1 else y
