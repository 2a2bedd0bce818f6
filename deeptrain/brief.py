"""Values of many numbers in a line: what a notebook shows of them, and what stands in a message."""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

MOST = 8
"""Items of a mapping or a sequence that are told."""

LONGEST = 80
"""Characters of a text."""


def of_fields(value: Any) -> str:
    """A dataclass by its public fields, arrays by dtype and shape: for its `__repr__`.

    Args:
        value: of a dataclass that is made with `repr=False`.
    """
    names = (field.name for field in dataclasses.fields(value) if not field.name.startswith("_"))
    return f"{type(value).__name__}({', '.join(f'{name}={of(getattr(value, name))}' for name in names)})"


def of(value: Any) -> str:
    """A value in short: an array as "float32 (32, 8, 8)", a float in four digits, the first of many items.

    Args:
        value: anything; what is no array, number, text or collection is told by its own `repr`, cut off where it is
            long.
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        if value.shape:
            return f"{value.dtype} {tuple(value.shape)}"
        value = value.item()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        told = [f"{of(name)}: {of(one)}" for name, one in itertools.islice(value.items(), MOST)]
        return f"{{{_with_rest(told, len(value))}}}"
    if isinstance(value, list | tuple):
        items = _with_rest([of(one) for one in value[:MOST]], len(value))
        return f"[{items}]" if isinstance(value, list) else f"({items},)" if len(value) == 1 else f"({items})"
    text = repr(value)
    return text if len(text) <= LONGEST or not isinstance(value, str) else f"{text[:LONGEST]}..."


def _with_rest(told: list[str], size: int) -> str:
    return ", ".join([*told, f"... {size - len(told):,} more"] if size > len(told) else told)
