"""Shapes of a Keras model, also of a subclass that says nothing of them: Keras runs it on symbols then."""

from collections.abc import Mapping
from typing import Any

Symbols = Any
"""A `keras.KerasTensor`, or several by name."""


def symbols(shapes: Mapping[str, tuple[Any, ...]] | tuple[Any, ...], dtypes: Mapping[str, Any] | Any) -> Symbols:
    """Stand-ins for inputs.

    Args:
        shapes: with the batch's axis, which may be None; of several inputs by name.
        dtypes: likewise.
    """
    import keras

    if isinstance(shapes, Mapping):
        return {name: keras.KerasTensor(shape, str(dtypes[name])) for name, shape in shapes.items()}
    return keras.KerasTensor(shapes, str(dtypes))


def build(model: Any, inputs: Symbols) -> None:
    """Give a model that is not built its variables."""
    import keras

    if isinstance(model, keras.Sequential):
        model.build(inputs.shape)
    else:
        model(inputs)


def output_shapes(model: Any, inputs: Symbols) -> Any:
    """The shape of a built model's output, or of several in their structure."""
    import keras

    try:
        return model.compute_output_shape(keras.tree.map_structure(lambda one: one.shape, inputs))
    except NotImplementedError:
        return keras.tree.map_structure(lambda one: one.shape, model.compute_output_spec(inputs))
