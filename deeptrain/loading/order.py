"""The order of samples in an epoch: nobody keeps it, it is a pure function of seed and epoch.

The stream of an epoch's samples is defined without batches: a batch is a slice of it, whatever its size.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deeptrain import seeds
from deeptrain.errors import DataError
from deeptrain.shards.reading import Split

Integers = NDArray[np.int64]

Order = Literal["none", "sets", "blocks", "samples"]
"""Each sample once an epoch. `none`: as they are stored. `sets`: sets permuted, samples in a set as they are stored.
`blocks`: blocks permuted over the whole split, then samples within each window of them (see `window_blocks`).
`samples`: every sample across the whole split."""


Sampling = Literal["balanced", "weighted"]
"""`balanced`: each class equally often (the samples of a class come round after round, each round in another order).
`weighted`: each draw takes a sample with the probability of its weight, with replacement. As many as samples."""

WINDOW_BLOCKS = 64
WINDOW_BYTES = 64 << 20
MOST_WINDOW_BLOCKS = 256

READ_BLOCKS = 8
"""Other orders are read in slices of about so many blocks: large enough for the disk, soon there."""


def window_blocks(block_bytes: int) -> int:
    """How many blocks' samples are permuted together: 64, of smaller blocks as many as 64 MiB, at most 256.

    Part of the order `blocks`: another number would be another order. Data sorted by class is mixed well by many small
    blocks: with 256 of 256 KiB class counts of batches spread 1.4 times as much as independent draws.
    """
    return min(max(WINDOW_BYTES // block_bytes, WINDOW_BLOCKS), MOST_WINDOW_BLOCKS)


class Stream:
    """All samples of one epoch in their order; indices are made when they are asked for.

    Memory: for `none` and `blocks` a few bytes a block and the last two windows; for `sets` some a set; for `samples`
    and with sampling 8 bytes a sample, 16 while it is made.
    """

    def __init__(self, length: int, indices: Callable[[int, int], Integers], reads: Integers | int) -> None:
        """Keep what was made by `stream`.

        Args:
            length: samples in the epoch.
            indices: of the samples from one place in the stream to another.
            reads: where the reads begin and the last one ends; or their largest number of samples, when they may begin
                anywhere.
        """
        self._length = length
        self._indices = indices
        self._reads = reads

    def __len__(self) -> int:
        """Samples in the epoch."""
        return self._length

    def indices(self, first: int, last: int) -> Integers:
        """Indices in the split of the samples `first` to `last` - 1 of the stream: int64."""
        return self._indices(max(first, 0), min(last, self._length))

    @property
    def largest(self) -> int:
        """Samples of the largest read."""
        return self._reads if isinstance(self._reads, int) else int(np.diff(self._reads).max())

    def reads(self, start: int, least: int = 1) -> Iterator[tuple[int, int]]:
        """Slices of the stream, from `start` to its end, each to be read at once.

        Where they may be of any size the first has `least` samples and each next one about twice as many: the first
        batch of samples from everywhere touches as many blocks as it has samples.
        """
        if isinstance(self._reads, int):
            # Whole batches, so that none lies across two reads
            most = max(least, self._reads // least * least)
            size = least
            while start < self._length:
                yield start, min(start + size, self._length)
                start, size = start + size, min(2 * size, most)
            return
        number = int(np.searchsorted(self._reads, start, side="right")) - 1
        for end in self._reads[number + 1 :].tolist():
            if start < end:
                yield start, end
            start = end


def stream(
    kind: Order,
    split: Split,
    seed: int,
    epoch: int,
    chosen: Integers | None = None,
    sampling: Sampling | None = None,
) -> Stream:
    """The samples of one epoch in their order.

    Args:
        kind: see `Order`.
        split: whose samples.
        seed: of all epochs.
        epoch: from 1; seed and epoch are hashed, not added.
        chosen: ascending indices of the samples that take part; by default all.
        sampling: see `Sampling`; needs the order `samples`.

    Raises:
        DataError: for a sampling that order, labels or weights do not allow.
    """
    gathered = max(1, len(split) * READ_BLOCKS // (len(split.blocks) - 1))
    count = len(split) if chosen is None else len(chosen)
    if sampling is not None:
        if kind != "samples":
            raise DataError(f'sampling {sampling} draws single samples: it needs order = "samples", got "{kind}"')
        drawn = _balanced if sampling == "balanced" else _weighted
        members = np.arange(len(split)) if chosen is None else chosen
        order = members[drawn(split, members, seed, epoch)]
        return Stream(count, lambda first, last: order[first:last], gathered)
    if kind == "samples":
        order = samples(count, seed, epoch)
        if chosen is not None:
            order = chosen[order]
        return Stream(count, lambda first, last: order[first:last], gathered)
    if kind == "none":
        return _stored(split, chosen)
    if kind == "sets":
        return _sets(split, seed, epoch, chosen)
    return _blocks(split, seed, epoch, chosen)


def samples(count: int, seed: int, epoch: int) -> Integers:
    """All of `count` samples, each once, in the order of an epoch: (count,) int64."""
    return seeds.permutation(count, "epoch", seed, epoch)


def _stored(split: Split, chosen: Integers | None) -> Stream:
    """As they are stored; reads grow from 1 block to 8."""
    blocks = len(split.blocks) - 1
    edges = split.blocks[[min(step, blocks) for step in _doubling(READ_BLOCKS, blocks)]]
    if chosen is None:
        return Stream(len(split), lambda first, last: np.arange(first, last), edges)
    return Stream(len(chosen), lambda first, last: chosen[first:last], np.unique(np.searchsorted(chosen, edges)))


def _sets(split: Split, seed: int, epoch: int, chosen: Integers | None) -> Stream:
    """Sets permuted; reads of about 8 blocks that end with a set where one ends near by."""
    numbers, firsts, sizes = np.unique(split.sets, return_index=True, return_counts=True)
    if chosen is not None:
        there = np.isin(numbers, split.sets[chosen])
        firsts, sizes = firsts[there], sizes[there]
    order = seeds.permutation(len(firsts), "sets", seed, epoch)
    firsts, sizes = firsts[order].astype(np.int64), sizes[order].astype(np.int64)
    ends = np.cumsum(sizes)
    length = int(ends[-1])

    def indices(first: int, last: int) -> Integers:
        if first >= last:
            return np.empty(0, np.int64)
        low, high = np.searchsorted(ends, [first, last - 1], side="right")
        runs = slice(int(low), int(high) + 1)
        shifts = firsts[runs] - (ends[runs] - sizes[runs])
        counts = np.diff(np.concatenate([[first], np.minimum(ends[runs], last)]))
        places: Integers = np.arange(first, last) + np.repeat(shifts, counts)
        return places

    most = max(1, len(split) * READ_BLOCKS // (len(split.blocks) - 1))
    cuts = np.arange(0, length, most)
    next_end = ends[np.minimum(np.searchsorted(ends, cuts), len(ends) - 1)]
    cuts = np.where((cuts > 0) & (next_end - cuts <= most // 4), next_end, cuts)
    return Stream(length, indices, np.unique([*cuts, length]))


def _blocks(split: Split, seed: int, epoch: int, chosen: Integers | None) -> Stream:
    """Blocks permuted, then samples within each window of them."""
    most = window_blocks(split.block_bytes)
    firsts, sizes = split.blocks[:-1], np.diff(split.blocks)
    if chosen is not None:
        firsts, ends = np.searchsorted(chosen, split.blocks[:-1]), np.searchsorted(chosen, split.blocks[1:])
        firsts, sizes = firsts[ends > firsts], (ends - firsts)[ends > firsts]
    order = seeds.permutation(len(firsts), "blocks", seed, epoch)
    firsts, sizes = firsts[order], sizes[order]
    ends = np.cumsum(sizes)
    edges = np.concatenate([[0], ends[most - 1 :: most], ends[-1:]])
    edges = np.unique(edges)

    @functools.lru_cache(maxsize=3)
    def window(number: int) -> Integers:
        part = slice(number * most, (number + 1) * most)
        held = sizes[part]
        within = np.arange(int(held.sum()))
        places = within + np.repeat(firsts[part] - (np.cumsum(held) - held), held)
        places = places[seeds.permutation(len(places), "window", seed, epoch, number)]
        found: Integers = places if chosen is None else chosen[places]
        return found

    def indices(first: int, last: int) -> Integers:
        if first >= last:
            return np.empty(0, np.int64)
        low, high = (np.searchsorted(edges, [first, last - 1], side="right") - 1).tolist()
        parts = [window(number) for number in range(low, high + 1)]
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
        start = int(edges[low])
        return whole[first - start : last - start]

    return Stream(int(ends[-1]), indices, edges)


def _doubling(most: int, end: int) -> Iterator[int]:
    """0, 1, 3, 7, ...: steps that double up to `most`, to `end`."""
    at, step = 0, 1
    while at < end:
        yield at
        at, step = at + step, min(2 * step, most)
    yield end


def _balanced(split: Split, members: Integers, seed: int, epoch: int) -> Integers:
    if split.info.named or split.info.per_step:
        raise DataError('sampling = "balanced" needs one label a sample; for several use sampling = "weighted"')
    labels = split.labels[members]
    if split.info.kind == "values" or labels.ndim != 1:
        raise DataError('sampling = "balanced" needs labels that are classes; for values use sampling = "weighted"')
    classes = np.unique(labels)
    # What is left over by the division goes to other classes in other epochs
    shares = np.full(len(classes), len(members) // len(classes))
    shares[seeds.permutation(len(classes), "balance", seed, epoch)[: len(members) % len(classes)]] += 1
    drawn = []
    for label, share in zip(classes.tolist(), shares.tolist(), strict=True):
        own = np.flatnonzero(labels == label)
        rounds = -(-share // len(own))
        turns = [own[seeds.permutation(len(own), "round", seed, epoch, label, turn)] for turn in range(rounds)]
        drawn.append(np.concatenate(turns)[:share] if turns else own[:0])
    return np.concatenate(drawn)[samples(len(members), seed, epoch)]


def _weighted(split: Split, members: Integers, seed: int, epoch: int) -> Integers:
    if split.weights is None:
        raise DataError('sampling = "weighted" needs samples with weights: name their column as weights')
    ends = np.cumsum(split.weights[members], dtype=np.float64)
    if not np.isfinite(ends[-1]) or ends[-1] <= 0 or float(split.weights[members].min()) < 0:
        raise DataError(f"weights must be at least 0 and not all 0, their sum over {split.name} is {ends[-1]}")
    # NumPy promises the raw words of a bit generator, not what its distributions make of them
    words: NDArray[Any] = seeds.words(len(members), "weighted", seed, epoch)
    draws = (words >> np.uint64(11)) * 2.0**-53 * ends[-1]
    last = np.searchsorted(ends, ends[-1])
    drawn: Integers = np.minimum(np.searchsorted(ends, draws, side="right"), last).astype(np.int64)
    return drawn
