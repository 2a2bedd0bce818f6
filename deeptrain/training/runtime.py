"""TensorFlow, started once a process in the way an experiment asks for, and imported nowhere before it is needed."""

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

from deeptrain.errors import TrainingError

_started: tuple[int, bool] | None = None


def start(threads: int, deterministic: bool) -> Any:
    """Import TensorFlow with pinned threads; what changes bits is fixed before its first operation.

    Args:
        threads: within one operation; between operations it is always one, so that their order is fixed.
        deterministic: whether operations without a deterministic kernel are an error rather than a surprise.

    Returns:
        The tensorflow module.

    Raises:
        TrainingError: when this process already runs TensorFlow in another way.
    """
    global _started
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with warnings.catch_warnings(), _chatter_kept_back():
        warnings.simplefilter("ignore")
        import keras  # noqa: F401 - its first import is part of the start
        import tensorflow as tf

        tf.config.list_physical_devices()
    if keras_backend() != "tensorflow":
        raise TrainingError(f"deeptrain trains on Keras' tensorflow backend, this process uses {keras_backend()}")
    if _started is None:
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        except RuntimeError as error:
            if tf.config.threading.get_intra_op_parallelism_threads() != threads:
                raise TrainingError(
                    f"training.threads = {threads} cannot be set: this process already used TensorFlow; "
                    "open the experiment first, or in a fresh process"
                ) from error
        for device in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(device, True)
        if deterministic:
            tf.config.experimental.enable_op_determinism()
        _started = (threads, deterministic)
    elif _started != (threads, deterministic):
        raise TrainingError(
            f"this process runs TensorFlow with threads = {_started[0]}, deterministic = {_started[1]}; "
            f"the experiment asks for {threads} and {deterministic}: use a fresh process"
        )
    return tf


def keras_backend() -> str:
    """The backend Keras was loaded with."""
    import keras

    return str(keras.config.backend())


@contextlib.contextmanager
def _chatter_kept_back() -> Iterator[None]:
    """What TensorFlow's libraries write past Python while they are loaded is shown only when loading fails."""
    with tempfile.TemporaryFile() as said:
        sys.stderr.flush()
        stderr = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        except Exception:
            said.seek(0)
            os.write(stderr, said.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
