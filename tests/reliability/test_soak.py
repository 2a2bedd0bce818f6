"""A few kills of the soak that `make soak` goes on with for hours."""

import itertools
import random
from pathlib import Path

from tests.pipelines.command import Warm
from tests.reliability.soak import soak


def test_random_settings_under_random_kills_end_in_the_bytes_of_an_undisturbed_run(
    tmp_path: Path, warm: Warm, thorough: bool
) -> None:
    first, kills = (random.SystemRandom().getrandbits(31), 50) if thorough else (1, 3)
    assert sum(lived.kills for lived in soak(itertools.count(first), kills, warm, tmp_path)) >= kills
