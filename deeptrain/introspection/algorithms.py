"""What nested values need that `optree`, which comes with Keras, does not do: paths, a common order, readable names."""

import functools
import types
from collections.abc import Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any

from deeptrain.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import numpy as np


def get(nested: Any, path: str) -> Any:
    """What stands at a dotted path in nested mappings and sequences: `get(settings, "training.phases.0.epoch")`.

    A number counts the items of a list, a tuple or the first axis of an array, from 0; -1 is the last. A key that has
    dots itself is found whole before it is taken for several.

    Args:
        nested: mappings, lists, tuples and arrays in each other.
        path: keys and numbers, joined by dots.

    Raises:
        DataError: when there is nothing at the path, naming the part that is not there and the nearest that is.
    """
    found, taken, left = nested, "", path
    while left:
        key, value, rest = _step(found, left, taken or "the value")
        found, left = value, rest
        taken = f"{taken}.{key}" if taken else key
    return found


def _step(nested: Any, left: str, where: str) -> tuple[str, Any, str]:
    """The first part of a path that is there, what stands there, and the rest of the path."""
    parts = left.split(".")
    if isinstance(nested, Mapping):
        keys = {str(key): key for key in nested}
        for count in range(len(parts), 0, -1):
            key = ".".join(parts[:count])
            if key in keys:
                return key, nested[keys[key]], ".".join(parts[count:])
        raise DataError(f"{where} has no key {parts[0]!r}; {did_you_mean(parts[0], sorted(keys))}")
    if not _is_row(nested):
        raise DataError(f"{where} is {readable_name(nested)}, which holds nothing that is called {parts[0]!r}")
    try:
        number = int(parts[0])
        return parts[0], nested[number], ".".join(parts[1:])
    except (ValueError, IndexError) as error:
        rule = f"from 0 to {len(nested) - 1}" if len(nested) else "of none, it is empty"
        raise DataError(f"{where} has {len(nested)} items: expected a number {rule}, got {parts[0]!r}") from error


def _is_row(value: Any) -> bool:
    if isinstance(value, str | bytes):
        return False
    return isinstance(value, Sequence) or (getattr(value, "ndim", 0) > 0 and hasattr(value, "__getitem__"))


def dotted(nested: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """What nested tables hold, by dotted key, in their order; an empty table holds nothing."""
    found: dict[str, Any] = {}
    for key, value in nested.items():
        found |= dotted(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return found


def shuffled(*things: Any, generator: "np.random.Generator") -> tuple[Any, ...]:
    """The same things, all in one new random order: what stood at one place together stands together again.

    Nothing is changed in place; of equal length and generator comes an equal order, whatever the things are.

    Args:
        *things: lists, tuples, dicts (whose order is that of their keys) and arrays (along their first axis), of one
            length.
        generator: draws the order, once.

    Raises:
        DataError: when they have not one length, or one has none.
    """
    for number, thing in enumerate(things, 1):
        if not (isinstance(thing, Mapping) or _is_row(thing)):
            raise DataError(f"thing {number} must be a list, a tuple, a dict or an array, got {readable_name(thing)}")
    lengths = {len(thing) for thing in things}
    if len(lengths) > 1:
        raise DataError(f"things that are shuffled alike must have one length, got {[len(one) for one in things]}")
    order = generator.permutation(next(iter(lengths), 0))
    return tuple(_ordered(thing, order) for thing in things)


def _ordered(thing: Any, order: "np.ndarray") -> Any:
    if isinstance(thing, Mapping):
        keys = list(thing)
        return {keys[place]: thing[keys[place]] for place in order.tolist()}
    if hasattr(thing, "ndim"):
        return thing[order]
    items = [thing[place] for place in order.tolist()]
    return tuple(items) if isinstance(thing, tuple) else items


def readable_name(value: Any) -> str:
    """What a value is called in a sentence: never an address in memory, the same in every process.

    Functions, classes and modules by their own name, partial functions with what is filled in, arrays by dtype and
    shape, text, numbers (NumPy's too) and None by themselves, other objects by their `name` and class, or by their
    class.
    """
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, functools.partial):
        filled = [readable_name(one) for one in value.args]
        filled += [f"{key}={readable_name(one)}" for key, one in value.keywords.items()]
        return f"{readable_name(value.func)}({', '.join(filled)})"
    if isinstance(value, types.ModuleType):
        return value.__name__
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return str(value.__qualname__).replace("<lambda>", "lambda").replace("<locals>.", "")
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return repr(value)
    kind = type(value).__name__
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        name = getattr(value.dtype, "name", value.dtype)
        return f"{name} {'x'.join(map(str, value.shape)) or 'scalar'} {kind}"
    if isinstance(value, Mapping | Sequence | set | frozenset) and isinstance(value, Sized):
        return f"{kind} of {len(value):,}"
    name = getattr(value, "name", None)
    return f"{kind} {name!r}" if isinstance(name, str) and name else kind
