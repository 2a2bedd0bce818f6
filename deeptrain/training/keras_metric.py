"""Metrics and losses of Keras as plain functions, for `deeptrain.metrics`, which imports no framework."""

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deeptrain import user_code
from deeptrain.errors import UserCodeError
from deeptrain.settings import Use

CLASSES = {
    "binary_focal_crossentropy": "losses.BinaryFocalCrossentropy",
    "categorical_focal_crossentropy": "losses.CategoricalFocalCrossentropy",
    "dice": "losses.Dice",
    "tversky": "losses.Tversky",
    "precision_at_recall": "metrics.PrecisionAtRecall",
    "recall_at_precision": "metrics.RecallAtPrecision",
    "sensitivity_at_specificity": "metrics.SensitivityAtSpecificity",
    "specificity_at_sensitivity": "metrics.SpecificityAtSensitivity",
}
"""Where Keras has what `deeptrain.metrics.names` leaves to it; the same names, which a test holds."""


def is_keras(found: Any) -> bool:
    """Whether something is a metric or loss of Keras: one of the names above, or a class; loads no Keras."""
    if isinstance(found, str):
        return found in CLASSES
    keras = sys.modules.get("keras")  # without it nothing is a class of Keras
    return keras is not None and inspect.isclass(found) and issubclass(found, keras.metrics.Metric | keras.losses.Loss)


def function_of(found: Any, arguments: Mapping[str, Any]) -> Callable[..., float] | None:
    """A metric or loss of Keras as a function (y_true, y_pred, sample_weight) of the whole split; None for others.

    TensorFlow must be started: Keras makes variables here.

    Args:
        found: one of the names above, or a subclass of `keras.metrics.Metric` or `keras.losses.Loss`.
        arguments: of its constructor.

    A metric begins anew at each call and sees everything at once. What a loss says of each sample is averaged in
    float64, by the weights. Labels that are class numbers become one-hot rows for a loss that needs these.

    Raises:
        UserCodeError: when the constructor refuses the arguments.
    """
    if not is_keras(found):
        return None
    import keras

    name = found if isinstance(found, str) else f"{found.__module__}:{found.__name__}"
    if isinstance(found, str):
        module, _, attribute = CLASSES[found].partition(".")
        found = getattr(getattr(keras, module), attribute)
    use = Use(use=name, arguments=dict(arguments))
    if issubclass(found, keras.metrics.Metric):
        made = user_code.call(use, found)

        def of_metric(y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
            made.reset_state()
            made.update_state(y_true, y_pred, sample_weight=sample_weight)
            return float(made.result())

        return of_metric
    options = {"reduction": "none"} if "reduction" in inspect.signature(found).parameters else {}
    loss = user_code.call(Use(use=name, arguments={**arguments, **options}), found)

    def of_loss(y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
        if y_true.ndim == 1 and y_pred.ndim == 2 and "sparse" not in found.__name__.lower():
            y_true = (y_true[:, None] == np.arange(y_pred.shape[1])).astype(y_pred.dtype)
        if y_true.ndim == 1:
            y_true, y_pred = y_true[:, None].astype(np.float64), y_pred[:, None]
        values = np.asarray(loss(y_true, y_pred), np.float64)
        if values.shape[:1] != y_true.shape[:1]:
            if sample_weight is not None and (sample_weight != sample_weight[0]).any():
                raise UserCodeError(f"metric {name}: is one number for all samples and takes no weights")
            return float(values)
        rows = values.reshape(len(values), -1).mean(axis=1)
        return float(np.average(rows, weights=sample_weight))

    of_loss.maximize = False  # type: ignore[attr-defined]
    return of_loss
