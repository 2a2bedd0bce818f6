"""An iteration that is not Keras' own, as it is traced: the model's `train_step`, or a function of the user's.

Whatever the step is, it tells its loss, maybe its outputs, and maybe metrics. The metrics of the model are reset before
each iteration, so that what they tell is of this iteration alone and resuming needs nothing of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deeptrain.errors import TrainingError

Step = Callable[["Given"], tuple[dict[str, Any], Any]]
"""Takes a batch and updates the variables; returns scalars by name, "loss" among them, and outputs or None."""


@dataclass(frozen=True)
class Given:
    """What one iteration is given, as tensors; by name where there are several inputs or outputs.

    Attributes:
        x: (batch, *shape).
        y: (batch, ...), as the loss takes it: floats with the outputs' last axis of one, or class numbers.
        weights: (batch,) or (batch, steps) float32 that the loss is multiplied with, None where all are 1.
        mask: (batch, steps) bool, False for padding that the model must not see; None where there is none.
    """

    x: Any
    y: Any = None
    weights: Any = None
    mask: Any = None


def own_step(function: Callable[..., Any], model: Any, optimizer: Any, loss: Any) -> Step:
    """A step that is a function of the user's, `function(model, optimizer, loss, batch)`; see `told`."""

    def step(batch: Given) -> tuple[dict[str, Any], Any]:
        found = function(model, optimizer, loss, batch)
        outputs = found.get("outputs") if isinstance(found, Mapping) else None
        rest = {name: value for name, value in found.items() if name != "outputs"} if outputs is not None else found
        return told(rest, _name_of(function)), outputs

    return step


def step_of_model(model: Any) -> Step | None:
    """The model's own `train_step`, None where it is Keras'; it tells no outputs."""
    import keras

    if type(model).train_step is keras.Model.train_step:
        return None

    def step(batch: Given) -> tuple[dict[str, Any], Any]:
        return told(model.train_step(_as_keras(model, batch)), f"train_step of {model.name}"), None

    return step


def loss_of_model(model: Any) -> Callable[[Given], Any] | None:
    """The loss that the model's own `test_step` tells, None where it is Keras'."""
    import keras

    if type(model).test_step is keras.Model.test_step:
        return None
    return lambda batch: told(model.test_step(_as_keras(model, batch)), f"test_step of {model.name}")["loss"]


def told(found: Any, what: str) -> dict[str, Any]:
    """What a step returned, as float32 scalars by name.

    Args:
        found: the loss, or a mapping of names to scalars in which "loss" is.
        what: the step, for messages.

    Raises:
        TrainingError: for anything else.
    """
    import tensorflow as tf

    values = dict(found) if isinstance(found, Mapping) else {"loss": found}
    if "loss" not in values:
        named = ", ".join(map(str, values)) or "nothing"
        raise TrainingError(f"{what}: must return a mapping in which the loss is called loss, got {named}")
    for name, value in values.items():
        try:
            tensor = tf.convert_to_tensor(value)
        except (TypeError, ValueError):
            tensor = None
        if tensor is None or tensor.shape.rank != 0 or not (tensor.dtype.is_floating or tensor.dtype.is_integer):
            raise TrainingError(f"{what}: {name} must be one number an iteration, got {value!r:.100}")
        values[name] = tf.cast(tensor, tf.float32)
    return values


def reset_metrics(model: Any) -> None:
    """Let the model's metrics begin anew, within a trace."""
    for metric in model.metrics:
        metric.reset_state()


def _as_keras(model: Any, batch: Given) -> tuple[Any, ...]:
    if batch.mask is not None:
        raise TrainingError(
            f"{model.name}: a train_step or test_step of its own is given no mask, so it would see the steps that are "
            'padding: set training.windows.remainder = "drop", or name a function in training.fit, which is given one'
        )
    return (batch.x, batch.y) if batch.weights is None else (batch.x, batch.y, batch.weights)


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", None) or getattr(getattr(function, "func", None), "__name__", "fit"))
