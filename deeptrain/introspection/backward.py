"""Gradients of the loss of a batch: by each weight, or by what each layer gives."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal

import numpy as np

from deeptrain.errors import IntrospectionError
from deeptrain.introspection.arrays import as_array
from deeptrain.introspection.forward import callable_layers, called, check_called
from deeptrain.introspection.loss import Loss, batch_weights
from deeptrain.introspection.selection import Place, Selection, chosen_weights, keras_model
from deeptrain.introspection.still import held_still
from deeptrain.introspection.taps import tapped

By = Literal["weights", "outputs"]

Watch = Callable[[Any], None]


def gradients(
    model: Any,
    x: Any,
    y: Any,
    select: Selection = "*",
    *,
    by: By = "weights",
    training: bool = False,
    weights: Any = None,
    class_weights: Mapping[int, float] | None = None,
    penalties: bool = True,
    loss: Any = None,
) -> dict[str, np.ndarray]:
    """Gradients of the loss of a batch, by the weights that are trained or by what layers give.

    The loss is the one that is trained on: the compiled one, or the learner's, the mean over the batch. What it does
    not depend on has gradients of zero. Nothing of the model changes, as for `outputs`.

    Args:
        model: a built `keras.Model` of any kind, compiled unless `loss` is given; or a learner of one.
        x: (batch, *shape), or several of them by name or in a list as the model takes them.
        y: (batch, ...) labels, likewise of several outputs; where outputs end in an axis of one they may lack it.
        select: layers, or of weights also weights; see `selection.Selection`.
        by: "weights", those that are trained, or "outputs" of layers, as `outputs` names them, floats only.
        training: whether layers act as in training.
        weights: (batch,) or (batch, steps), what the loss of each is multiplied with before the mean over the batch.
        class_weights: likewise by class number, 1 for others; with `weights` too they are multiplied.
        penalties: whether what layers add to the loss counts: regularisers, and what they hand to `add_loss`.
        loss: instead of the model's own: a `keras.losses.Loss`, its name, or one for each of several outputs by name.

    Returns:
        In the model's order, each of the shape of the weight or output.

    Raises:
        IntrospectionError: for a name that matches none, a name that matches several, a layer without trained weights,
            a model that is not built or has no loss, data of another shape, another backend than TensorFlow.
    """
    backward = Backward.of(model, select, by=by, penalties=penalties, loss=loss, training=training)
    with held_still(backward.model):
        _, found = backward(*tensors(x, y, weights, class_weights))
    return {name: as_array(value) for name, value in found.items()}


def check_known(given: Any) -> Any:
    """The Keras model of which gradients are asked for.

    Raises:
        IntrospectionError: for what has none, a model that is not built, another backend than TensorFlow.
    """
    import keras

    model = keras_model(given)
    if keras.config.backend() != "tensorflow":
        raise IntrospectionError(
            f"gradients are known of Keras models on TensorFlow, {model.name} is on {keras.config.backend()}; "
            "weights and outputs are known there, too"
        )
    return model


def tensors(
    x: Any, y: Any, weights: Any = None, class_weights: Mapping[int, float] | None = None
) -> tuple[Any, Any, Any]:
    """A batch and the weights of its samples as tensors.

    Raises:
        IntrospectionError: for class weights of several outputs.
    """
    by_sample = batch_weights(y, weights, class_weights)
    return _tensors(x), _tensors(y), _tensors(by_sample)


def _tensors(given: Any) -> Any:
    import keras

    if given is None:
        return None
    if isinstance(given, np.ndarray):  # at once: a walk through what is one array costs as much as a small layer
        return keras.ops.convert_to_tensor(given)
    return keras.tree.map_structure(keras.ops.convert_to_tensor, given)


class Backward:
    """A forward and a backward pass, as a function of tensors that may be compiled.

    Attributes:
        model: the `keras.Model`.
    """

    def __init__(
        self, model: Any, loss: Loss, by: By, variables: dict[str, Any], chosen: list[Place], select: Selection
    ) -> None:
        """Take what was checked."""
        self.model = model
        self._loss, self._by, self._variables, self._chosen, self._select = loss, by, variables, chosen, select

    @classmethod
    def of(
        cls,
        given: Any,
        select: Selection,
        *,
        by: By,
        penalties: bool,
        loss: Any,
        training: bool,
    ) -> "Backward":
        """Check what is asked for.

        Raises:
            IntrospectionError: see `gradients`.
        """
        model = check_known(given)
        if by not in ("weights", "outputs"):
            raise IntrospectionError(f"gradients are by weights or by outputs, got {by!r:.80}")
        told = Loss.of(given, model, loss, penalties=penalties, training=training)
        variables = chosen_weights(model, select, trained=True) if by == "weights" else {}
        chosen = callable_layers(model, select) if by == "outputs" and select != () else []
        return cls(model, told, by, variables, chosen, select)

    def __call__(self, x: Any, y: Any, weights: Any) -> tuple[Any, dict[str, Any]]:
        """The loss of a batch of tensors and its gradients by name."""
        if self._by == "outputs":
            return self.by(self._outputs, x, y, weights)
        return self.by(self._weights, x, y, weights)

    def by(
        self, watched: Callable[[Watch], AbstractContextManager[dict[str, Any]]], x: Any, y: Any, weights: Any
    ) -> tuple[Any, dict[str, Any]]:
        """The loss of a batch of tensors and its gradients by what is watched.

        Args:
            watched: while it is entered, tensors are watched and gathered by name.
            x: the batch.
            y: its labels.
            weights: of the samples, or None.
        """
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            with watched(tape.watch) as of:
                said = called(self.model, x, self._loss.training)
            loss = self._loss(x, y, said, weights)
        found = tape.gradient(loss, of, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return loss, {name: tf.convert_to_tensor(value) for name, value in found.items()}

    @contextlib.contextmanager
    def _weights(self, watch: Watch) -> Iterator[dict[str, Any]]:
        for variable in self._variables.values():
            watch(variable.value)
        yield {name: variable.value for name, variable in self._variables.items()}

    @contextlib.contextmanager
    def _outputs(self, watch: Watch) -> Iterator[dict[str, Any]]:
        seen: dict[str, Any] = {}

        def see(name: str, tensor: Any) -> Any:
            if tensor.dtype.is_floating:
                watch(tensor)
                seen[name] = tensor
            return tensor

        with tapped(self._chosen, see) as calls:
            yield seen
        check_called(self.model, self._chosen, calls, self._select)
