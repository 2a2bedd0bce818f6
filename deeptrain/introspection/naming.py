"""A model's name as people see it: "M3__cnn-filt6_12_2-idp.5-nadam__max.981".

The number of the run, what the model is based on, the settings that were chosen to tell it apart, and its best key
metric. The name of the settings is a pure function of them: the same on every machine and in every locale, safe as the
name of a directory on every file system (ASCII, no character or word that Windows refuses, short, and never told apart
from another by case alone).

Two different choices never have one name. Numbers are written with all their digits, words of lower-case letters as
they are, and no two of such texts are alike; whatever cannot be written so (capitals, spaces, tables, too many
settings) is written as far as it can, and the name ends in "+" and eight letters of the sha256 of all of it.
"""

import base64
import hashlib
import itertools
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from deeptrain import files
from deeptrain.introspection import algorithms

LONGEST = 96
"""Characters of a name without number and metric; with them it stays below 128, which every file system takes."""

DIGEST = 8
_WORD = re.compile(r"[a-z]([a-z0-9_.]*[a-z0-9_])?")
_WORDS = {None: "none", True: "true", False: "false"}
_OTHERS = frozenset({*_WORDS.values(), "nan", "inf", "empty"})
"""Texts that stand for something else than a word."""

_RESERVED = re.compile(r"\A(con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|\Z)")
"""What is no name of a file on Windows, whatever follows a dot (Microsoft, "Naming Files, Paths, and Namespaces")."""


def describe(base: str, settings: Mapping[str, Any], aliases: Mapping[str, str]) -> str:
    """The name that settings have: "cnn-filt6_12_2-idp.5-nadam".

    Args:
        base: what it begins with, such as the experiment's name.
        settings: nested tables of plain values, as in the TOML file.
        aliases: dotted keys of them, in the order they are told, and what stands before each value: {"model.arguments.
            filters": "filt", "training.optimizer": ""}.

    Raises:
        DataError: when there is no setting of such a key, naming the nearest.
    """
    chosen = {key: algorithms.get(settings, key) for key in aliases}
    written = [(alias, *_written(chosen[key])) for key, alias in aliases.items()]
    start = _plain(base).strip("-._") or "model"
    text = "-".join([start, *(f"{alias}{value}" for alias, value, _ in written)])
    exact = all(told for _, _, told in written)
    text = _RESERVED.sub(r"\1_", text)
    if exact and len(text) <= LONGEST:
        return text
    digest = hashlib.sha256(files.canonical_json([base, list(chosen), [_as_json(one) for one in chosen.values()]]))
    letters = base64.b32encode(digest.digest()).decode("ascii").lower()[:DIGEST]
    return f"{text[: LONGEST - DIGEST - 1].rstrip('-._')}+{letters}"


def with_number(description: str, number: int | None = None, best: float | None = None, maximize: bool = True) -> str:
    """A description with the run's number before it and the best key metric behind: "M3__cnn__max.981".

    Args:
        description: see `describe`.
        number: of the run, from 1; None leaves it out.
        best: of the key metric; None, and what is not finite, leaves it out.
        maximize: whether more of it is better.
    """
    before = "" if number is None else f"M{number}__"
    told = best is not None and math.isfinite(best)
    return f"{before}{description}" + (f"__{'max' if maximize else 'min'}{_measured(float(best or 0))}" if told else "")


def number_text(value: float) -> str:
    """A number in the fewest characters that say all its digits: 2e-4, .5, 1.1, 32, 13.5k, 1e6."""
    if not math.isfinite(value):
        return str(float(value))
    exact = Decimal(repr(value)).normalize() if value else Decimal(0)
    sign, figures, exponent = exact.as_tuple()
    minus, digits = "-" if sign else "", "".join(map(str, figures))
    places = int(exponent)
    size = len(digits) + places  # digits before the point
    if exact and size < -1:
        text = _scientific(digits, size)
    elif size <= 3:
        text = _pointed(digits, places)
    else:
        text = min(_pointed(digits, places - 3) + "k", _pointed(digits, places), _scientific(digits, size), key=len)
    return minus + text


def _pointed(digits: str, places: int) -> str:
    """Digits with a point in them, and without zeros that say nothing; `places` is the power of ten of the last."""
    if places >= 0:
        return digits + "0" * places
    whole, part = digits[:places], digits[places:].rjust(-places, "0")
    return f"{whole}.{part}"


def _scientific(digits: str, size: int) -> str:
    point = f".{digits[1:]}" if digits[1:] else ""
    return f"{digits[0]}{point}e{size - 1}"


def _measured(value: float) -> str:
    """A measured number in three digits: .981, 12.4, 1.3e-5."""
    size = abs(value)
    text = f"{value:.3f}" if 0.001 <= size < 10 or not value else f"{value:.3g}"
    if "e" in text:
        digits, _, exponent = text.partition("e")
        return f"{digits}e{int(exponent)}"
    return re.sub(r"^(-?)0\.", r"\1.", text.rstrip("0").rstrip(".") if "." in text else text)


def _written(value: Any) -> tuple[str, bool]:
    """A value as it stands in a name, and whether no other value is written so."""
    if value is None or isinstance(value, bool):
        return _WORDS[value], True
    if isinstance(value, int | float):
        return number_text(value), True
    if isinstance(value, str):
        return _plain(value), bool(_WORD.fullmatch(value)) and value not in _OTHERS
    if isinstance(value, Mapping):
        if isinstance(value.get("use"), str) and not value.get("arguments"):
            return _written(value["use"])[0], False
        return "_".join(f"{_plain(str(key))}{_written(one)[0]}" for key, one in value.items()) or "empty", False
    if isinstance(value, Sequence):
        return _row(value)
    return _plain(algorithms.readable_name(value)), False


def _row(values: Sequence[Any]) -> tuple[str, bool]:
    """Several values in a row, those that repeat three times and more once: "6_12_2", "2e-4x3_1e-4"."""
    told = [_written(one)[0] for one in values]
    runs = [(text, len(list(same))) for text, same in itertools.groupby(told)]
    parts = (f"{text}x{count}" if count > 2 else "_".join([text] * count) for text, count in runs)
    exact = all(isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one) for one in values)
    return ("_" if len(values) == 1 else "") + ("_".join(parts) or "empty"), exact


def _plain(text: str) -> str:
    """The text in lower-case letters, digits, dots, dashes and underlines of ASCII."""
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9._]+", "_", letters).strip("_.") if letters else ""


def _as_json(value: Any) -> Any:
    """A value that JSON can hold; what it cannot, by its name and class."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(one) for one in value]
    try:
        return files.plain(value)
    except TypeError:
        return [getattr(value, "__module__", None), algorithms.readable_name(value)]
