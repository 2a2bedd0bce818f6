"""Typed, frozen settings: every mistake in a TOML file at once, one line each.

`msgspec` does the typing: it is the fastest of the well-kept libraries to import (40 ms, pydantic 60 and as much
again for building the classes), and planning a run imports it every time.
"""

import functools
import operator
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import msgspec

from deeptrain.errors import SettingsError, did_you_mean, nearest

MOST_BYTES = 256 << 10
"""Of an experiment's file."""
DEEPEST = 20
"""Parts of a dotted key: for each the parser goes through all before it, so that some kB of them take it minutes."""
_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*"""
_DEEP = re.compile(rf"(?<![A-Za-z0-9_\\-])(?:{_PART}\.[ \t]*){{{DEEPEST}}}")


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of an experiment. A room declares its own by subclassing; fields are `msgspec` fields with `Meta`."""

    outside_identity: ClassVar[frozenset[str]] = frozenset()
    """Keys that change no byte of an artifact, such as autosave, and are therefore in no identity."""

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """Breaches of rules between fields, as (key, rule, value); checked once all fields are valid."""
        return ()

    def relevant(self) -> dict[str, Any]:
        """The settings that belong to an identity, as plain values."""
        return {key: value for key, value in self.plain().items() if key not in self.outside_identity}

    def plain(self) -> dict[str, Any]:
        """All settings as dicts, lists, text and numbers."""
        return typing.cast(dict[str, Any], msgspec.to_builtins(self))


class Use(Section, frozen=True):
    """A callable the experiment names: `{use = "module:name", arguments = {...}}` or a bare name for a ready-made."""

    use: str
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, value: "str | Use") -> Self:
        """The same for the short form, a bare name."""
        return value if isinstance(value, cls) else cls(use=typing.cast(str, value))


SectionT = typing.TypeVar("SectionT", bound=Section)


class Mistakes:
    """Collects what is wrong, as lines of "source: key: rule, got value"."""

    def __init__(self, source: str, overridden: Mapping[str, str] | None = None) -> None:
        """Name the file, and for keys that came from elsewhere, such as "--settings", from where."""
        self.lines: list[str] = []
        self._source = source
        self._overridden = dict(overridden or {})

    def add(self, key: str, rule: str) -> None:
        """Note that the setting `key` ("training.epochs") breaks a rule."""
        self.lines.append(f"{self._overridden.get(key, self._source)}: {key}: {rule}")

    def unknown(self, key: str, name: str, known: Iterable[str]) -> None:
        """Note a key nobody reads, with the nearest that is read."""
        known = sorted(known)
        hint = did_you_mean(name, known, f"known here: {', '.join(known)}")
        self.add(key, f"unknown key; {hint}")

    def raise_if_any(self) -> None:
        """Raise them all together.

        Raises:
            SettingsError: when there is at least one.
        """
        if self.lines:
            raise SettingsError("\n".join(self.lines))


def nearest_toml(path: Path) -> Path | None:
    """The TOML file beside one that is not there whose name is the nearest; None where none is near."""
    beside = {one.stem: one for one in sorted(path.parent.glob("*.toml"))}
    return next((beside[name] for name in nearest(path.stem, beside)), None)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        SettingsError: when it cannot be read or is no TOML, with line and column; when it is larger or deeper than an
            experiment is, which the parser takes hours and all memory for.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise SettingsError(f"{path}: larger than the {MOST_BYTES:,} bytes that an experiment's file may have")
        text = data.decode()
        dotted = _DEEP.search(text)
        if dotted is not None:
            line = text.count("\n", 0, dotted.start()) + 1
            raise SettingsError(f"{path}: line {line}: a key of more than {DEEPEST} parts; no setting lies so deep")
        return tomllib.loads(text)
    except OSError as error:
        near = None if path.exists() else nearest_toml(path)
        cure = "" if path.suffix == ".toml" else "; name an experiment's TOML file, such as my.toml"
        other = f"; did you mean {near}?" if near else cure
        raise SettingsError(f"{path}: cannot be read: {error.strerror}{other}") from error
    except ValueError as error:  # of UTF-8 and of too many digits, too
        raise SettingsError(f"{path}: no valid TOML: {error}") from error
    except RecursionError as error:
        raise SettingsError(f"{path}: no valid TOML: arrays and tables lie too deep in each other") from error


