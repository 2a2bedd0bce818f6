"""What a threshold must give besides its metric: "precision >= 0.8". Loads no NumPy: settings read it."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from deeptrain.errors import SettingsError

Rate = Literal["precision", "recall", "specificity"]
"""The rates of which something can be promised for other samples: fractions of samples of one kind."""

_ALIASES: dict[str, Rate] = {"tpr": "recall", "sensitivity": "recall", "tnr": "specificity"}
RULE = "must be precision, recall or specificity, >= and a number between 0 and 1, such as 'precision >= 0.8'"


@dataclass(frozen=True)
class Constraint:
    """A rate that must be at least so much."""

    rate: Rate
    least: float

    def __str__(self) -> str:
        """As it is written in settings."""
        return f"{self.rate} >= {self.least:g}"


def parse(text: str) -> Constraint:
    """The constraint that is written so.

    Raises:
        SettingsError: when it is none.
    """
    found = re.fullmatch(r"\s*(\w+)\s*>=\s*(\d*\.?\d+)\s*", text)
    if found:
        rate = _ALIASES.get(found[1], found[1])
        if rate in get_args(Rate) and 0 < float(found[2]) < 1:
            return Constraint(rate, float(found[2]))  # type: ignore[arg-type]  # one of them
    raise SettingsError(f"constraint {RULE}, got {text!r}")
