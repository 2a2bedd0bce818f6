"""The framework below Keras, started once a process in the way an experiment asks for, and not before it is needed."""

import contextlib
import importlib.util
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import Literal

from deeptrain.errors import TrainingError
from deeptrain.training import heap

Backend = Literal["tensorflow", "jax", "torch"]

_started: tuple[str, int, bool] | None = None


def choose(threads: int, deterministic: bool, backend: Backend = "tensorflow") -> None:
    """Say what Keras is to run on, before anything imports Keras, as a user's module may; imports nothing.

    Args:
        threads: see `start`.
        deterministic: likewise.
        backend: of Keras.

    Raises:
        TrainingError: when the backend is not installed, or this process uses another, or is told to.
    """
    if importlib.util.find_spec(backend) is None:
        wanted = backend if backend == "tensorflow" else f"deeptrain[{backend}]"
        raise TrainingError(
            f"training.backend = {backend!r} needs the package {backend}, which is not installed: pip install "
            f"'{wanted}'"
        )
    if "keras" in sys.modules and keras_backend() != backend:
        raise TrainingError(
            f"training.backend is {backend!r}, and this process uses Keras on {keras_backend()}: use a fresh process, "
            "and train other runs whose models are members each in its own before"
        )
    told = os.environ.setdefault("KERAS_BACKEND", backend)
    if "keras" not in sys.modules and told != backend:
        raise TrainingError(
            f"training.backend is {backend!r}, and the environment says KERAS_BACKEND={told}: unset it, the experiment "
            "decides"
        )
    if backend == "jax":
        _tell_jax(threads, deterministic)


def start(threads: int, deterministic: bool, backend: Backend = "tensorflow") -> None:
    """Import Keras on a backend with pinned threads; what changes bits is fixed before its first operation.

    Args:
        threads: within one operation; between operations it is always one, so that their order is fixed.
        deterministic: whether operations without a deterministic kernel are an error rather than a surprise.
        backend: of Keras.

    Raises:
        TrainingError: as `choose`, and when this process already runs the backend in another way.
    """
    global _started
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    choose(threads, deterministic, backend)
    with warnings.catch_warnings(), _chatter_kept_back():
        warnings.simplefilter("ignore")
        import keras  # noqa: F401 - its first import is part of the start

        if backend == "tensorflow":
            import tensorflow as tf

            tf.config.list_physical_devices()
    asked = (backend, threads, deterministic)
    if _started is None:
        heap.keep()
        if backend != "jax":  # which was told before it was imported
            {"tensorflow": _start_tensorflow, "torch": _start_torch}[backend](threads, deterministic)
        _started = asked
    elif _started != asked:
        raise TrainingError(
            f"this process runs {_NAMES[backend]} with threads = {_started[1]}, deterministic = {_started[2]}; "
            f"the experiment asks for {threads} and {deterministic}: use a fresh process"
        )


_NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def _tell_jax(threads: int, deterministic: bool) -> None:
    """What XLA reads in the environment when it starts."""
    flag = f"--xla_gpu_deterministic_ops={str(deterministic).lower()}"
    flags = os.environ.get("XLA_FLAGS", "").split()
    if "jax" not in sys.modules:
        os.environ["PJRT_NPROC"] = str(threads)  # threads that share an operation on the CPU
        os.environ["XLA_FLAGS"] = " ".join([*(one for one in flags if one != flag), flag])
    elif os.environ.get("PJRT_NPROC") != str(threads) or flag not in flags:
        raise _too_late(threads, "jax")


def _start_tensorflow(threads: int, deterministic: bool) -> None:
    import tensorflow as tf

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        if tf.config.threading.get_intra_op_parallelism_threads() != threads:
            raise _too_late(threads, "tensorflow") from error
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def _start_torch(threads: int, deterministic: bool) -> None:
    import torch

    torch.set_num_threads(threads)
    try:
        torch.set_num_interop_threads(1)
    except RuntimeError as error:
        if torch.get_num_interop_threads() != 1:
            raise _too_late(threads, "torch") from error
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which PyTorch asks for on a GPU
    torch.use_deterministic_algorithms(deterministic)


def _too_late(threads: int, backend: Backend) -> TrainingError:
    return TrainingError(
        f"training.threads = {threads} cannot be set: this process already used {_NAMES[backend]}; "
        "open the experiment first, or in a fresh process"
    )


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
