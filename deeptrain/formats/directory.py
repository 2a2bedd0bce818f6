"""The raw files of a directory in natural order: `set2` before `set10`."""

import os
import re
import stat
from pathlib import Path

from deeptrain.errors import DataError

DIGITS = re.compile(r"([0-9]+)")


def natural_key(name: str) -> tuple[tuple[int, str, int], ...]:
    """A sort key that compares runs of digits as numbers; names that differ only in zero padding stay apart."""
    parts = DIGITS.split(name)
    key = tuple((1, "", int(part)) if number % 2 else (0, part, 0) for number, part in enumerate(parts) if part)
    return (*key, (-1, name, 0))


def entries(directory: Path) -> tuple[Path, ...]:
    """Everything in a directory that is not hidden, in natural order.

    Raises:
        DataError: when the directory cannot be listed.
    """
    try:
        names = [name for name in os.listdir(directory) if not name.startswith(".")]  # noqa: PTH208
    except OSError as error:
        raise DataError(f"{directory}: cannot be listed: {error.strerror}") from error
    return tuple(directory / name for name in sorted(names, key=natural_key))


def check_name(path: Path) -> None:
    """Refuse the name of a file or folder that a terminal would obey instead of print.

    Raises:
        DataError: showing it.
    """
    if not path.name.isprintable():
        kind = "folder" if path.is_dir() else "file"
        raise DataError(
            f"{path.parent}: the {kind} name {path.name!r} has characters that cannot be printed; rename it"
        )


def check_regular(path: Path, inside: Path | None = None) -> None:
    """Refuse what is not a plain file, and a link that leads out of the directory `inside`.

    Raises:
        DataError: naming the entry and what it is.
    """
    check_name(path)
    if "\\" in path.name:  # a path, elsewhere; no manifest may hold it
        raise DataError(f"{path.parent}: the file name {path.name!r} has a backslash; rename it")
    try:
        target = path
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            target = path.resolve(strict=True)
            mode = target.stat().st_mode
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path}: cannot be opened: {getattr(error, 'strerror', error)}") from error
    if target is not path and inside is not None and not target.is_relative_to(inside.resolve()):
        raise DataError(f"{path}: is a link out of {inside}, to {target}; put the file itself there")
    if stat.S_ISDIR(mode):
        raise DataError(f"{path}: is a directory; raw files lie directly in {path.parent}, move it elsewhere")
    if not stat.S_ISREG(mode):
        raise DataError(f"{path}: is no plain file")
