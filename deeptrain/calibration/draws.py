"""Samples drawn with replacement, as many as there are: how often each, in the time it takes to read them.

How many are drawn of each block of neighbours is one multinomial, and which of a block a byte each: the distribution of
samples drawn one by one from all (B. Efron, "Bootstrap methods", 1979), while memory is read from block to block.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeptrain.metrics.checks import Integers

WIDTH = 256
"""Samples of a block: as many as a byte tells apart."""

TOGETHER = 256
"""Blocks looked at together: what is drawn of them stays in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Draws:
    """What was drawn.

    Attributes:
        times: (blocks,) int64, how many samples of each block.
        places: (n,) uint8, where in its block each is, the blocks in order.
    """

    times: Integers
    places: NDArray[np.uint8]

    def of(self, first: int, after: int) -> Integers:
        """The drawn samples of some blocks, numbered from the first sample of the first of them."""
        begin = int(self.times[:first].sum())
        places = self.places[begin : begin + int(self.times[first:after].sum())]
        samples: Integers = np.repeat(np.arange(after - first) * WIDTH, self.times[first:after])
        samples += places
        return samples

    def parts(self) -> Iterator[tuple[slice, Integers, Integers, Integers]]:
        """The drawn samples, those of some blocks at a time.

        Yields:
            Which blocks; their samples; where in these each block begins that has some; which of the blocks those are.
        """
        behind = np.append(0, np.cumsum(self.times))
        for first in range(0, len(self.times), TOGETHER):
            times = self.times[first : first + TOGETHER]
            after = first + len(times)
            samples = np.repeat(np.arange(first, after) * WIDTH, times)
            samples += self.places[behind[first] : behind[after]]
            some = np.flatnonzero(times)
            yield slice(first, after), samples, behind[first:after][some] - behind[first], some


def edges(samples: int) -> Integers:
    """(blocks + 1,) the first sample of each block, and behind the last how many there are."""
    return np.append(np.arange(0, samples, WIDTH), samples)


def draw(samples: int, generator: np.random.Generator) -> Draws:
    """As many draws as there are samples, at least 1."""
    widths = np.diff(edges(samples))
    times = generator.multinomial(samples, widths / samples)
    places = generator.bit_generator.random_raw(-(-samples // 8)).astype("<u8", copy=False).view(np.uint8)[:samples]
    if widths[-1] < WIDTH:
        last = int(times[-1])
        places[samples - last :] = generator.integers(int(widths[-1]), size=last)
    return Draws(times, places)
