"""The formats by name and by extension."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deeptrain.errors import DataError, UserCodeError
from deeptrain.formats import loaders
from deeptrain.formats.arrow import ARROW
from deeptrain.formats.csv import CSV, TSV, Delimited
from deeptrain.formats.format import Format
from deeptrain.formats.hdf5 import HDF5
from deeptrain.formats.image import IMAGES, Images
from deeptrain.formats.npy import NPY
from deeptrain.formats.npz import NPZ
from deeptrain.formats.parquet import PARQUET
from deeptrain.formats.svmlight import SVMLIGHT, Svmlight
from deeptrain.formats.wav import WAV
from deeptrain.settings import Use

FORMATS: dict[str, Format] = {
    known.name: known for known in (NPY, NPZ, HDF5, CSV, TSV, ARROW, PARQUET, SVMLIGHT, IMAGES, WAV)
}


def extensions() -> dict[str, Format]:
    """Format of each extension; a built-in one before a loader function."""
    built_in = {extension: known for known in FORMATS.values() for extension in known.extensions}
    return {**loaders.registered, **built_in}


def told(of: str = "of a") -> str:
    """The known formats in words, for messages."""
    return f"{of} known format ({', '.join((*FORMATS, *loaders.registered))})"


def named(name: str) -> Format:
    """The format that `format = "name"` asks for.

    Raises:
        DataError: when there is none of that name.
    """
    try:
        return FORMATS[name]
    except KeyError:
        raise DataError(f"format {name!r} is not known; known: {', '.join(FORMATS)}") from None


def of(path: Path) -> Format:
    """The format that the extension of a file tells.

    Raises:
        DataError: when it is of none.
    """
    known = extensions()
    try:
        return known[path.suffix.lower()]
    except KeyError:
        raise DataError(
            f"{path}: the extension {path.suffix!r} is {told('of no')}; move the file elsewhere, say with format what "
            f"to read, or give a loader function"
        ) from None


def is_told(path: Path, format: Format) -> bool:
    """Whether the extension of a file alone says that it is of this format."""
    return extensions().get(path.suffix.lower()) == format


def loading(function: str | Use | Callable[[Path], Any], beside: Path | None) -> Format:
    """The format of files that a loader function reads: itself, or "module:function", alone or with arguments.

    Raises:
        UserCodeError: when the name is none.
    """
    if callable(function):
        return loaders.Loaded(f"{function.__module__}:{getattr(function, '__qualname__', 'loader')}", (), function)
    named = Use.of(function)
    module, colon, attribute = named.use.partition(":")
    if not (module and colon and attribute):
        raise UserCodeError(f"loader {named.use!r} is no name of a function; write module:function")
    return loaders.Loaded(named.use, beside=beside, arguments=named.arguments)


def configured(
    format: Format,
    *,
    features: int | None = None,
    first: int | None = None,
    mode: str | None = None,
    header: bool | None = None,
) -> Format:
    """The format with what was said of it.

    Raises:
        DataError: when something was said that is of no use to it.
    """
    said = {"features": features, "first": first, "mode": mode, "header": header}
    kinds = {"features": Svmlight, "first": Svmlight, "mode": Images, "header": Delimited}
    for key, value in said.items():
        if value is not None and not isinstance(format, kinds[key]):
            raise DataError(f"{key} = {value!r} means nothing for {format.name} files; leave it out")
    if isinstance(format, loaders.Loaded):
        return format.afresh()
    if isinstance(format, Svmlight):
        return dataclasses.replace(format, features=features, first=1 if first is None else first)
    if isinstance(format, Delimited):
        return dataclasses.replace(format, header=header)
    return dataclasses.replace(format, mode=mode) if isinstance(format, Images) else format
