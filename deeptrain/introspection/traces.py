"""Compiled functions of a model that are used again while the model is what it was when they were traced."""

import hashlib
import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deeptrain.introspection.still import global_seeds

_HELD = "_deeptrain_traces"
_DEPTH = 4
_MOST = 16
_OF_NO_MATTER = frozenset(
    (
        *("optimizer", "history", "stop_training", "train_function", "test_function", "predict_function"),
        *("_called", "_losses", "_loss_ids", "_losses_override", "_metrics", "_loss_tracker", "_compile_metrics"),
        *("_dropout_mask", "_recurrent_dropout_mask", "_inbound_nodes", "_outbound_nodes", "_tracker"),
        *("_compiled_trainable_state", "_compile_config", "_compile_loss", "_initial_epoch", "_auto_config"),
        *("build", "quantize", _HELD),
    )
)
"""What Keras keeps in a layer that a call does not depend on."""


@dataclass
class _Traces:
    """Those of one model, which holds them, so that they go when it goes."""

    looked: Hashable = None
    kept: list[Any] = field(default_factory=list)  # so that no number of theirs is given to another object
    functions: dict[Hashable, Callable[..., Any]] = field(default_factory=dict)


def traced(model: Any, given: Any, asked: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function as TensorFlow compiles it, traced once for a model and what is asked of it; elsewhere as it is.

    It is traced anew when a layer, a weight, a loss, or any attribute of these is another, or of another value: Keras
    itself would go on with the old ones. What a layer of one's own reads from elsewhere (a global variable) is what it
    was when it was traced. Within `still.held_still`.

    Args:
        model: a built `keras.Model`.
        given: it, or the learner of it.
        asked: what tells the function from others of the model: values, and objects as layers have them.
        function: of tensors.
    """
    import keras

    if keras.config.backend() != "tensorflow":
        return function
    import tensorflow as tf

    look = _Look()
    looked = (
        look.at(getattr(model, "_compile_loss", None), 0),  # made in `compile`, and changed when it is first used
        look.at(global_seeds(), 0),
        *((look.at(layer, 0), type(layer).call, look.layer(layer)) for layer in model._flatten_layers()),
    )
    question = look.at(given, 0), look.at(asked, _DEPTH)
    held: _Traces | None = vars(model).get(_HELD)  # past Keras' own setattr, which keeps track of what layers hold
    if held is None or held.looked != looked:
        held = vars(model)[_HELD] = _Traces(looked)
    if question not in held.functions:
        while len(held.functions) >= _MOST:
            del held.functions[next(iter(held.functions))]
        held.kept += look.kept
        held.functions[question] = tf.function(function, autograph=False, reduce_retracing=True)
    return held.functions[question]


class _Look:
    """What objects are, as something that can be compared later.

    Attributes:
        kept: those that are known by their number alone.
    """

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self._seen: set[int] = set()

    def at(self, value: Any, depth: int) -> Hashable:
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            return value.__class__, repr(value)
        if isinstance(value, np.ndarray | np.generic):
            return value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).digest()
        if depth and isinstance(value, Mapping):
            return tuple((self.at(name, depth - 1), self.at(part, depth - 1)) for name, part in value.items())
        if depth and isinstance(value, list | tuple):
            return tuple(self.at(part, depth - 1) for part in value)
        if depth and isinstance(value, set | frozenset):
            return frozenset(self.at(part, depth - 1) for part in value)
        if id(value) in self._seen:
            return id(value)
        self.kept.append(value)
        self._seen.add(id(value))
        return (id(value), self.at(vars(value), depth) if depth and _is_open(value) else ())

    def layer(self, layer: Any) -> Hashable:
        return self.at({name: value for name, value in vars(layer).items() if _matters(name)}, _DEPTH)


def _is_open(value: Any) -> bool:
    """Whether what an object does is told by its attributes: a regulariser, a policy, a weight; not a layer again."""
    import keras

    if isinstance(value, type | types.ModuleType | types.FunctionType | types.MethodType | keras.Operation):
        return False
    return hasattr(value, "__dict__") and not type(value).__module__.startswith(("tensorflow.", "keras.src.ops."))


def _matters(attribute: str) -> bool:
    return attribute not in _OF_NO_MATTER and not attribute.startswith("_self_")  # what TensorFlow keeps of objects
