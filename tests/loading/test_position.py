"""A position as JSON holds it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import ArtifactError
from deeptrain.loading.position import Position


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**6))
def test_a_position_survives_json(epoch: int, batch: int, iteration: int, window: int) -> None:
    position = Position(epoch, batch, iteration, window)
    assert Position.from_plain(position.plain()) == position


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"epoch": 1},
        {"epoch": 0, "batch": 0, "iteration": 0, "window": 0},
        [],
        {"epoch": "1", "batch": 0, "iteration": 0, "window": 0},
    ],
)
def test_what_is_no_position_is_refused(value: object) -> None:
    with pytest.raises(ArtifactError, match="a position"):
        Position.from_plain(value)  # type: ignore[arg-type]
