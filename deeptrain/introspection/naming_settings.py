"""The `[naming]` table of an experiment."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import msgspec

from deeptrain.errors import DataError
from deeptrain.introspection import algorithms
from deeptrain.settings import Section

_ALIAS = re.compile(r"[A-Za-z0-9_]{0,20}")


class NamingSettings(Section, frozen=True):
    """What a model is called; in the identity of no artifact, and in none.

    Attributes:
        base: what the name begins with; the experiment's name if absent.
        settings: dotted keys of the experiment, in the order they are told, and what stands before each value: `{
            "model.arguments.filters" = "filt", "training.optimizer" = "" }`. TOML's own dotted keys do as well.
    """

    base: Annotated[str, msgspec.Meta(min_length=1, max_length=60)] | None = None
    settings: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def aliases(self) -> dict[str, Any]:
        """What stands before each value, by dotted key."""
        return algorithms.dotted(self.settings)

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """What stands before a value has letters, digits and underlines."""
        for key, alias in self.aliases.items():
            if not isinstance(alias, str) or not _ALIAS.fullmatch(alias):
                yield f"settings.{key}", 'expected at most 20 letters, digits and "_", or "" for nothing', alias

    def missing(self, tables: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
        """Keys that no table of the experiment has, as mistakes."""
        for key in self.aliases:
            try:
                algorithms.get(tables, key)
            except DataError as error:
                yield f"naming.settings.{key}", str(error).replace("the value has", "the experiment has"), key
