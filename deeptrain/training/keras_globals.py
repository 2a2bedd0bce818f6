"""Keras' state that is global to the process, kept from leaking into a model and out of it."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

_NAME_COUNTERS = "object_name_uids"
_SEED_GENERATOR = "global_seed_generator"


@contextlib.contextmanager
def fresh_names_and_seeds(seed: int, precision: str = "float32") -> Iterator[None]:
    """Build a model as the first of a process that has no configuration of its own.

    Names are counted from one, unseeded layers seeded from `seed`, and floats, epsilon and axes are Keras' defaults
    whatever `~/.keras/keras.json` or the session says: none of that is in an identity. The generators of `random` and
    NumPy and Keras' counters are the user's: they are put back afterwards.

    Args:
        seed: of unseeded layers.
        precision: Keras' policy for what layers compute in.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - kept for the user, not drawn from
    try:
        with (
            _attributes({_NAME_COUNTERS: None, _SEED_GENERATOR: None}),
            _default_configuration(precision),
            _seeded(seed % 2**32),
        ):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed what Keras draws from while it builds; but for TensorFlow its own function would import TensorFlow, too."""
    import keras

    if keras.config.backend() == "tensorflow":
        keras.utils.set_random_seed(seed)
        yield
        return
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    if keras.config.backend() != "torch":
        yield
        return
    import torch

    with torch.random.fork_rng(devices=()):  # what modules of PyTorch within a model draw their weights from
        torch.default_generator.manual_seed(seed)
        yield


@contextlib.contextmanager
def as_when_built(seeds: Any, precision: str = "float32") -> Iterator[None]:
    """Trace with a learner's own generator and configuration: another model may have been built meanwhile."""
    with _attributes({_SEED_GENERATOR: seeds}), _default_configuration(precision):
        yield


def global_seed_generator() -> Any:
    """The generator of layers that have none of their own; Keras neither exports it nor saves it anywhere."""
    from keras.src.random.seed_generator import global_seed_generator as keras_generator

    return keras_generator()


@contextlib.contextmanager
def _attributes(values: dict[str, Any]) -> Iterator[None]:
    from keras.src.backend.common import global_state  # Keras has no public door to these

    kept = {name: global_state.get_global_attribute(name) for name in values}
    for name, value in values.items():
        global_state.set_global_attribute(name, value)
    try:
        yield
    finally:
        for name, value in kept.items():
            global_state.set_global_attribute(name, value)


@contextlib.contextmanager
def _default_configuration(precision: str) -> Iterator[None]:
    from keras import config

    kept = config.floatx(), config.epsilon(), config.image_data_format(), config.dtype_policy()
    config.set_floatx("float32")
    config.set_epsilon(1e-7)
    config.set_image_data_format("channels_last")
    config.set_dtype_policy(precision)
    try:
        yield
    finally:
        config.set_floatx(kept[0])
        config.set_epsilon(kept[1])
        config.set_image_data_format(kept[2])
        config.set_dtype_policy(kept[3])
