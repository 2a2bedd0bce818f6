"""Every durable step on ext4 and xfs, with the power cut before each of its operations and after the last (law 1)."""

import itertools
import os
from typing import get_args

import pytest

from tests.reliability import exploring, power
from tests.reliability.durable_steps import STEPS

PLACES = tuple(itertools.product(get_args(power.Kind), get_args(power.Way)))
EVERY = {"training": 97, "conversion": 53}
"""Of a sample."""


@pytest.mark.parametrize(("kind", "way"), PLACES)
@pytest.mark.parametrize("step", STEPS)
def test_after_a_power_cut_all_is_whole_or_absent_and_what_was_said_to_be_done_is_there(
    step: str, kind: power.Kind, way: power.Way, thorough: bool
) -> None:
    if not thorough and PLACES[list(STEPS).index(step) % len(PLACES)] != (kind, way):
        pytest.skip("not in the sample")
    lacking = power.lacking(kind)
    if lacking is not None:
        assert "CI" not in os.environ, lacking
        pytest.skip(lacking)
    seen = exploring.explored(step, "cut", "--on", kind, "--way", way, every=1 if thorough else EVERY.get(step, 7))
    assert seen[-1]["outcome"] == "done"
    assert {one["outcome"] for one in seen[:-1]} == {"ended by signal 9"}
