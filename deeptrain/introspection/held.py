"""What a model holds: its weights, and what each adds to the loss."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from deeptrain.errors import IntrospectionError
from deeptrain.introspection.arrays import as_array, current, view
from deeptrain.introspection.selection import Selection, chosen_weights, keras_model, matching


def weights(model: Any, select: Selection = "*") -> dict[str, np.ndarray]:
    """The weights of a model, moving statistics too, as copies by name: "encoder/dense/kernel".

    Args:
        model: a built `keras.Model`, or any learner. Of a learner without a Keras model these are its variables that
            are floats, by the names it gives them.
        select: layers or weights; see `selection.Selection`.

    Returns:
        In the model's order, of the dtypes that they have.

    Raises:
        IntrospectionError: for a name that matches none, a name that matches several, a layer without weights, a model
            that is not built.
    """
    if not _has_keras(model):
        return _of_learner(model, select)
    return {name: as_array(current(variable)) for name, variable in chosen_weights(keras_model(model), select).items()}


def weight_penalties(model: Any, select: Selection = "*") -> dict[str, float]:
    """What the regulariser of each weight adds to the loss, by its name; weights without one are left out.

    Keras tells only the list of them all, as `model.losses`.

    Args:
        model: a built `keras.Model`, or a learner of one.
        select: layers or weights; see `selection.Selection`.

    Raises:
        IntrospectionError: as for `weights`.
    """
    return {
        name: float(view(variable.regularizer(variable)))
        for name, variable in chosen_weights(keras_model(model), select).items()
        if variable.regularizer is not None and variable.trainable
    }


def _has_keras(model: Any) -> bool:
    """Whether it is a Keras model or holds one; what is neither is told so by whoever looks for one."""
    if not callable(getattr(model, "variables", None)):
        return True
    keras = sys.modules.get("keras")  # where it was never loaded there is no model of it
    return keras is not None and isinstance(getattr(model, "model", None), keras.Model)


def _of_learner(learner: Any, select: Selection) -> dict[str, np.ndarray]:
    found: Mapping[str, np.ndarray] = {
        name: value for name, value in learner.variables().items() if value.dtype.kind == "f"
    }
    named = {name.split("/", 2)[-1]: value for name, value in found.items() if name.startswith("model/")} or found
    several = [select] if isinstance(select, str | int) else list(select)
    chosen: set[str] = set()
    for one in several:
        if not isinstance(one, str):
            raise IntrospectionError(f"variables of {type(learner).__name__} are chosen by name, got {one!r:.80}")
        chosen |= set(matching(one, {name: [name] for name in named}, "variable", type(learner).__name__))
    return {name: np.array(value) for name, value in named.items() if name in chosen}
