import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.shards.moments import RUN, Moments, joined, statistics


@given(
    rows=st.integers(1, 3 * RUN),
    seed=st.integers(0, 99),
    dtype=st.sampled_from(["float32", "uint8", "int64"]),
    columns=st.sampled_from([None, 1, 3, 500]),
)
def test_statistics_are_those_that_numpy_gives_of_all_values_at_once(rows, seed, dtype, columns):
    random = np.random.Generator(np.random.Philox(seed))
    width = columns or 2
    values = random.integers(0, 255, (max(1, rows // width), width)).astype(dtype)
    moments = Moments(columns)
    moments.add(values)
    sums = moments.sums()
    assert len(sums) == (columns or 1)
    for column, one in list(enumerate(sums))[:5]:
        chosen = (values if columns is None else values[:, column]).astype(np.float64)
        told = statistics(one)
        assert (told.count, told.min, told.max) == (chosen.size, chosen.min(), chosen.max())
        assert [told.mean, told.std] == pytest.approx([chosen.mean(), chosen.std()], rel=1e-12, abs=1e-12)


@given(st.lists(st.integers(1, RUN), min_size=1, max_size=6), st.sampled_from([None, 2]))
def test_the_sums_do_not_depend_on_the_pieces_that_the_values_come_in(cuts, columns):
    values = np.random.Generator(np.random.Philox(1)).normal(size=(sum(cuts), 2)).astype(np.float32)
    whole, pieces = Moments(columns), Moments(columns)
    whole.add(values)
    for end, size in zip(np.cumsum(cuts), cuts, strict=True):
        pieces.add(values[end - size : end])
    assert whole.sums() == pieces.sums()


def test_a_small_spread_around_a_large_mean_is_not_lost():
    moments = [Moments(), Moments()]
    for one, value in zip(moments, (1e9, 1e9 + 1), strict=True):
        one.add(np.array([value]))
    told = statistics(joined(of for one in moments for of in one.sums()))
    assert (told.mean, told.std) == (1e9 + 0.5, 0.5)
