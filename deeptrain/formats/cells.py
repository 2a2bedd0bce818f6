"""What a cell of text says: a number, a missing value, a word; and how it is shown in a message."""

import re
from collections.abc import Sequence

from deeptrain.errors import printable

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
WHOLE_NUMBER = re.compile(r"-?[0-9]+")
NAN = re.compile(r"[+-]?nan", re.IGNORECASE)
INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)


def is_number(cell: str) -> bool:
    """Whether a stripped cell is a decimal number; "nan" and "inf" are not, nor is what only Python reads ("1_0")."""
    return NUMBER.fullmatch(cell) is not None


def is_numeric(cell: str) -> bool:
    """Whether a stripped cell stands where a number belongs: a number, "nan" or "inf"."""
    return is_number(cell) or NAN.fullmatch(cell) is not None or INFINITE.fullmatch(cell) is not None


def is_missing(cell: str) -> bool:
    """Whether a stripped cell says that there is no value: empty or "nan"."""
    return not cell or NAN.fullmatch(cell) is not None


def shown(value: object, limit: int = 40, *, quoted: bool = True) -> str:
    """A value on one line whatever it holds: what a terminal would obey instead of print is written as its code.

    Args:
        value: a name or cell from data.
        limit: most characters of one in quotes, which is cut; one without quotes is never cut.
        quoted: whether to put it in quotes, as what was found; without, as a name among others.
    """
    if not quoted:
        return printable(str(value))
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 4]}...{text[-1]}"


def listed(names: Sequence[object], limit: int = 8) -> str:
    """Names for a message: all of them, or the first ones, "..." and the last; each as `shown` without quotes."""
    told = [shown(name, quoted=False) for name in (names if len(names) <= limit else [*names[: limit - 1], names[-1]])]
    if len(names) <= limit:
        return ", ".join(told)
    return f"{', '.join(told[:-1])}, ..., {told[-1]} ({len(names)} in all)"
