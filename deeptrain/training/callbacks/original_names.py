"""Options under the names that DeepTrain 0.6 (2020) gave them."""

from typing import TypeVar

from deeptrain.errors import SettingsError

T = TypeVar("T")


def either(callback: str, name: str, value: T | None, original: str, other: T | None) -> T | None:
    """The value of an option with two names, None where neither is given.

    Args:
        callback: whose option it is.
        name: ours.
        value: given by it.
        original: the name in DeepTrain 0.6.
        other: given by that.

    Raises:
        SettingsError: when both are given.
    """
    if value is not None and other is not None:
        raise SettingsError(
            f"{callback}: {name} and {original} are two names of one option; give one of them, got {value!r} and "
            f"{other!r}"
        )
    return other if value is None else value
