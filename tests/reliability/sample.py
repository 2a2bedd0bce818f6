"""What `make sample` tries by chance of all that `make reliability` tries in shares, each of them a test."""

import random
from collections.abc import Sequence
from typing import TypeVar

from tests.reliability.tools import tell

SHARES = 8
"""Tests among which all of it is divided; of a sample there is one."""

One = TypeVar("One")


def randomly(name: str) -> random.Random:
    """A generator whose seed is told when the test fails."""
    seed = random.SystemRandom().getrandbits(32)
    tell(f"{name}: seed {seed}")  # pytest shows it with a failure
    return random.Random(seed)


def chosen(everything: Sequence[One], share: int, *, thorough: bool, count: int, rng: random.Random) -> list[One]:
    """A share of everything, or so many of it by chance."""
    return list(everything[share::SHARES]) if thorough else rng.sample(everything, count)
