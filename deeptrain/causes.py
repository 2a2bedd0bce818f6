"""Why an artifact is not there: what differs between it and the newest one of its kind that was made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeptrain.errors import ArtifactError
from deeptrain.introspection import algorithms
from deeptrain.store import manifest as manifests
from deeptrain.store.manifest import NAME, Manifest
from deeptrain.store.raw_record import RawChange
from deeptrain.store.specification import Late, Source, Specification

UNSAID = ("epoch", "interventions")
"""Settings of an epoch that say which one it is, not how it is trained."""

ANYWHERE = ("raw", "labels")
"""Sources whose files are told without saying of which split they are."""


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was.

    Attributes:
        kind: "setting", "code", "raw", "input" or "recipe".
        name: the setting's dotted key, the changed functions in words, a raw file's name, or the input's.
        before: of a setting, as it was recorded; None where it was not there. Of a recipe, its number. Of a raw
            file, its sha256; None where it was not there.
        now: the same, as it is asked for.
    """

    kind: str
    name: str
    before: Any = None
    now: Any = None

    def plain(self) -> dict[str, Any]:
        """The change as JSON holds it."""
        return {"kind": self.kind, "name": self.name, "before": self.before, "now": self.now}


def newest(found: Sequence[Path]) -> Manifest | None:
    """The manifest that was published last of some artifacts; what cannot be read is passed over.

    Args:
        found: directories, in any order.
    """
    for directory in sorted(found, key=_published, reverse=True):
        try:
            return manifests.read(directory)
        except ArtifactError:
            continue
    return None


def _published(directory: Path) -> tuple[float, str]:
    try:
        return (directory / NAME).stat().st_mtime, directory.name
    except OSError:
        return 0.0, directory.name


def changes(
    made: Manifest,
    asked: Specification,
    code: Callable[[str, str], str],
    raw: Callable[[str, Source], list[RawChange]],
) -> list[Change]:
    """What is asked for otherwise than it was when an artifact was made: settings first, then code, inputs, recipe.

    Args:
        made: of the same stage.
        asked: what is asked for now.
        code: what differs, in words, between the code of two digests, the older first.
        raw: the raw files in which a source differs from what had another content; none where that is not known.
    """
    found = [*_settings(made.settings, asked.settings), *_rest(made, asked, code, raw)]
    late = [Change("input", name) for name, below in asked.inputs.items() if isinstance(below, Late)]
    # Which epoch "the last" will be may be open: where nothing else differs, it is that.
    return found or late


def _settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    # A list of tables, such as phases, is told whole: which of them is which is not known when one is put between.
    old, new = (
        algorithms.dotted({key: value for key, value in one.items() if key not in UNSAID}) for one in (before, now)
    )
    for key in {**new, **old}:
        # As JSON a tuple is a list.
        was, is_now = old.get(key), _as_json(new.get(key))
        if was != is_now:
            yield Change("setting", key, was, is_now)


def _rest(
    made: Manifest,
    asked: Specification,
    code: Callable[[str, str], str],
    raw: Callable[[str, Source], list[RawChange]],
) -> Iterator[Change]:
    if made.code != asked.code:
        yield Change("code", code(made.code or "", asked.code or ""))
    for name, below in asked.inputs.items():
        link = made.inputs.get(name)
        if link is not None and (isinstance(below, Late) or link.identity == below.identity):
            continue
        if isinstance(below, Source):
            where = "" if name in ANYWHERE else f" ({name})"
            told = [] if link is None else raw(link.content, below)
            yield from (Change("raw", f"{one.name}{where}", one.before, one.now) for one in told)
            if told:
                continue
        yield Change("input", name)
    for name in made.inputs.keys() - asked.inputs.keys():
        yield Change("input", name)
    if made.recipe != asked.recipe:
        yield Change("recipe", made.stage, made.recipe, asked.recipe)


def _as_json(value: Any) -> Any:
    return list(map(_as_json, value)) if isinstance(value, tuple | list) else value
