"""The loss of a Keras model as it was given, by name, as a class, a function or one for each output, made one."""

import inspect
from collections.abc import Mapping
from typing import Any

from deeptrain.errors import TrainingError, did_you_mean
from deeptrain.training import keras_names


def made(model: Any, given: Any) -> Any:
    """What a model is trained on.

    Args:
        model: a built `keras.Model`.
        given: a name such as "mse", a `keras.losses.Loss` or its class, or a function of (y_true, y_pred); of several
            outputs one for all, or a mapping with one for each by its name. None where the model has its own way.

    Returns:
        A loss, a function, a mapping of them, or None.

    Raises:
        TrainingError: when it is none, none of Keras has the name, or it is of an output that the model has not.
    """
    if isinstance(given, Mapping):
        outputs = _outputs(model)
        if outputs is not None:
            check_outputs(model, given, outputs)
        return {name: made(model, loss) for name, loss in given.items()}
    if isinstance(given, str):
        return _named(model, given)()
    import keras

    if inspect.isclass(given) and issubclass(given, keras.losses.Loss):
        return given()
    if given is not None and not callable(given):
        raise TrainingError(
            f"{model.name}: its loss must be a name such as 'mse', a keras.losses.Loss, a function of (y_true, "
            f"y_pred), or a mapping of outputs to these, got {given!r:.80}"
        )
    return given


def check_outputs(model: Any, losses: Mapping[str, Any], outputs: Any) -> None:
    """Check that losses by output are of the outputs that a model gives by name.

    Raises:
        TrainingError: naming the first that is not.
    """
    if not isinstance(outputs, Mapping):
        raise TrainingError(
            f"{model.name}: losses by output ({', '.join(losses)}) are for a model that gives its outputs by name; "
            "give one loss"
        )
    for name in losses:
        if name not in outputs:
            raise TrainingError(f"{model.name}: a loss is given for {name}; {did_you_mean(name, sorted(outputs))}")


def _outputs(model: Any) -> Any:
    """The outputs of a model in their structure; None where only a batch tells them."""
    import keras

    if isinstance(model, keras.Sequential):  # which has one, and does not tell it
        return ()
    try:
        return model.output
    except (AttributeError, ValueError):
        return None


def _named(model: Any, name: str) -> Any:
    import keras

    known = keras_names.loss(name)
    if known is None:
        raise TrainingError(f"{model.name}: its loss {name}: {keras_names.unknown_loss(name)}")
    return getattr(keras.losses, known)
