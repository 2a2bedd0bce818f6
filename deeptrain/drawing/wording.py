"""Numbers and names as people read them, the same on the page and in the pictures."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
NAMES = {
    "f1": "F1",
    "roc": "ROC",
    "auc": "AUC",
    "pr": "PR",
    "mcc": "MCC",
    "mse": "MSE",
    "mae": "MAE",
    "val": "validation",
    "brier": "Brier",
    "jaccard": "Jaccard",
    "nan": "NaN",
}


def metric_name(name: str) -> str:
    """A metric's name in words: "f1_score" is "F1 score", and "sick.f1_score" is "F1 score of sick"."""
    output, dot, metric = name.partition(".")
    if dot and ":" not in name:
        return f"{metric_name(metric)} of {output}"
    return " ".join(NAMES.get(word, word) for word in name.split("_"))


def capital(text: str) -> str:
    """The text with its first letter capital, the others as they are."""
    return text[:1].upper() + text[1:]


def as_float(value: Any) -> float:
    """A measured number as float; NaN for None and for text that is no number ("nan" and "inf" are numbers)."""
    if value is None or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def score(value: Any, digits: int = 3) -> str:
    """A measured number in few digits: 0.913, 12.40, 1.2e-07; a dash when there is none."""
    number = as_float(value)
    if math.isnan(number):
        return NOTHING if value is None else "undefined"
    if math.isinf(number):
        return "\N{INFINITY}" if number > 0 else f"{MINUS}\N{INFINITY}"
    size = abs(number)
    if size and (size >= 1e6 or size < 10.0**-digits):
        text = f"{number:.2e}"
    else:
        text = f"{number:.{digits if size < 10 else 2 if size < 1000 else 0}f}"
    return text.replace("-", MINUS, 1) if text.startswith("-") else text


def count(value: Any) -> str:
    """A number of things, in groups of three: 1,437."""
    number = as_float(value)
    return f"{int(number):,}" if math.isfinite(number) else NOTHING


def rate(value: Any) -> str:
    """A learning rate in four digits: 0.002, 1e-05; it was float32, whose digits beyond the seventh say nothing."""
    number = as_float(value)
    return f"{number:.4g}" if math.isfinite(number) else score(value)


def statistic(value: Any) -> str:
    """A whole number as a count, any other as a score."""
    return count(value) if isinstance(value, int) else score(value)


def share(part: float, whole: float) -> str:
    """A part of the whole in percent: 9.8 %; a dash for a part of nothing."""
    return f"{100 * part / whole:.1f}\N{NO-BREAK SPACE}%" if whole else NOTHING


def setting(value: Any) -> str:
    """A setting as it is written in the TOML, but for quotes: exact numbers, lists, calls as name(key=value)."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        if set(value) == {"use", "arguments"} and isinstance(value["arguments"], Mapping):
            if not value["arguments"]:
                return str(value["use"])
            return f"{value['use']}({', '.join(f'{key}={setting(item)}' for key, item in value['arguments'].items())})"
        return "{" + ", ".join(f"{key} = {setting(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(setting(item) for item in value) + "]"
    return str(value)


def rows(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The settings of a table, one (dotted key, value) each, in the table's order; without what was left unset."""
    for key, value in table.items():
        if value is None or value in ([], (), {}):
            continue
        if isinstance(value, Mapping) and value and set(value) != {"use", "arguments"}:
            yield from rows(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", setting(value)


def cell(value: float) -> str:
    """A value as a table of raw data would have it: 0.02685, 3.5, 56,432, 1.2e+07, NaN."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else score(value)
    text = f"{value:,.0f}" if 1e4 <= abs(value) < 1e6 else f"{value:.4g}"
    return text.replace("-", MINUS, 1) if text.startswith("-") else text


def cut(text: str, width: int) -> str:
    """The text in at most `width` characters, its middle left out for an ellipsis: both ends tell more."""
    if len(text) <= width:
        return text
    tail = max((width - 1) // 3, 0)
    head = max(width - 1 - tail, 0)
    return text[:head] + "\N{HORIZONTAL ELLIPSIS}" + (text[-tail:] if tail else "")


def plural(number: int, noun: str) -> str:
    """The number with its noun: "1 epoch", "8 epochs"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def listed(numbers: Sequence[int]) -> str:
    """Several numbers in a sentence: "3, 4 and 5"."""
    *others, last = map(str, numbers)
    return f"{', '.join(others)} and {last}" if others else last