def override(tables: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the tables with dotted keys ("training.batch_size") set to other values."""
    result = {key: dict(value) if isinstance(value, dict) else value for key, value in tables.items()}
    for dotted, value in settings.items():
        *parents, last = dotted.split(".")
        table = result
        for parent in parents:
            inner = table.get(parent)
            table[parent] = dict(inner) if isinstance(inner, dict) else {}
            table = table[parent]
        table[last] = value
    return result


def typed(cls: type[SectionT], table: Any, key: str, mistakes: Mistakes) -> SectionT | None:
    """A table as a `Section`, or None after noting what is wrong with it.

    Args:
        cls: the section's type.
        table: the raw value found under `key`.
        key: dotted name for messages; "" for the whole file.
        mistakes: where breaches are noted, all of them.
    """
    if not isinstance(table, Mapping):
        mistakes.add(key, f"expected a table, got {table!r}")
        return None
    before = len(mistakes.lines)
    fields = {field.name: field for field in msgspec.structs.fields(cls)}
    values: dict[str, Any] = {}
    for name, value in table.items():
        path = f"{key}.{name}" if key else name
        if name not in fields:
            mistakes.unknown(path, name, fields)
            continue
        values[name] = _field(fields[name].type, value, path, mistakes)
    for name, field in fields.items():
        if field.required and name not in table:
            path = f"{key}.{name}" if key else name
            section = _section_of(field.type)
            if section is not None and not any(f.required for f in msgspec.structs.fields(section)):
                values[name] = typed(section, {}, path, mistakes)
            else:
                mistakes.add(path, f"missing; expected {_describe(field.type)}")
    if len(mistakes.lines) > before:
        return None
    result = cls(**values)
    for name, rule, value in result.mistakes():
        mistakes.add(f"{key}.{name}" if key else name, f"{rule}, got {value!r}")
    return result if len(mistakes.lines) == before else None


def _field(expected: Any, value: Any, path: str, mistakes: Mistakes) -> Any:
    section = _section_of(expected)
    if section is not None and isinstance(value, Mapping):
        named = _named_of(expected)
        if named is not None and _by_name(value, section, named):
            return {name: _field(named, one, f"{path}.{name}", mistakes) for name, one in value.items()}
        return typed(section, value, path, mistakes)
    several = _section_of(typing.get_args(expected)[0]) if typing.get_origin(expected) is tuple else None
    if several is not None and isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
        return tuple(typed(several, one, f"{path}.{number}", mistakes) for number, one in enumerate(value, 1))
    expected = _without_named(expected)
    try:
        return msgspec.convert(value, expected, strict=True)
    except msgspec.ValidationError as error:
        rule = str(error).replace("`", "").replace("Expected", "expected").replace(" | null", "")
        if rule.startswith("Invalid enum value"):
            rule = f"expected {' or '.join(_alternatives(expected))}"
        shown = "" if ", got" in rule else f", got {value!r}"
        where = f" ({value!r})" if ", got" in rule else ""
        mistakes.add(path, f"{rule}{shown}{where}")
    return None


def _alternatives(expected: Any) -> list[str]:
    """What a type with fixed values allows, in words: '"best"', '"last"', 'int'."""
    if typing.get_origin(expected) is typing.Literal:
        return [f'"{value}"' for value in typing.get_args(expected)]
    if _is_union(expected):
        return [word for part in typing.get_args(expected) if part is not type(None) for word in _alternatives(part)]
    return [_describe(expected)]


def _section_of(expected: Any) -> type[Section] | None:
    candidates = typing.get_args(expected) if _is_union(expected) else (expected,)
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None


def _named_of(expected: Any) -> Any:
    """The type of the values where a section may also be a table of several by name (`Use | dict[str, Use]`)."""
    if not _is_union(expected):
        return None
    named = [typing.get_args(part)[1] for part in typing.get_args(expected) if typing.get_origin(part) is dict]
    return named[0] if named else None


def _without_named(expected: Any) -> Any:
    """The type without tables by name: `msgspec` takes no union of a section and a mapping."""
    if _section_of(expected) is None or _named_of(expected) is None:
        return expected
    return functools.reduce(
        operator.or_, [part for part in typing.get_args(expected) if typing.get_origin(part) is not dict]
    )


def _by_name(table: Mapping[str, Any], section: type[Section], named: Any) -> bool:
    """Whether a table has no key of the section, and holds what may stand under names of the user's own."""
    if not table or set(table) & {field.name for field in msgspec.structs.fields(section)}:
        return False
    return named is not section or all(isinstance(value, Mapping) for value in table.values())


def _is_union(expected: Any) -> bool:
    return isinstance(expected, types.UnionType) or typing.get_origin(expected) is typing.Union


def _describe(expected: Any) -> str:
    if _section_of(expected) is not None:
        return "a table"
    base = typing.get_args(expected)[0] if typing.get_origin(expected) is typing.Annotated else expected
    return getattr(base, "__name__", str(base))
