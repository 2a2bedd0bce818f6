"""Shapes of a Keras model, also of a subclass that says nothing of them: Keras runs it on symbols then."""

from collections.abc import Mapping
from typing import Any

from deeptrain.errors import TrainingError

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


def inputs_of(model: Any) -> Symbols:
    """Stand-ins for what a built model takes, as far as it tells: a subclass tells it of one input only.

    Raises:
        TrainingError: when it does not tell.
    """
    given = getattr(model, "input", None)  # of a functional model: in the structure it was made with
    if given is not None:
        return given
    shape = (model.get_build_config() or {}).get("input_shape")
    if not isinstance(shape, tuple | list):
        raise TrainingError(f"{model.name} does not tell the shape of its inputs; make it of keras.Input")
    return symbols((None, *shape[1:]), "float32")


def output_shapes(model: Any, inputs: Symbols) -> Any:
    """The shape of a built model's output, or of several in their structure."""
    import keras

    try:
        return model.compute_output_shape(keras.tree.map_structure(lambda one: one.shape, inputs))
    except NotImplementedError:
        return keras.tree.map_structure(lambda one: one.shape, model.compute_output_spec(inputs))
