"""Which sample goes into which split: a pure function of sizes, classes, groups and a seed."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError
from deeptrain.seeds import permutation
from deeptrain.shards.proportions import proportional_table

Indices = NDArray[np.int64]


def sizes(asked: Mapping[str, int | float], samples: int) -> dict[str, int]:
    """Samples of each split, from numbers of samples and fractions of all.

    A fraction counts as the decimal it is written as. Together the fractions get the whole part of their sum, by
    largest remainder, so that 0.6 + 0.2 + 0.2 leaves no sample out.

    Raises:
        DataError: when more samples are asked for than there are, or a fraction comes to none.
    """
    exact = {name: Fraction(repr(size)) * samples for name, size in asked.items() if isinstance(size, float)}
    result = {name: int(exact.get(name, size)) for name, size in asked.items()}
    left = int(sum(exact.values())) - sum(int(size) for size in exact.values())
    for name in sorted(exact, key=lambda name: -(exact[name] % 1))[:left]:
        result[name] += 1
    for name in exact:
        if result[name] == 0:
            raise DataError(f"splits.{name}: {asked[name]} of {samples:,} samples is none; ask for a larger part")
    if sum(result.values()) > samples:
        told = " + ".join(f"{name} {size:,}" for name, size in result.items() if size)
        raise DataError(
            f"splits: {told} = {sum(result.values()):,} samples are asked for, there are {samples:,}; make them smaller"
        )
    return result


def split(
    wanted: Mapping[str, int], samples: int, seed: int, classes: Indices | None = None, groups: Indices | None = None
) -> dict[str, Indices]:
    """Indices of the samples of each split, ascending; no index occurs twice.

    Args:
        wanted: number of samples of each split, together at most `samples`.
        samples: how many there are.
        seed: another one gives another split.
        classes: (samples,) class numbers from 0; each split gets each class in proportion: its share rounded down or
            up. None splits without looking.
        groups: (samples,) group numbers from 0; samples of one group go into one split, or none. Sizes and classes
            are then as near as a greedy choice comes, largest groups first.

    Raises:
        DataError: when there are too few groups to give each split one.
    """
    strata = np.zeros(samples, np.int64) if classes is None else classes
    names = [name for name, size in wanted.items() if size]
    parts = [wanted[name] for name in names]
    if sum(parts) < samples:
        parts.append(samples - sum(parts))  # what is left over is shared out like a split, and belongs to none
    owner = _by_class(parts, strata, seed) if groups is None else _by_group(parts, strata, groups, seed)
    found = {name: np.flatnonzero(owner == number) for number, name in enumerate(names)}
    for name, indices in found.items():
        if not indices.size:
            groups_told = 0 if groups is None else int(groups.max()) + 1
            raise DataError(f"splits.{name}: no group is left for it, there are {groups_told}; ask for fewer splits")
    return found


def check_classes(found: Mapping[str, Indices], classes: Indices, names: Sequence[str]) -> None:
    """Refuse a split in which a class does not occur.

    Raises:
        DataError: naming the split, the class, and how many there are in all.
    """
    for split_name, indices in found.items():
        counts = np.bincount(classes[indices], minlength=len(names))
        if not counts.all():
            missing = int(np.argmin(counts))
            raise DataError(
                f"splits.{split_name}: none of its {len(indices):,} samples has the label {names[missing]!r}, of which "
                f"there are {np.count_nonzero(classes == missing):,} in all; give it more samples"
            )


def _by_class(parts: Sequence[int], strata: Indices, seed: int) -> Indices:
    """Number of the split of each sample, by controlled rounding of each class's share."""
    counts = np.bincount(strata)
    table = proportional_table(parts, counts.tolist())
    owner = np.empty(len(strata), np.int64)
    for number in range(len(counts)):
        members = np.flatnonzero(strata == number)
        members = members[permutation(len(members), "splits", seed, number)]
        owner[members] = np.repeat(np.arange(len(parts)), [row[number] for row in table])
    return owner


def _by_group(parts: Sequence[int], strata: Indices, groups: Indices, seed: int) -> Indices:
    """Number of the split of each sample: each group goes where it fills most of what each class still lacks."""
    counts = np.zeros((int(groups.max()) + 1, int(strata.max()) + 1), np.int64)
    np.add.at(counts, (groups, strata), 1)
    lacking = np.outer(parts, counts.sum(axis=0)) / len(strata)
    shuffled = permutation(len(counts), "groups", seed)
    order = shuffled[np.argsort(-counts[shuffled].sum(axis=1), kind="stable")]
    chosen = np.empty(len(counts), np.int64)
    for group in order:
        # of all choices the one that lowers the sum of squares of what is lacking the most
        chosen[group] = int(np.argmax(lacking @ counts[group]))
        lacking[chosen[group]] -= counts[group]
    return chosen[groups]
