"""Thinning keeps peaks and gaps; smoothing is the mean of what is finite."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.drawing import curves

VALUES = st.lists(
    st.one_of(st.floats(-1e6, 1e6), st.sampled_from([float("nan"), float("inf"), float("-inf")])), max_size=300
)


@given(VALUES, st.integers(1, 40))
def test_smoothed_is_the_mean_of_the_last_finite_values(values: list[float], window: int) -> None:
    found = curves.smoothed(np.array(values), window)
    assert found.shape == (len(values),)
    for place, mean in enumerate(found):
        last = np.array(values[max(0, place + 1 - window) : place + 1])
        finite = last[np.isfinite(last)]
        if len(finite):
            np.testing.assert_allclose(mean, finite.mean(), rtol=1e-9, atol=1e-6)
        else:
            assert np.isnan(mean)


def test_one_huge_value_spoils_only_the_windows_that_hold_it() -> None:
    values = np.full(100, 0.5)
    values[10] = 1e300
    found = curves.smoothed(values, 5)
    assert np.array_equal(found[15:], np.full(85, 0.5))
    assert np.isfinite(found).all()


@given(VALUES, st.integers(4, 60))
def test_thinned_is_short_ascending_and_keeps_the_lowest_and_the_highest(values: list[float], most: int) -> None:
    y = np.array(values, np.float64)
    x, thin = curves.thinned(np.arange(len(y)), y, most)
    assert len(x) == len(thin) <= max(most, 4)
    assert (np.diff(x) > 0).all()
    finite, kept = y[np.isfinite(y)], thin[np.isfinite(thin)]
    assert len(kept) > 0 or len(finite) == 0
    if len(finite):
        assert (kept.min(), kept.max()) == (finite.min(), finite.max())


def test_a_long_gap_stays_a_gap() -> None:
    y = np.ones(1000)
    y[400:600] = np.nan
    x, thin = curves.thinned(np.arange(1000), y, 100)
    inside = thin[(x > 420) & (x < 580)]
    assert len(inside) > 5
    assert np.isnan(inside).all()
