"""Named arrays as one file: safetensors without metadata.

The format is raw little-endian memory behind a JSON header: quick to write, no code in it, readable by many tools, and
without metadata the same bytes for the same arrays. One file of a model's variables costs one `fsync`, where a `.npy`
each would cost one a variable.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from deeptrain.errors import ArtifactError


def encode(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of a safetensors file that holds the arrays."""
    import safetensors.numpy

    return bytes(safetensors.numpy.save({name: _contiguous(array) for name, array in arrays.items()}))


def decode(data: bytes, path: Path) -> dict[str, np.ndarray]:
    """The arrays in the bytes of a safetensors file.

    Args:
        data: bytes whose digest was checked.
        path: where they came from, for messages.

    Raises:
        ArtifactError: when they are no safetensors file.
    """
    import safetensors
    import safetensors.numpy

    try:
        return dict(safetensors.numpy.load(data))
    except (safetensors.SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise ArtifactError(f"{path}: no safetensors file: {error}") from error


def _contiguous(array: np.ndarray) -> np.ndarray:
    # np.ascontiguousarray would make a scalar one-dimensional.
    return np.asarray(array, order="C")
