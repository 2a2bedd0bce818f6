"""Keras' way through a model, on any backend: the outputs for a batch, and its losses."""

import functools
import inspect
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from deeptrain.errors import TrainingError
from deeptrain.training import keras_losses
from deeptrain.training.keras_step import Given


def outputs(model: Any, batch: Given, copied: Callable[[Any], Any], *, training: bool) -> Any:
    """What a model gives for a batch.

    Args:
        model: a built `keras.Model`.
        batch: what it is given.
        copied: gives a tensor's values as another tensor.
        training: whether layers act as in training.

    Raises:
        TrainingError: when there is padding and the model takes no mask.
    """
    if batch.mask is None:
        return model(batch.x, training=training)
    if "mask" not in inspect.signature(model.call).parameters:
        raise TrainingError(
            f"{model.name}: its call takes no mask, so it would see the steps that are padding; functional "
            'and Sequential models take one, or set training.windows.remainder = "drop"'
        )
    mask = batch.mask
    if isinstance(batch.x, Mapping):
        mask = {name: mask.get(name) for name in batch.x}
    with warnings.catch_warnings():
        # The model as a whole hands the mask to its layers; only a layer that cannot take one deserves the warning.
        whole = rf"Layer '{re.escape(model.name)}' .* was passed an input with a mask"
        warnings.filterwarnings("ignore", whole, UserWarning)
        found = model(batch.x, training=training, mask=mask)
    # Without the mask that Keras hangs on them: padding is in the weights already, and would count twice.
    import keras

    return keras.tree.map_structure(copied, found)


def losses(
    model: Any, loss: Any, loss_weights: Mapping[str, float], batch: Given, outputs: Any, *, training: bool
) -> dict[str, Any]:
    """The loss that is trained on, and of several outputs the loss of each, as "NAME.loss".

    Args:
        model: compiled with the loss where it has one output.
        loss: a `keras.losses.Loss` for all outputs, or one for each by its name.
        loss_weights: what the loss of each of several outputs is multiplied with in their sum; 1 for others.
        batch: what the model was given.
        outputs: what it gave.
        training: whether it is trained on.

    Raises:
        TrainingError: when one of several outputs has no `keras.losses.Loss`, or losses are of other outputs.
    """
    if isinstance(loss, Mapping):
        keras_losses.check_outputs(model, loss, outputs)
    if not isinstance(outputs, Mapping):
        found = model.compute_loss(x=batch.x, y=batch.y, y_pred=outputs, sample_weight=batch.weights, training=training)
        return {"loss": found}
    from keras import ops

    # Not by Keras: it keeps means of several losses in variables that no checkpoint holds.
    parts = {
        name: _loss_of(loss, name)(batch.y[name], outputs[name], sample_weight=batch.weights)
        for name in sorted(outputs)
    }
    weighted = [part * loss_weights[name] if name in loss_weights else part for name, part in parts.items()]
    total = functools.reduce(operator.add, [*weighted, *map(ops.sum, model.losses)])
    return {"loss": total, **{f"{name}.loss": part for name, part in parts.items()}}


def _loss_of(given: Any, output: str) -> Any:
    import keras

    loss = given.get(output) if isinstance(given, Mapping) else given
    if not isinstance(loss, keras.losses.Loss):
        raise TrainingError(f"output {output} of several needs a loss that is a keras.losses.Loss, got {loss!r:.80}")
    return loss
