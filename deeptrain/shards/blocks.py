"""Blocks: runs of whole consecutive samples of a shard, the unit of checksum, compression and shuffling.

A block holds as many samples as fit into `block_bytes`, all inputs together, at least one. Where the samples of all
inputs have a fixed size and it costs no more than part of a block, the number is one that makes every input's block
whole pages long, so that blocks can be read past the page cache. Blocks never cross shards, nor the cuts that the
writer asks for (sets that are read as a whole). The first sample of each block is stored, so no reader needs this rule.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from deeptrain.shards.layout import InputLayout

PAGE = 4096

Integers = NDArray[np.int64]


def row_bytes(stored: InputLayout) -> int:
    """Bytes of a row of an input: of a sample, or of a step of a sequence."""
    return math.prod(stored.shape) * np.dtype(stored.dtype).itemsize


def checksum(data: bytes | memoryview) -> int:
    """xxh3 (64 bits, seed 0) of bytes; lets other threads run meanwhile."""
    return int(xxhash.xxh3_64_intdigest(data))


def firsts(
    inputs: Sequence[InputLayout],
    samples: int,
    lengths: Mapping[str, Integers],
    block_bytes: int,
    cuts: Integers | None = None,
) -> Integers:
    """The first sample of each block of a shard, and at the end the number of samples: (blocks + 1,) int64.

    Args:
        inputs: of each sample.
        samples: of the shard.
        lengths: (samples,) steps of each sample, of the inputs that are sequences.
        block_bytes: the most bytes of a block of more than one sample.
        cuts: samples at which a block must begin too, ascending, between 0 and samples.
    """
    fixed = sum(row_bytes(stored) for stored in inputs if not stored.sequence)
    edges = [0, *([] if cuts is None else cuts[(cuts > 0) & (cuts < samples)].tolist()), samples]
    starts: list[Integers] = []
    if not lengths:
        step = _samples_per_block(inputs, fixed, block_bytes)
        starts = [np.arange(start, stop, step, dtype=np.int64) for start, stop in pairwise(edges)]
        return np.concatenate([*starts, [samples]])
    ends = np.full(samples, fixed, np.int64)
    for stored in inputs:
        if stored.sequence:
            ends += lengths[stored.name] * row_bytes(stored)
    ends = np.concatenate([[0], np.cumsum(ends)])
    found = []
    for start, stop in pairwise(edges):
        at = start
        while at < stop:
            found.append(at)
            fits = int(np.searchsorted(ends, ends[at] + block_bytes, side="right")) - 1
            at = min(max(fits, at + 1), stop)
    return np.array([*found, samples], np.int64)


def _samples_per_block(inputs: Sequence[InputLayout], sample_bytes: int, block_bytes: int) -> int:
    """As many as fit, rounded down to whole pages of every input where at least one such number fits."""
    fitting = max(1, block_bytes // sample_bytes)
    pages = math.lcm(*(PAGE // math.gcd(PAGE, row_bytes(stored)) for stored in inputs))
    return fitting // pages * pages if fitting >= pages else fitting


def offsets(lengths: NDArray[np.integer[Any]]) -> Integers:
    """Where each sequence begins in the flat steps, and at the end how many there are: (samples + 1,) int64."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
