"""Keras' state that is global to the process, kept from leaking into a model and out of it."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

_NAME_COUNTERS = "object_name_uids"
_SEED_GENERATOR = "global_seed_generator"


@contextlib.contextmanager
def fresh_names_and_seeds(seed: int) -> Iterator[None]:
    """Build a model as the first of a process: names counted from one, unseeded layers seeded from `seed`.

    The generators of `random` and NumPy and Keras' counters are the user's: they are put back afterwards.
    """
    import keras
    from keras.src.backend.common import global_state  # Keras has no public door to its name counters

    kept = {name: global_state.get_global_attribute(name) for name in (_NAME_COUNTERS, _SEED_GENERATOR)}
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - kept for the user, not drawn from
    for name in kept:
        global_state.set_global_attribute(name, None)
    try:
        keras.utils.set_random_seed(seed % 2**32)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        for name, value in kept.items():
            global_state.set_global_attribute(name, value)


def global_seed_generator() -> Any:
    """The generator of layers that have none of their own; Keras neither exports it nor saves it anywhere."""
    from keras.src.random.seed_generator import global_seed_generator as keras_generator

    return keras_generator()


@contextlib.contextmanager
def global_seeds_are(generator: Any) -> Iterator[None]:
    """Trace with a learner's own generator: another model may have been built meanwhile."""
    from keras.src.backend.common import global_state

    kept = global_state.get_global_attribute(_SEED_GENERATOR)
    global_state.set_global_attribute(_SEED_GENERATOR, generator)
    try:
        yield
    finally:
        global_state.set_global_attribute(_SEED_GENERATOR, kept)
