import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from deeptrain.errors import DataError
from deeptrain.formats import numbers

DTYPES = sorted(numbers.DTYPES)


def holds(value: object, dtype: str) -> bool:
    """Whether a dtype holds a number: floats round, whole numbers and booleans only what they hold exactly."""
    if isinstance(value, float) and not math.isfinite(value):
        return False
    if dtype.startswith("float"):
        with np.errstate(over="ignore"):
            return bool(np.isfinite(np.array(value).astype(dtype)))
    limits = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return Fraction(value).denominator == 1 and limits[0] <= value <= limits[1]


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays.arrays(dtype, st.tuples(st.integers(1, 6), st.integers(1, 3)))
    ),
    st.sampled_from(DTYPES),
    st.booleans(),
)
def test_a_cast_holds_every_value_or_names_the_row_of_the_first_it_does_not(values, dtype, swapped):
    stored = values.astype(values.dtype.newbyteorder(">")) if swapped else values
    wrong = [row for row, line in enumerate(values.tolist()) if not all(holds(value, dtype) for value in line)]
    if wrong:
        with pytest.raises(DataError, match=f"^row {wrong[0]}: "):
            numbers.cast(stored, dtype, lambda row: f"row {row}")
        return
    result = numbers.cast(stored, dtype, lambda row: f"row {row}")
    assert result.dtype == dtype
    assert result.flags.c_contiguous
    if not dtype.startswith("float"):
        assert [list(map(int, line)) for line in result.tolist()] == [list(map(int, line)) for line in values.tolist()]
    else:
        assert result.tobytes() == values.astype(dtype).tobytes()


@given(arrays.arrays("float64", (4, 3), elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_what_needs_no_cast_is_not_copied(values):
    assert numbers.cast(values, "float64", str) is values
