"""Samples drawn with replacement, as many as there are: how often each, in the time it takes to read them.

How many are drawn of each block of neighbours is one multinomial, and which of a block a byte each: the distribution of
samples drawn one by one from all (B. Efron, "Bootstrap methods", 1979), while memory is read from block to block.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeptrain.metrics.checks import Integers, Scores

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

    def sums(self, values: Scores) -> Iterator[tuple[slice, Scores, Integers, Integers]]:
        """Some blocks at a time: which, the values (n,) of what was drawn of them, where each block that has some begins
        in these, and which those are.
        """
        behind = np.append(0, np.cumsum(self.times))
        for first in range(0, len(self.times), TOGETHER):
            part = slice(first, first + TOGETHER)
            times = self.times[part]
            samples = np.repeat(np.arange(first, first + len(times)) * WIDTH, times)
            samples += self.places[behind[first] : behind[first + len(times)]]
            some = np.flatnonzero(times)
            yield part, values.take(samples), behind[part][some] - behind[first], some


def edges(samples: int) -> Integers:
    """(blocks + 1,) the first sample of each block, and behind the last how many there are."""
    return np.append(np.arange(0, samples, WIDTH), samples)


def draw(samples: int, generator: np.random.Generator) -> Draws:
    """As many draws as there are samples, at least 1."""
    widths = np.diff(edges(samples))
    times = generator.multinomial(samples, widths / samples)
    if widths[-1] == WIDTH:
        return Draws(times, np.frombuffer(generator.bytes(samples), np.uint8))
    full = samples - int(times[-1])
    last = generator.integers(int(widths[-1]), size=int(times[-1])).astype(np.uint8)
    return Draws(times, np.append(np.frombuffer(generator.bytes(full), np.uint8), last) if full else last)
