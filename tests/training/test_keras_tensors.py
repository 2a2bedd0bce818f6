"""Arrays as tensors: the same numbers whatever their memory, and never a dead process."""

import numpy as np
import pytest

from deeptrain.shards.memory import aligned
from deeptrain.training import runtime
from deeptrain.training.keras_tensors import WORTH_IT, tensor_of


@pytest.fixture(autouse=True)
def tensorflow() -> None:
    runtime.start(1, True)


@pytest.mark.parametrize("offset", [0, 1, 4, 63, 64, 128])
@pytest.mark.parametrize("dtype", ["f4", "u1", "f2", "i8", "?", ">f4"])
def test_memory_at_any_place_and_of_any_dtype_becomes_a_tensor(offset: int, dtype: str) -> None:
    size = 2 * WORTH_IT
    memory = aligned(size + 128)
    memory[:] = 1
    array = np.frombuffer(memory[offset : offset + size], dtype)
    for given in (array, array[::2], array.reshape(4, -1).T):
        told = given.astype(given.dtype.newbyteorder("=")) if dtype == ">f4" else given
        np.testing.assert_array_equal(np.asarray(tensor_of(told)), told)


def test_large_aligned_memory_is_handed_over_and_small_or_read_only_is_copied() -> None:
    memory = aligned(WORTH_IT).view(np.float32)
    memory[:] = 2
    tensor = tensor_of(memory)
    memory[0] = 3
    assert float(tensor[0]) == 3
    small = memory[:16]
    copied = tensor_of(small)
    small[0] = 4
    assert float(copied[0]) == 3
    memory.flags.writeable = False
    assert float(tensor_of(memory)[0]) == 4
