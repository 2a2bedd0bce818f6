"""Which sets may be chosen at all, and how many of them together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deeptrain.calibration.operating_points import Integers
from deeptrain.calibration.room import Room, fits
from deeptrain.errors import DataError


@dataclass(frozen=True)
class Rules:
    """What a choice of sets must keep to.

    Attributes:
        min_positives: a set with fewer positives is not chosen.
        groups: the group of each set by its number, such as the person or the recording it comes from; with them the
            chosen sets are diverse: at most `most_per_group` come from one group.
        most_per_group: at least 1; without groups it says nothing.
    """

    min_positives: int = 0
    groups: Mapping[int, str] | None = None
    most_per_group: int = 1

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.min_positives < 0:
            raise DataError(f"min_positives must be at least 0, got {self.min_positives}")
        if self.most_per_group < 1:
            raise DataError(f"most_per_group must be at least 1, got {self.most_per_group}")

    def group(self, number: int) -> str:
        """The group of a set; empty without groups.

        Raises:
            DataError: when there are groups, but none of this set.
        """
        if self.groups is None:
            return ""
        if number not in self.groups:
            raise DataError(f"groups must name the group of every set, got none of set {number}")
        return str(self.groups[number])


@dataclass(frozen=True, eq=False)
class Candidates:
    """The sets that may be chosen.

    Attributes:
        which: (candidates,) their indices among all sets, ascending.
        groups: (candidates,) a number for the group of each, or None.
        most: of one group.
        told: why the others may not be chosen, in words; empty if all may.
    """

    which: Integers
    groups: Integers | None
    most: int
    told: str

    @classmethod
    def of(cls, numbers: Integers, samples: Integers, positives: Integers | None, rules: Rules) -> "Candidates":
        """Of all sets, by number.

        Args:
            numbers: (n,) ascending.
            samples: (n,) their sizes.
            positives: (n,) how many of each are, or None where that means nothing.
            rules: what is asked.

        Raises:
            DataError: when a set has no group though there are groups.
        """
        filled = samples > 0
        enough = filled if positives is None else filled & (positives >= rules.min_positives)
        reasons = (
            (int((~filled).sum()), "no samples"),
            (int((filled & ~enough).sum()), f"fewer than {rules.min_positives} positives"),
        )
        told = " and ".join(f"{count} {'has' if count == 1 else 'have'} {why}" for count, why in reasons if count)
        which = np.flatnonzero(enough)
        groups = None
        if rules.groups is not None:
            names = [rules.group(number) for number in numbers[which].tolist()]
            groups = np.unique(np.array(names, dtype=np.str_), return_inverse=True)[1].astype(np.int64)
        return cls(which, groups, rules.most_per_group, told)

    @property
    def fit(self) -> int:
        """How many may be chosen at most."""
        return fits(len(self.which), self.groups, self.most)

    def sizes(self, wanted: Sequence[int] | None = None) -> list[int]:
        """The sizes that are wanted, ascending; by default all there are."""
        return list(range(1, self.fit + 1)) if wanted is None else sorted(set(wanted))

    def room(self, size: int, sets: int) -> Room:
        """For a choice of `size` of all `sets`.

        Raises:
            DataError: when there are not so many, with the reason.
        """
        if 1 <= size <= self.fit:
            return Room(size, self.groups, self.most)
        why = [self.told] if self.told else []
        if self.groups is not None and self.fit < len(self.which):
            why.append(f"of {len(np.unique(self.groups))} groups at most {self.most} each")
        reason = f" ({'; '.join(why)})" if why else ""
        if not self.fit:
            raise DataError(f"the best {size} of {sets} sets cannot be chosen: none may be{reason}")
        raise DataError(
            f"the best {size} of {sets} sets cannot be chosen{reason}: the size must be between 1 and {self.fit}; "
            f"lower calibration.subset_size or raise the number of sets"
        )
