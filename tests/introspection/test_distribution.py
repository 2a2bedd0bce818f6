"""Statistics: what NumPy says of an array, whatever it holds and however it is cut."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from deeptrain.introspection import Statistics, global_norm, statistics
from deeptrain.introspection.distribution import BLOCK, CHUNK, KEPT, QUANTILES, Stream, histogram, norm_of

SOME = arrays.arrays(np.float32, st.integers(0, 70), elements=st.floats(width=32))


@given(SOME)
def test_they_are_those_of_numpy_and_what_is_not_finite_poisons_nothing(values: Any) -> None:
    found = Statistics.of(values)
    finite = values[np.isfinite(values)].astype(np.float64)
    assert (found.size, found.nan, found.inf) == (values.size, np.isnan(values).sum(), np.isinf(values).sum())
    assert found.zeros == (finite == 0).sum()
    assert found.dead == (np.abs(finite) < 1e-7).sum()
    assert found.large == (np.abs(finite) > 3).sum()
    if not len(finite):
        told = (found.mean, found.std, found.norm, found.rms, found.low, found.high, found.median)
        assert all(math.isnan(one) for one in told)
        return
    assert (found.low, found.high) == (finite.min(), finite.max())
    assert found.mean == pytest.approx(finite.mean(), rel=1e-9, abs=1e-12 * np.abs(finite).max())
    assert found.std == pytest.approx(finite.std(), rel=1e-4, abs=1e-9 * np.abs(finite).max())
    assert found.norm == pytest.approx(math.sqrt((finite**2).sum()), rel=1e-12)
    assert list(found.quantiles.values()) == np.quantile(finite, QUANTILES).tolist()


@given(st.lists(SOME, max_size=6))
def test_a_stream_tells_the_same_however_it_is_cut(parts: list[Any]) -> None:
    cut, whole = Stream(kept=16), Stream(kept=16)
    for part in parts:
        cut.add(part)
    whole.add(np.concatenate(parts) if parts else np.empty(0, np.float32))
    one, other = cut.statistics(), whole.statistics()
    assert repr(one.quantiles) == repr(other.quantiles)
    assert (one.exact, one.size, one.nan, one.dead, one.large) == (
        other.exact,
        other.size,
        other.nan,
        other.dead,
        other.large,
    )
    assert one.exact == (one.size <= 16)


@pytest.mark.parametrize("power", [-30, -17, -9, 0, 9, 17, 30])
@pytest.mark.parametrize("size", [3, BLOCK, 3 * CHUNK + 5])
def test_quick_sums_are_right_to_a_millionth_whatever_the_magnitude(power: int, size: int) -> None:
    values = (10.0**power * np.random.Generator(np.random.Philox(1)).normal(0.2, 1, size)).astype(np.float32)
    stream = Stream(quick=True)
    stream.add(values)
    found, exact = stream.statistics(), Statistics.of(values)
    assert found.norm == pytest.approx(exact.norm, rel=1e-6)
    assert norm_of(values) == pytest.approx(exact.norm, rel=1e-6)
    assert found.std == pytest.approx(exact.std, rel=1e-5)
    assert abs(found.mean - exact.mean) <= 1e-6 * exact.rms
    counts = ("size", "nan", "inf", "zeros", "dead", "large", "low", "high")
    assert [getattr(found, name) for name in counts] == [getattr(exact, name) for name in counts]
    far = Stream(quick=True)
    far.add((1000 + values / 10.0**power).astype(np.float32))
    assert far.statistics().std == pytest.approx(exact.std / 10.0**power, rel=1e-3)


def test_the_quantiles_of_a_long_stream_are_near_and_see_every_column() -> None:
    stream, columns = Stream(), np.tile(np.arange(96, dtype=np.float32), 5 * KEPT // 96)
    for part in np.array_split(columns, 7):
        stream.add(part)
    found = stream.statistics()
    assert not found.exact
    for share, value in found.quantiles.items():
        assert abs(value - 96 * share) <= 1.5


def test_a_mean_that_is_great_beside_the_deviation_hides_it_not() -> None:
    values = np.array([1e6, 1e6 + 1, 1e6 + 2], np.float32)
    assert Statistics.of(values).std == pytest.approx(math.sqrt(2 / 3))
    stream = Stream()
    for value in values:
        stream.add(value.reshape(1))
    assert stream.statistics().std == pytest.approx(math.sqrt(2 / 3))


def test_shares_and_the_norm_of_all_are_told() -> None:
    found = statistics({"one": [0, 4, np.nan, np.inf], "two": np.full((3, 3), 3.0), "none": np.full(2, np.nan)})
    one = found["one"]
    assert (one.dead_share, one.large_share, one.nan_share, one.inf_share) == (0.25, 0.25, 0.25, 0.25)
    assert global_norm(found) == pytest.approx(math.sqrt(16 + 81))
    assert global_norm({"one": [3.0], "two": [[4.0]]}) == 5.0
    assert one.as_dict()["q0.5"] == one.median == 2.0
    assert Statistics.of([True, False]).mean == 0.5


def test_a_histogram_has_what_is_finite() -> None:
    counts, edges = histogram(np.array([0.0, 1.0, 4.0, np.nan, -np.inf]), 2)
    assert (counts, edges) == ((2, 1), (0.0, 2.0, 4.0))
    assert histogram([np.nan], 2) == ((0, 0), (0.0, 0.0, 0.0))
