import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.shards.statistics import ROWS_AT_ONCE, statistics


@given(st.integers(1, 3 * ROWS_AT_ONCE), st.integers(0, 99), st.sampled_from(["float32", "uint8", "int64"]))
def test_blocks_give_what_numpy_gives_for_all_chosen_rows_at_once(rows, seed, dtype):
    random = np.random.Generator(np.random.Philox(seed))
    values = random.integers(0, 255, (3 * ROWS_AT_ONCE, 2)).astype(dtype)
    indices = random.permutation(len(values))[:rows]
    chosen = values[indices].astype(np.float64)
    told = statistics(values, indices)
    assert (told.count, told.min, told.max) == (chosen.size, chosen.min(), chosen.max())
    assert [told.mean, told.std] == pytest.approx([chosen.mean(), chosen.std()], rel=1e-12, abs=1e-12)


def test_a_small_spread_around_a_large_mean_is_not_lost():
    told = statistics(np.array([[1e9], [1e9 + 1]]), np.array([0, 1]))
    assert (told.mean, told.std) == (1e9 + 0.5, 0.5)
