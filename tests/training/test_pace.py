"""How many iterations are fit in one call."""

import itertools

import pytest

from deeptrain.training.pace import MOST, MOST_BYTES, Pace


@pytest.mark.parametrize("each", [1e-4, 0.002, 0.006, 0.03])
def test_groups_grow_by_two_to_what_is_answered_within_a_tenth_of_a_second_and_shrink_at_once(each: float) -> None:
    pace = Pace(batch_bytes=1)
    sizes: list[int] = []
    for _ in range(12):
        sizes.append(pace.size)
        pace.took(pace.size, pace.size * each)
    assert all(after <= 2 * before for before, after in itertools.pairwise(sizes))
    assert 0.05 < sizes[-1] * each < 0.1
    pace.took(sizes[-1], 10 * sizes[-1] * each)
    assert pace.size == max(1, int(sizes[-1] * 0.08 / (10 * sizes[-1] * each)))


def test_a_group_takes_little_memory_and_never_too_many_iterations() -> None:
    for batch_bytes, most in [(1, MOST), (MOST_BYTES // 3, 3), (2 * MOST_BYTES, 1)]:
        pace = Pace(batch_bytes)
        for _ in range(12):
            pace.took(pace.size, 1e-9)
        assert pace.size == most
