"""A map to probabilities as a Keras layer, made of Keras' own operations: its files open without deeptrain."""

from typing import Any

import numpy as np

from deeptrain.calibration.maps.beta import Beta
from deeptrain.calibration.maps.isotonic import Isotonic
from deeptrain.calibration.maps.one_versus_rest import OneVersusRest
from deeptrain.calibration.maps.platt import Platt
from deeptrain.calibration.maps.score_map import LEAST, Map
from deeptrain.calibration.maps.temperature import Temperature
from deeptrain.calibration.maps.unchanged import Unchanged
from deeptrain.calibration.maps.vector_temperature import VectorTemperature
from deeptrain.metrics.metric import Kind
from deeptrain.training.outputs import OutputKind


def of(found: Map, shape: tuple[int | None, ...], kind: Kind, outputs: OutputKind) -> Any:
    """A `keras.Model` from a model's outputs to {"score": the outputs, "probability": what the map makes of them}.

    The numbers are those of `found.apply(interpret(outputs))`, computed in float64 as there, then float32. The outputs
    are passed on beside them, since a threshold is about these.

    Args:
        found: the map.
        shape: of the model's outputs, without samples.
        kind: "binary" or "classes"; classes are on the last axis.
        outputs: whether they are probabilities or logits.
    """
    import keras
    from keras import ops

    given = keras.Input(shape, name="score")
    exact = ops.cast(given, "float64")
    if outputs == "logits":
        exact = ops.sigmoid(exact) if kind == "binary" else ops.softmax(exact, axis=-1)
    made = _apply(found, exact, kind)
    return keras.Model(given, {"score": given, "probability": ops.cast(made, "float32")}, name="calibrated")


def _apply(found: Map, scores: Any, kind: Kind) -> Any:
    from keras import ops

    inside = ops.clip(scores, LEAST, 1 - LEAST)
    match found:
        case Unchanged():
            return scores
        case Temperature() if kind == "binary":
            return ops.sigmoid(_log_odds(inside) / found.temperature)
        case Temperature():
            return ops.softmax(ops.log(inside) / found.temperature, axis=-1)
        case VectorTemperature():
            return ops.softmax(ops.log(inside) * np.array(found.slopes) + np.array(found.shifts), axis=-1)
        case Platt():
            return ops.sigmoid(_log_odds(inside) * found.slope + found.intercept)
        case Beta():
            return ops.sigmoid(ops.log(inside) * found.a - ops.log1p(-inside) * found.b + found.c)
        case Isotonic():
            return _interpolated(scores, np.array(found.scores), np.array(found.probabilities))
        case OneVersusRest():
            each = [_apply(one, scores[..., column : column + 1], "binary") for column, one in enumerate(found.maps)]
            together = ops.concatenate(each, axis=-1)
            return together / ops.sum(together, axis=-1, keepdims=True)
    raise TypeError(f"there is no layer for a map of the type {type(found).__name__}")


def _log_odds(inside: Any) -> Any:
    from keras import ops

    return ops.log(inside) - ops.log1p(-inside)


def _interpolated(scores: Any, x: np.ndarray, y: np.ndarray) -> Any:
    """Straight between knots: how far each piece is passed, times how much it rises, in sum."""
    from keras import ops

    if len(x) == 1:
        return scores * 0.0 + float(y[0])
    passed = ops.clip((ops.expand_dims(scores, -1) - x[:-1]) / np.diff(x), 0.0, 1.0)
    return ops.sum(passed * np.diff(y), axis=-1) + float(y[0])
