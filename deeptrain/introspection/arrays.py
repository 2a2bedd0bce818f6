"""Tensors of any backend as NumPy arrays."""

from typing import Any

import numpy as np


def as_array(tensor: Any) -> np.ndarray:
    """The values of a tensor, as a copy; bfloat16, which NumPy does not know, as float32."""
    return np.array(view(tensor))


def view(tensor: Any) -> np.ndarray:
    """The values of a tensor, where that can be its own memory: only to be read, and only while the tensor lives."""
    import keras

    if keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":
        tensor = keras.ops.cast(tensor, "float32")
    if keras.config.backend() == "torch":
        return np.asarray(tensor.detach().cpu().numpy())
    if keras.config.backend() != "tensorflow":
        return np.asarray(keras.ops.convert_to_numpy(tensor))
    return np.asarray(memoryview(tensor)) if "CPU" in tensor.device.upper() else np.asarray(tensor.numpy())


def current(variable: Any) -> Any:
    """The value that a `keras.Variable` has now, as a tensor that stays what it is when the variable is changed.

    TensorFlow copies its memory only when the variable is written to.
    """
    import keras

    if keras.config.backend() == "tensorflow":
        return variable.value.read_value()
    return keras.ops.copy(variable.value)
