"""Where a conversion stands, into shards or into raw files of another format, for whoever watches it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """What was done of one artifact of a conversion.

    Attributes:
        stage: "samples", "part" or "shards"; "raw" of raw files that become others.
        part: number of the part, from 1; 0 for the other stages.
        parts: how many parts there are; 0 for raw files.
        samples: how many went through.
        of: how many will, None while only reading it all tells.
    """

    stage: Literal["samples", "part", "shards", "raw"]
    part: int
    parts: int
    samples: int
    of: int | None


Watch = Callable[[Progress], None]
"""Is told where a conversion stands, a few times a second at most worth showing; must be quick."""


def nobody(progress: Progress) -> None:
    """Watches nothing."""
    del progress
