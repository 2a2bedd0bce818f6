"""What the results of this room have in common: they become plain values for JSON, and come back checked."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import msgspec

from deeptrain import files
from deeptrain.errors import ArtifactError


@dataclasses.dataclass(frozen=True)
class Record:
    """A frozen result; a law: `type(x).from_plain(x.plain())` equals `x`, but for nan, which equals nothing."""

    def plain(self) -> dict[str, Any]:
        """The fields as dicts, lists, text and numbers; nan is the text "nan", as JSON files have it."""
        return {name: files.plain(value) for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_plain(cls, value: Any) -> Self:
        """The result that `plain` made the value from.

        Raises:
            ArtifactError: when a field is missing, of another type, or breaks a rule of the result.
        """
        fields = {field.name for field in dataclasses.fields(cls)}
        if isinstance(value, Mapping) and not fields.issuperset(value):
            unknown = min(str(name) for name in value if name not in fields)
            raise ArtifactError(f"{cls.__name__.lower()} has an unknown field {unknown!r}; run its task again")
        try:
            return msgspec.convert(_with_numbers(value), cls, strict=True)
        except msgspec.ValidationError as error:
            reason = str(error).replace("`", "")
            raise ArtifactError(f"{cls.__name__.lower()} cannot be read back: {reason}; run its task again") from error


def _with_numbers(value: Any) -> Any:
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, Mapping):
        return {key: _with_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_numbers(item) for item in value]
    return value
