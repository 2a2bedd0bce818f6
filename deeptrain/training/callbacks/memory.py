"""What callbacks and preprocessors remember, as a checkpoint holds it."""

import json
from collections.abc import Mapping
from typing import Any

from deeptrain import files
from deeptrain.errors import UserCodeError
from deeptrain.loading.preprocessing import Remembering
from deeptrain.training.state import numbers


def memory_of(name: str, callback: Remembering) -> dict[str, Any]:
    """What a callback or preprocessor remembers, as it will come back from a checkpoint.

    Raises:
        UserCodeError: when it would come back as something else, such as a tuple as a list.
    """
    kept = callback.state()
    try:
        again = numbers(json.loads(files.canonical_json(kept)))
    except (TypeError, ValueError) as error:
        raise UserCodeError(f"{name}: its state() cannot be kept in JSON: {error}") from error
    if not isinstance(kept, Mapping) or not same(kept, again):
        raise UserCodeError(
            f"{name}: its state() does not survive JSON: {kept!r:.120} would come back as {again!r:.120}; "
            "use text, numbers, lists, and mappings with text keys"
        )
    return dict(again)


def same(one: Any, two: Any) -> bool:
    """Whether two memories are equal, NaN being equal to itself, and of the same types."""
    if isinstance(one, Mapping):
        return isinstance(two, dict) and one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list):
        return isinstance(two, list) and len(one) == len(two) and all(map(same, one, two))
    return type(one) is type(two) and (one == two or (one != one and two != two))
