"""What a choice of sets comes to, as it is written and read back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deeptrain.calibration.operating_points import Integers
from deeptrain.calibration.record import Record
from deeptrain.calibration.set_rules import Candidates, Rules
from deeptrain.metrics.counts import Values


@dataclass(frozen=True)
class SetValue(Record):
    """One set by itself.

    Attributes:
        number: of the set.
        samples: how many it has; 0 for an empty set.
        positives: how many of them have label 1; None where labels are not binary.
        value: the metric on its samples alone, nan where undefined.
        candidate: whether it could be chosen.
        group: which it belongs to; empty without groups.
        numerator: what it adds to the metric's numerator; None where the metric is no ratio of sums.
        denominator: likewise.
    """

    number: int
    samples: int
    positives: int | None
    value: float
    candidate: bool
    group: str
    numerator: int | float | None
    denominator: int | float | None


@dataclass(frozen=True)
class Choice(Record):
    """The best sets of one size.

    Attributes:
        sets: their numbers, ascending.
        threshold: their threshold; None where there is none.
        value: the metric over all their samples together, in-sample.
        certified: whether it is proven that no other choice is better.
    """

    sets: tuple[int, ...]
    threshold: float | None
    value: float
    certified: bool

    def __post_init__(self) -> None:
        """Check what a reader relies on."""
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise ValueError(f"threshold must be finite, got {self.threshold}")
        if list(self.sets) != sorted(set(self.sets)) or not self.sets:
            raise ValueError(f"sets must be distinct numbers, ascending, at least one, got {list(self.sets)}")


@dataclass(frozen=True)
class Subset(Choice):
    """The best sets. Their value is in-sample: they were chosen for it, and other data will not reach it.

    Attributes:
        metric: its name.
        proof: what certifies it, in words and numbers; or that nothing does.
        joint: whether the threshold was chosen together with the sets.
        per_set: every set, chosen or not, by number.
        all_sets: the metric over the samples of all sets at the threshold.
        most_per_group: how many sets of one group could be chosen; None without groups.
    """

    metric: str
    proof: str
    joint: bool
    per_set: tuple[SetValue, ...]
    all_sets: float
    most_per_group: int | None

    def __post_init__(self) -> None:
        """Check what a reader relies on."""
        super().__post_init__()
        missing = set(self.sets) - {one.number for one in self.per_set if one.candidate}
        if missing:
            raise ValueError(f"sets must be among the candidates of per_set, got {min(missing)}")


def per_set(
    numbers: Integers,
    samples: Integers,
    positives: list[int] | None,
    alone: Values,
    candidates: Candidates,
    rules: Rules,
    ratio: Sequence[Sequence[float]] | None,
) -> tuple[SetValue, ...]:
    """Every set as it is told, all by number.

    Args:
        numbers: (n,) ascending.
        samples: (n,) their sizes.
        positives: of each, or None.
        alone: (n,) the metric on each.
        candidates: those that could be chosen.
        rules: their groups.
        ratio: numerators and denominators of each, or None.
    """
    nothing: Sequence[Any] = [None] * len(numbers)
    told = zip(
        numbers.tolist(),
        samples.tolist(),
        nothing if positives is None else positives,
        alone.tolist(),
        np.isin(np.arange(len(numbers)), candidates.which).tolist(),
        *((nothing, nothing) if ratio is None else ratio),
        strict=True,
    )
    return tuple(
        SetValue(
            number=number,
            samples=size,
            positives=positive,
            value=value,
            candidate=candidate,
            group=rules.group(number) if candidate else "",
            numerator=over,
            denominator=under,
        )
        for number, size, positive, value, candidate, over, under in told
    )


def certificate(
    name: str, p: float, q: float, where: str, size: int, candidates: Candidates, sign: int = 1, slack: float = 0
) -> str:
    """What proves that a choice is the best, as a sentence that can be checked.

    Args:
        name: of the ratio.
        p: its numerator over the chosen sets.
        q: its denominator.
        where: at which thresholds; empty where there is none.
        size: how many are chosen.
        candidates: of which.
        sign: 1 if more is better, -1 if less is.
        slack: by what part another ratio may be better, because sums are rounded.
    """
    over, under = (f"{value:,}" if isinstance(value, int) else f"{value!r}" for value in (p, q))
    limit = "" if candidates.groups is None else f", at most {candidates.most} of a group,"
    at = f"at {where} " if where else ""
    end = "greatest" if sign > 0 else "least"
    bound = "at most" if sign > 0 else "at least"
    more, rest = over, f"{bound} 0, so no choice is better."
    if slack:
        more = f"{p * (1 + sign * slack)!r}"
        rest = f"{bound} 0, so no choice is better by more than a part of {slack:g}, which rounding explains."
    return (
        f"{name} is {over} / {under} over the chosen sets; {at}the {size} {end} of numerator x {under} - denominator x "
        f"{more} over the {len(candidates.which)} candidates{limit} sum to {rest}"
    )
