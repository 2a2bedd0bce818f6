"""What each layer gives for a batch."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from deeptrain.errors import DeeptrainError, IntrospectionError, in_one_line
from deeptrain.introspection.arrays import as_array
from deeptrain.introspection.selection import Place, Selection, chosen_layers, keras_model
from deeptrain.introspection.still import held_still
from deeptrain.introspection.taps import tapped


def outputs(model: Any, x: Any, select: Selection = "*", *, training: bool = False) -> dict[str, np.ndarray]:
    """What layers give for a batch, by their names, in the order in which they are called.

    A layer's second call is "layer@2"; of several tensors that it gives the second is "layer:1", or "layer:key" where
    they have names. Layers that are called once a step (cells of recurrent layers, the layer within TimeDistributed)
    have no output of their own here. Steps that are padding are seen as they are given, not masked.

    Nothing of the model changes: weights, statistics, seeds and states are the same bytes afterwards. States of
    recurrent layers begin at zero.

    Args:
        model: a built `keras.Model` of any kind, or a learner of one.
        x: (batch, *shape), or several of them by name or in a list as the model takes them.
        select: layers; see `selection.Selection`.
        training: whether layers act as in training: dropout drops, batches are normalised by their own statistics.

    Returns:
        Arrays (batch, ...), of the dtypes that they have.

    Raises:
        IntrospectionError: for a name that matches none, a name that matches several, a model that is not built, data
            of another shape, and a layer that is not called.
    """
    import keras

    model = keras_model(model)
    chosen = callable_layers(model, select)
    found: dict[str, Any] = {}

    def see(name: str, tensor: Any) -> Any:
        found[name] = tensor
        return tensor

    with held_still(model), tapped(chosen, see) as calls:
        called(model, keras.tree.map_structure(keras.ops.convert_to_tensor, x), training)
    check_called(model, chosen, calls, select)
    return {name: as_array(value) for name, value in found.items()}


def callable_layers(model: Any, select: Selection) -> list[Place]:
    """The chosen layers that have an output of their own.

    Raises:
        IntrospectionError: when none has.
    """
    found = chosen_layers(model, select)
    able = [place for place in found if not place.stepwise]
    if not able:
        named = ", ".join(place.name for place in found[:3]) or "nothing"
        raise IntrospectionError(
            f"{named} of {model.name} is called once a step, by a recurrent layer or TimeDistributed: choose the layer "
            "that it is within"
            if found
            else f"{model.name} has no layers within it"
        )
    return able


def called(model: Any, x: Any, training: bool) -> Any:
    """What a model gives for a batch.

    Raises:
        IntrospectionError: when it does not take it.
    """
    check_taken(model, x)
    try:
        return model(x, training=training)
    except DeeptrainError as error:
        raise _as_raised(error) from None
    except Exception as error:
        raise IntrospectionError(f"{model.name} takes no batch of {_shapes(x)}: {in_one_line(error)}") from error


def check_taken(model: Any, x: Any) -> None:
    """Check the shape of a batch of a model's one input; what a layer says of another is hard to read.

    Raises:
        IntrospectionError: when the model does not take it.
    """
    expected = getattr(model, "input_shape", None)
    if isinstance(expected, tuple) and hasattr(x, "shape"):
        got = tuple(x.shape)
        if len(expected) != len(got) or any(None not in (a, b) and a != b for a, b in zip(expected, got, strict=True)):
            raise IntrospectionError(f"{model.name} takes x of shape {list(expected)}, got a batch of {_shapes(x)}")


def check_called(model: Any, chosen: list[Place], calls: Mapping[str, int], select: Selection) -> None:
    """Check that what was asked for by name was called.

    Raises:
        IntrospectionError: naming what was not.
    """
    missing = [place.name for place in chosen if place.name not in calls]
    if missing and (select != "*" or not calls):
        raise IntrospectionError(f"{', '.join(missing[:3])} of {model.name} is not called in a pass")


def _as_raised(error: DeeptrainError) -> DeeptrainError:
    """An error as it was raised within a layer: Keras raises it again with its text among many lines of its own."""
    while isinstance(error.__context__, DeeptrainError):
        error = error.__context__
    return error


def _shapes(x: Any) -> str:
    import keras

    if isinstance(x, Mapping):
        return ", ".join(f"{name} of {_shapes(part)}" for name, part in x.items())
    if not isinstance(x, list | tuple):
        return f"shape {list(x.shape)}"
    if any(isinstance(part, list | tuple) for part in x):
        return f"lists of {len(keras.tree.flatten(x))} numbers, which are no array"
    return ", ".join(_shapes(part) for part in x)
