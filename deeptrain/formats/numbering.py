"""Set numbers in the names of files and keys: zero padding, gaps, and prefixes with digits of their own."""

import itertools
from collections.abc import Sequence
from typing import Literal

from deeptrain.errors import DataError
from deeptrain.formats.cells import listed, shown
from deeptrain.formats.directory import DIGITS

LONGEST = 18  # digits of a number that fits into 64 bits


def of(names: Sequence[str], which: int | Literal["none"] | None, where: object) -> tuple[int, ...] | None:
    """The set number of each name, None where names have none.

    Names that differ in one run of digits only are numbered by it: "128batch__4" is 4 among "128batch__1" and
    "128batch__10". Where several runs differ, it is the one that tells all names apart. A single name has none.

    Args:
        names: without their extensions.
        which: the run of digits that counts, 1 for the first; "none" for no numbers; None to infer it.
        where: the directory or file they are in, for messages.

    Raises:
        DataError: when two names have one number, when several runs of digits could be the number, or when a name has
            no run `which`.
    """
    runs = [DIGITS.findall(name) for name in names]
    if which == "none":
        return None
    if which is not None:
        for name, found in zip(names, runs, strict=True):
            if not 1 <= which <= len(found) or len(found[which - 1]) > LONGEST:
                raise DataError(
                    f"{where}: {shown(name)} has no run of digits number {which} that could be its set number"
                )
        return _distinct(names, [int(found[which - 1]) for found in runs], where)
    if len(names) < 2 or len({DIGITS.sub("#", name) for name in names}) > 1:
        return None
    columns = [column for column in zip(*runs, strict=True) if len(set(column)) > 1]
    if any(len(digits) > LONGEST for column in columns for digits in column):
        return None
    numbers = [[int(digits) for digits in column] for column in columns]
    if len(numbers) == 1:
        return _distinct(names, numbers[0], where)
    telling = [column for column in numbers if len(set(column)) == len(names)]
    if len(telling) > 1:
        at = [index + 1 for index, column in enumerate(zip(*runs, strict=True)) if list(map(int, column)) in telling]
        candidates = " or ".join(f"{column[0]} (set_number = {i})" for column, i in zip(telling, at, strict=True))
        raise DataError(
            f"{where}: the set number of {shown(names[0])} may be {candidates}: each tells the files apart; say which, "
            f"or set_number = 'none'"
        )
    return tuple(telling[0]) if telling else None


def _distinct(names: Sequence[str], numbers: Sequence[int], where: object) -> tuple[int, ...]:
    seen: dict[int, str] = {}
    for name, number in zip(names, numbers, strict=True):
        if number in seen:
            raise DataError(
                f"{where}: set number {number} is doubled: {shown(seen[number])} and {shown(name)}; rename one"
            )
        seen[number] = name
    return tuple(numbers)


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers for a message, runs of them as "5-9"."""
    told: list[list[int]] = []
    for number in numbers:
        if told and told[-1][1] == number - 1:
            told[-1][1] = number
        else:
            told.append([number, number])
    return listed([str(first) if first == last else f"{first}-{last}" for first, last in told])


def gaps(numbers: Sequence[int]) -> str:
    """Which numbers are missing between the least and the greatest of some, "" if none is."""
    ordered = sorted(numbers)
    told = [
        str(before + 1) if after - before == 2 else f"{before + 1}-{after - 1}"
        for before, after in itertools.pairwise(ordered)
        if after - before > 1
    ]
    return listed(told)
