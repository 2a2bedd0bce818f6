"""From a path alone: which format, and which files."""

import os
from collections.abc import Iterable
from pathlib import Path

from deeptrain.errors import DataError
from deeptrain.formats.csv import CSV, TSV
from deeptrain.formats.directory import check_regular, entries
from deeptrain.formats.format import Tabular

FORMATS: dict[str, Tabular] = {known.name: known for known in (CSV, TSV)}
EXTENSIONS: dict[str, Tabular] = {extension: known for known in FORMATS.values() for extension in known.extensions}


def named(name: str) -> Tabular:
    """The format that `format = "name"` asks for.

    Raises:
        DataError: when there is none of that name.
    """
    try:
        return FORMATS[name]
    except KeyError:
        raise DataError(f"format {name!r} is not known; known: {', '.join(FORMATS)}") from None


def find(path: Path, name: str | None, without: Iterable[Path] = ()) -> tuple[Tabular, tuple[Path, ...]]:
    """Format and files of what lies at `path`: a file, or a directory of files of one format, in natural order.

    Args:
        path: where to look. Hidden files are ignored, links must stay inside the directory.
        name: the format, or None to tell it by the extensions; given, a directory's other files are left alone.
        without: what does not count though it lies there, such as a file of labels.

    Raises:
        DataError: when nothing is there, formats are mixed, or an entry is no plain file.
    """
    asked = None if name is None else named(name)
    if not path.exists():
        raise DataError(
            f"{path}: does not exist; a relative path begins at the directory of the experiment's TOML file"
        )
    if not path.is_dir():
        check_regular(path)
        return asked or _format_of(path), (path,)
    left_out = {os.path.realpath(other) for other in without}
    found = [entry for entry in entries(path) if os.path.realpath(entry) not in left_out]
    if asked is not None:
        found = [entry for entry in found if entry.suffix.lower() in asked.extensions]
    if not found:
        wanted = asked.extensions if asked else tuple(EXTENSIONS)
        raise DataError(f"{path}: no raw files here; put files there that end in {' or '.join(wanted)}")
    for entry in found:
        check_regular(entry, path)
    kind = asked or _format_of(found[0])
    for entry in found:
        other = kind if asked else _format_of(entry)
        if other is not kind:
            raise DataError(
                f"{path}: holds {kind.name} ({found[0].name}) and {other.name} ({entry.name}) files; "
                f"keep one kind, or say which with format"
            )
    return kind, tuple(found)


def _format_of(path: Path) -> Tabular:
    try:
        return EXTENSIONS[path.suffix.lower()]
    except KeyError:
        raise DataError(
            f"{path}: the extension {path.suffix!r} is of no known format ({', '.join(EXTENSIONS)}); "
            f"move the file elsewhere, or say with format what to read ({', '.join(FORMATS)})"
        ) from None
