"""The numbers inside a model: weights of any learner, outputs and gradients of a Keras model's layers.

Steps that are padding are seen here as zeros, not masked; in gradients they weigh nothing.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from deeptrain.errors import UserCodeError

if TYPE_CHECKING:
    from deeptrain.loading.feed import Group
    from deeptrain.training.learner import Learner

Values = Literal["weights", "outputs", "gradients"]


def weights(learner: "Learner") -> dict[str, np.ndarray]:
    """The model's variables by their paths; of a learner that does not tell them apart, all that are not integers."""
    found = {name: value for name, value in learner.variables().items() if value.dtype.kind == "f"}
    model = {name.split("/", 2)[-1]: value for name, value in found.items() if name.startswith("model/")}
    return model or found


def outputs(learner: "Learner", probe: "Group") -> dict[str, np.ndarray]:
    """What each layer gives for a batch, by its name.

    Raises:
        UserCodeError: for what is no Keras model whose layers are known: functional or Sequential.
    """
    import keras

    model = _keras_model(learner)
    layers = [one for one in getattr(model, "layers", ()) if not isinstance(one, keras.layers.InputLayer)]
    single = [one for one in layers if len(getattr(one, "_inbound_nodes", ())) > 0 and _tensor(one) is not None]
    if not hasattr(model, "inputs") or not single:
        raise UserCodeError(f"{model.name}: outputs of layers are known of functional and Sequential models only")
    inputs = {one.name: one for one in model.inputs} if isinstance(probe.x, Mapping) else model.inputs[0]
    inner = keras.Model(inputs, [_tensor(one) for one in single])
    with _unchanged(learner):
        found = inner(_first(probe.x), training=False)
    return {one.name: np.asarray(value) for one, value in zip(single, found, strict=True)}


def gradients(learner: "Learner", probe: "Group") -> dict[str, np.ndarray]:
    """Of the loss of a batch, by each trained variable's path.

    Raises:
        UserCodeError: for what is no Keras model, or one with several outputs.
    """
    import tensorflow as tf

    model = _keras_model(learner)
    if isinstance(probe.y, Mapping):
        raise UserCodeError(f"{model.name}: gradients are known of models with one output only")
    x, y = _first(probe.x), np.asarray(probe.y[0])
    weights = None if probe.weights is None else probe.weights[0]
    with _unchanged(learner), tf.GradientTape() as tape:
        said = model(x, training=False)
        if y.ndim == len(said.shape) - 1 and said.shape[-1] == 1:
            y = y[..., None].astype(np.float32)
        loss = model.compute_loss(x=x, y=y, y_pred=said, sample_weight=weights, training=False)
    found = tape.gradient(loss, [one.value for one in model.trainable_variables])
    pairs = zip(model.trainable_variables, found, strict=True)
    return {one.path: np.asarray(tf.convert_to_tensor(value)) for one, value in pairs if value is not None}


def _keras_model(learner: "Learner") -> Any:
    import keras

    model = getattr(learner, "model", None)
    if not isinstance(model, keras.Model):
        raise UserCodeError(f"outputs and gradients of layers need a Keras model, got {type(learner).__name__}")
    return model


def _tensor(layer: Any) -> Any:
    """The one tensor that a layer gives, or None."""
    try:
        found = layer.output
    except AttributeError:
        return None
    return found if hasattr(found, "shape") else None


def _first(given: Any) -> Any:
    return {name: part[0] for name, part in given.items()} if isinstance(given, Mapping) else given[0]


@contextmanager
def _unchanged(learner: "Learner") -> Iterator[None]:
    """Put back what a forward pass changes: recurrent states, and seeds of layers that draw in any case."""
    before = {name: np.array(value) for name, value in learner.variables().items() if name.startswith("seeds/")}
    with learner.sequence():
        yield
    after = learner.variables()
    if any(not np.array_equal(after[name], value) for name, value in before.items()):
        learner.restore({name: np.array(value) for name, value in after.items()} | before)
