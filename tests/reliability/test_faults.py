"""Every durable step, with every fault that a disk can have at each of its operations (law 1, law 6).

As SQLite's own tests do it: the fault comes at the first operation, then at the second, until the step does not come
to it any more. What must hold is in `explore`.
"""

import pytest

from tests.reliability import exploring
from tests.reliability.durable_steps import STEPS
from tests.reliability.faults import FAULTS

EVERY = {"training": 97, "conversion": 53, "artifact": 3, "artifact-over-a-damaged-one": 3}
"""Of a sample: the longest steps have hundreds of operations."""


@pytest.mark.parametrize("step", STEPS)
def test_whatever_fails_at_whichever_operation_the_run_after_it_ends_in_the_same_bytes(
    step: str, thorough: bool
) -> None:
    seen = exploring.explored(step, every=1 if thorough else EVERY.get(step, 1))
    assert {one["fault"] for one in seen} == set(FAULTS)
    assert any(one["outcome"] == "ended by signal 9" for one in seen)
    assert any(one["outcome"].startswith("told: WriteError: ") for one in seen)
