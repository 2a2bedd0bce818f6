"""A model held still: whatever a pass changes in it is put back."""

import contextlib
import functools
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from deeptrain.introspection.arrays import current

_SEED_GENERATOR = "global_seed_generator"


@contextlib.contextmanager
def held_still(model: Any) -> Iterator[None]:
    """Put back what is changed within: weights, statistics, seeds, recurrent states, metrics, global generators.

    Law: every variable of the model has the same bytes after as before, in training mode too. Within, the states of
    recurrent layers begin at zero, so that what is seen depends on the weights and the batch alone.
    """
    from keras.src.backend.common import global_state  # Keras has no public door to it

    made_here = global_seeds() is None
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - kept for the user, not drawn from
    if made_here:
        global_state.set_global_attribute(_SEED_GENERATOR, _seeds())
    generator = global_seeds()
    states = recurrent_states(model)
    variables = {id(one): one for one in [*model.variables, *model.metrics_variables, *states, generator.state]}
    kept = [(variable, current(variable)) for variable in variables.values()]
    try:
        begin(states)
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)
        if made_here:
            global_state.set_global_attribute(_SEED_GENERATOR, None)
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def global_seeds() -> Any:
    """The generator that layers without a seed of their own draw from, None before it is first needed."""
    from keras.src.backend.common import global_state

    return global_state.get_global_attribute(_SEED_GENERATOR)


@functools.cache
def _seeds() -> Any:
    """The one for which there is none: always the same, since a compiled function keeps the one it was traced with."""
    import keras

    return keras.random.SeedGenerator(0)


def begin(states: Sequence[Any]) -> None:
    """Set recurrent states to zero."""
    from keras import ops

    for state in states:
        state.assign(ops.zeros_like(state.value))


def recurrent_states(model: Any) -> list[Any]:
    """States of stateful recurrent layers: they are in no collection of Keras."""
    import keras

    return [
        leaf
        for layer in model._flatten_layers()
        if getattr(layer, "stateful", False) and getattr(layer, "states", None) is not None
        for leaf in keras.tree.flatten(layer.states)
        if isinstance(leaf, keras.Variable)
    ]
