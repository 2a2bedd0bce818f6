"""Arrays as tensors, without a copy where that is safe."""

from typing import Any

import numpy as np

ALIGNED = 64
WORTH_IT = 64 << 10


def tensor_of(array: np.ndarray) -> Any:
    """The array as a tensor on the CPU; the same memory, which must not be changed, or a copy.

    A large array whose memory begins where TensorFlow wants it is handed over by DLPack. TensorFlow ends the process on
    any other, so everything is asked before.
    """
    import tensorflow as tf

    fitting = (
        array.nbytes >= WORTH_IT
        and array.ctypes.data % ALIGNED == 0
        and array.flags.c_contiguous
        and array.flags.writeable  # NumPy hands over nothing else
        and array.dtype.kind in "fiu"
        and array.dtype.isnative
    )
    if not fitting:
        return tf.constant(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
