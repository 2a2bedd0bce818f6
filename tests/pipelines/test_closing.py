"""What a command says of the threshold at its end."""

import pytest

from deeptrain.calibration import threshold
from pipelines import closing


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        (None, "at 0.5"),
        ("recall >= 0.2", "at 0.5; recall >= 0.2 is promised"),
        ("precision >= 0.99", "at 0.5; precision >= 0.99 cannot be promised"),
    ],
)
def test_what_became_of_a_constraint_is_said(constraint: str | None, said: str) -> None:
    labels, scores = [0, 0, 1, 0, 1, 1] * 10, [0.1, 0.3, 0.35, 0.6, 0.7, 0.8] * 10
    assert closing._worth(threshold.choose(labels, scores, constraint=constraint).plain()).endswith(said)
