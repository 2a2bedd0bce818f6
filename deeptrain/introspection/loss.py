"""The loss of a batch as training has it, as a tensor that gradients are taken of."""

import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deeptrain.errors import DeeptrainError, IntrospectionError, in_one_line


@dataclass(frozen=True)
class Loss:
    """How a model's loss is computed.

    Attributes:
        model: a built `keras.Model`.
        learner: whose model it is, where its loss is the learner's; None for a model that was compiled.
        given: a loss instead, of all outputs or of each by its name; None for the model's or the learner's own.
        penalties: whether what layers add to it counts: regularisers, and what they hand to `add_loss`.
        training: whether layers act as in training.
    """

    model: Any
    learner: Any
    given: Any
    penalties: bool
    training: bool

    @classmethod
    def of(cls, given: Any, model: Any, loss: Any, *, penalties: bool, training: bool) -> "Loss":
        """The loss of a model or a learner.

        Raises:
            IntrospectionError: when there is none.
        """
        learner = given if given is not model and hasattr(given, "loss_of") else None
        if loss is None and learner is None and not getattr(model, "compiled", False):
            raise IntrospectionError(
                f"the model {model.name} is not compiled, so it has no loss: compile it, or pass loss=, such as "
                "keras.losses.MeanSquaredError()"
            )
        return cls(model, learner, loss, penalties, training)

    def __call__(self, x: Any, y: Any, said: Any, weights: Any) -> Any:
        """The loss of what the model gave.

        Args:
            x: the batch.
            y: its labels.
            said: what the model gave for it.
            weights: (batch,) or (batch, steps), what the loss of each is multiplied with before the mean; None for 1.

        Raises:
            IntrospectionError: when it cannot be computed of these.
        """
        from keras import ops

        y = _as_outputs(y, said)
        added = [ops.sum(one) for one in self.model.losses]
        try:
            if self.given is not None:
                total = self._by_given(y, said, weights)
                return functools.reduce(operator.add, [total, *added]) if self.penalties else total
            if self.learner is not None:
                total = self.learner.loss_of(x, y, said, weights, training=self.training)
            else:
                total = self.model.compute_loss(x=x, y=y, y_pred=said, sample_weight=weights, training=self.training)
        except DeeptrainError:
            raise
        except Exception as error:
            raise IntrospectionError(
                f"{self.model.name}: there is no loss of labels of {_shapes(y)} and outputs of {_shapes(said)}: "
                f"{in_one_line(error)}"
            ) from error
        return total if self.penalties else functools.reduce(operator.sub, [total, *added])

    def _by_given(self, y: Any, said: Any, weights: Any) -> Any:
        import keras

        if not isinstance(said, Mapping):
            return _weighted(keras.losses.get(self.given), y, said, weights)
        losses = self.given if isinstance(self.given, Mapping) else dict.fromkeys(said, self.given)
        parts = [_weighted(keras.losses.get(losses[name]), y[name], said[name], weights) for name in said]
        return functools.reduce(operator.add, parts)


def batch_weights(y: Any, weights: Any, class_weights: Mapping[int, float] | None) -> np.ndarray | None:
    """What the loss of each sample is multiplied with.

    Args:
        y: labels of one output: class numbers (batch, ...) or (batch, ..., 1), or one-hot (batch, ..., classes).
        weights: of samples, or None.
        class_weights: by class number, 1 for others; of several outputs there are none.

    Raises:
        IntrospectionError: for class weights of several outputs.
    """
    by_sample: np.ndarray | None = None if weights is None else np.asarray(weights, np.float32)
    if not class_weights:
        return by_sample
    if isinstance(y, Mapping | list | tuple):
        raise IntrospectionError("class weights are of models with one output; give weights of samples instead")
    labels = np.asarray(y)
    if labels.ndim > 1:
        labels = labels[..., 0] if labels.shape[-1] == 1 else labels.argmax(axis=-1)
    by_class: np.ndarray = np.ones(labels.shape, np.float32)
    for number, weight in class_weights.items():
        by_class[labels == number] = weight
    if by_sample is not None:
        by_class *= by_sample.reshape(by_sample.shape + (1,) * (by_class.ndim - by_sample.ndim))
    return by_class


def _weighted(loss: Any, y: Any, said: Any, weights: Any) -> Any:
    import keras

    if isinstance(loss, keras.losses.Loss):
        return loss(y, said, sample_weight=weights)

    class Named(keras.losses.Loss):  # type: ignore[misc]
        """The mean of a function, as Keras takes it in `compile`."""

        def call(self, y_true: Any, y_pred: Any) -> Any:
            """Of each sample."""
            return loss(y_true, y_pred)

    return Named()(y, said, sample_weight=weights)


def _as_outputs(y: Any, said: Any) -> Any:
    """Labels with the outputs' last axis of one, as floats then."""
    from keras import ops

    if isinstance(said, Mapping) and isinstance(y, Mapping):
        return {name: _as_outputs(y[name], one) if name in y else None for name, one in said.items()}
    if isinstance(said, list | tuple) and isinstance(y, list | tuple):
        return [_as_outputs(part, one) for part, one in zip(y, said, strict=False)]
    if hasattr(said, "shape") and hasattr(y, "shape") and len(y.shape) == len(said.shape) - 1 and said.shape[-1] == 1:
        return ops.cast(ops.expand_dims(y, -1), said.dtype)
    return y


def _shapes(given: Any) -> str:
    import keras

    def shape(part: Any) -> str:
        return "none" if part is None else f"shape {list(part.shape)}"

    return str(keras.tree.map_structure(shape, given)).replace("'", "")
