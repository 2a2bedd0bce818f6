"""Where each sample goes: split, place in it, set and shard; a pure function of the settings and the samples."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError
from deeptrain.seeds import permutation
from deeptrain.shards import layout, splits
from deeptrain.shards.layout import Sets
from deeptrain.shards.samples import Samples
from deeptrain.shards.settings import SAMPLES_PER_SET, SPLITS, DataSettings
from deeptrain.shards.splits import Indices

SHARD_BYTES = 256 << 20


@dataclass(frozen=True)
class PlannedShard:
    """One shard: which samples of its split it holds, and in which part it lies (from 1)."""

    split: str
    name: str
    start: int
    stop: int
    part: int


@dataclass(frozen=True)
class Arrangement:
    """What becomes of all samples.

    Attributes:
        splits: by split the numbers of its samples, in their order there; a sample occurs in one split only, and more
            than once only where a set was filled up.
        sets: by split (samples,) the set number of each, ascending.
        shards: of all splits, one after the other.
        numbered: whether sets are raw files that keep their numbers.
    """

    splits: Mapping[str, Indices]
    sets: Mapping[str, Indices]
    shards: tuple[PlannedShard, ...]
    numbered: bool

    def runs(self, split: str) -> tuple[Sets, ...]:
        """The sets of a split, as runs of consecutive numbers and equal sizes."""
        numbers, counts = np.unique(self.sets[split], return_counts=True)
        new = np.flatnonzero((np.diff(numbers, prepend=-2) != 1) | (np.diff(counts, prepend=-1) != 0))
        return tuple(
            Sets(first=int(numbers[start]), count=int(stop - start), samples=int(counts[start]))
            for start, stop in zip(new, [*new[1:], len(numbers)], strict=True)
        )

    def cuts(self, shard: PlannedShard) -> Indices:
        """Samples of a shard at which a set begins, from the shard's first."""
        sets = self.sets[shard.split][shard.start : shard.stop]
        return np.flatnonzero(np.diff(sets)) + 1


def arrange(samples: Samples, settings: DataSettings, parts: int) -> Arrangement:
    """The arrangement that belongs to the settings.

    Args:
        samples: what is known of all samples.
        settings: `[data]`.
        parts: among how many the shards are shared out.

    Raises:
        DataError: when sizes, classes or groups do not allow the splits that are asked for.
    """
    asked = settings.samples_per_set
    numbered = samples.described.numbered and asked is None and not settings.shuffle
    by_file = numbered or asked == "file"
    sequences = any(one.sequence for one in samples.described.inputs)
    shuffle = settings.shuffle if settings.shuffle is not None else not (by_file or sequences)
    numbers = _set_numbers(samples) if by_file else None
    found = _paths(samples) if settings.splits.paths else _sizes(samples, settings, numbers)
    sets: dict[str, Indices] = {}
    first = 1
    for name, indices in found.items():
        order = indices[permutation(len(indices), "order", settings.seed, name)] if shuffle else indices
        if numbers is not None:
            order = order[np.argsort(numbers[order], kind="stable")]
            sets[name] = numbers[order]
        else:
            per_set = asked if isinstance(asked, int) else SAMPLES_PER_SET
            order = _filled(order, per_set, name, settings)
            sets[name] = first + np.arange(len(order), dtype=np.int64) // per_set
            first = int(sets[name][-1]) + 1
        found[name] = order
    if not settings.splits.paths:
        for output, names in samples.classes.items():
            if names:
                places = {name: samples.label_places(indices) for name, indices in found.items()}
                splits.check_classes(places, samples.labels[output].astype(np.int64), names)
    shards = _shards({name: len(order) for name, order in found.items()}, _per_shard(samples, settings), parts)
    return Arrangement(found, sets, shards, by_file)


def _set_numbers(samples: Samples) -> Indices:
    """The number of each sample's set; files without numbers are counted from 1."""
    origin = samples.origin
    return origin[:, 0 if samples.described.numbered else 1].astype(np.int64) + (not samples.described.numbered)


def _paths(samples: Samples) -> dict[str, Indices]:
    ends = np.cumsum([source.samples for source in samples.described.sources])
    found = {
        source.name: np.arange(end - source.samples, end, dtype=np.int64)
        for source, end in zip(samples.described.sources, ends.tolist(), strict=True)
    }
    for name, indices in found.items():
        if not indices.size:
            raise DataError(f"splits.{name}: its raw files hold no sample")
    return {name: found[name] for name in SPLITS if name in found}


def _sizes(samples: Samples, settings: DataSettings, numbers: Indices | None) -> dict[str, Indices]:
    """Samples of each split in the raw files' order, whole groups and whole sets together."""
    count = len(samples)
    wanted = splits.sizes(settings.splits.asked(), count)
    classes = _strata(samples) if settings.splits.stratify else None
    groups = None if samples.groups is None else samples.groups.astype(np.int64)
    if numbers is not None:
        sets = np.unique(numbers, return_inverse=True)[1]
        groups = sets if groups is None else _connected(sets, groups)
    return splits.split(wanted, count, settings.seed, classes, groups)


def _strata(samples: Samples) -> Indices | None:
    """(samples,) the class of each, of several outputs the combination; None where a sample has none of its own."""
    of_classes = [labels.astype(np.int64) for output, labels in samples.labels.items() if samples.classes[output]]
    if not of_classes or samples.described.per_step:
        return None
    if len(of_classes) == 1:
        return of_classes[0]
    return np.unique(np.stack(of_classes, axis=1), axis=0, return_inverse=True)[1].reshape(-1)


def _connected(sets: Indices, groups: Indices) -> Indices:
    """Numbers of what must stay together: sets that share a group, groups that share a set."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    shape = (int(sets.max()) + 1, int(groups.max()) + 1)
    size = sum(shape)
    graph = coo_matrix((np.ones(len(sets), bool), (sets, groups + shape[0])), (size, size))
    labels: NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return np.unique(labels[sets], return_inverse=True)[1]


def _filled(order: Indices, per_set: int, split: str, settings: DataSettings) -> Indices:
    """The samples of a split as `remainder` asks: the last set shorter, left out, or filled up."""
    rest = len(order) % per_set
    if not rest or settings.remainder == "keep":
        return order
    if settings.remainder == "drop":
        if rest == len(order):
            raise DataError(
                f"splits.{split}: its {rest:,} samples fill no set of {per_set:,} and data.remainder drops them; "
                f"lower data.samples_per_set"
            )
        return order[:-rest]
    drawn = [
        order[permutation(len(order), "oversample", settings.seed, split, number)]
        for number in range(-(-(per_set - rest) // len(order)))
    ]
    return np.concatenate([order, np.concatenate(drawn)[: per_set - rest]])


def _per_shard(samples: Samples, settings: DataSettings) -> int:
    """Samples in a shard: as was said, or as many as make about 256 MiB."""
    if settings.samples_per_shard is not None:
        return settings.samples_per_shard
    size = sum(one.rows * one.row_bytes for one in samples.described.inputs)
    return max(1, SHARD_BYTES * len(samples) // size)


def _shards(sizes: Mapping[str, int], per_shard: int, parts: int) -> tuple[PlannedShard, ...]:
    total = sum(sizes.values())
    shards = []
    before = 0
    for split, size in sizes.items():
        for number, start in enumerate(range(0, size, per_shard), 1):
            part = (before + start) * parts // total + 1
            name = layout.shard_name(split, number)
            shards.append(PlannedShard(split, name, start, min(start + per_shard, size), part))
        before += size
    return tuple(shards)
