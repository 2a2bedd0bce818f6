"""The raw data that `[data]` reads: what a plan fingerprints before anything is opened, and how it is opened."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeptrain.errors import DataError
from deeptrain.formats import discovery, registry
from deeptrain.formats.cells import shown
from deeptrain.formats.data import RawData
from deeptrain.formats.format import Format
from deeptrain.formats.loaders import Loaded, Loader
from deeptrain.shards.settings import ONLY, DataSettings

KEYS = {"label_column": "labels.column", " group '": " splits.group '", "name it as labels": "name it as labels.path"}
KEYS |= {name: f"reading.{name}" for name in ("label_names", "set_number", "first = 0", "header = true")}
"""What `discovery.open` calls its arguments, and what a TOML file calls them."""


@dataclass(frozen=True)
class Source:
    """The files of one raw data set, in natural order, and where labels are apart from them, the files of the labels.

    Attributes:
        anchor: the directory that the files are named from, so that a data directory can move as a whole.
        format: what reads the raw files.
        data: the raw files.
        labels: of all outputs; empty where the labels are in the raw files.
        loaders: functions registered in this process (`@formats.loader`) that read any of them.
    """

    anchor: Path
    format: Format
    data: tuple[Path, ...]
    labels: tuple[Path, ...]
    loaders: tuple[Loader, ...] = ()

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file that decides over the shards."""
        return self.data + self.labels


def find(settings: DataSettings, base: Path) -> dict[str, Source]:
    """The files that the settings name, by "raw" or by the split whose path they are; no NumPy, none opened.

    Args:
        settings: `[data]`.
        base: the directory of the TOML file.

    Raises:
        DataError: when something is missing or of no known format, or splits have raw data in common.
    """
    _check_apart(settings, base)
    found = {}
    for name, path in settings.raw.items():
        place = base / path
        group = settings.splits.group
        here = [discovery.find(place, **where, group=group) for where in _where(settings, base).values()]
        apart = tuple(dict.fromkeys(file for one in here for file in one.labels))
        formats = (here[0].format, *(registry.of(one.labels[0]) for one in here if one.labels))
        registered = tuple(one.function for one in formats if isinstance(one, Loaded) and one.function is not None)
        anchor = place if place.is_dir() else place.parent
        found[name] = Source(anchor, here[0].format, here[0].files, apart, registered)
    return found


def _check_apart(settings: DataSettings, base: Path) -> None:
    """Refuse splits of which one's raw data is another's, or in it: samples would be trained on and tested with."""
    places = {name: (base / path).resolve() for name, path in settings.splits.paths.items()}
    for (one, first), (other, second) in itertools.combinations(places.items(), 2):
        if first.is_relative_to(second) or second.is_relative_to(first):
            how = "are the same" if first == second else "lie one in the other"
            raise DataError(
                f"splits.{one} and splits.{other}: {base / settings.raw[one]} and {base / settings.raw[other]} {how}; "
                f"give each split raw data of its own"
            )


def open(settings: DataSettings, base: Path) -> dict[str, RawData]:
    """The same raw data sets, opened: headers are read, samples are not. Of several outputs' labels it knows nothing.

    Raises:
        DataError: for whatever headers show to be wrong.
    """
    if not settings.outputs:
        (where,) = _where(settings, base).values()
        return _opened(settings, base, where)
    return _opened(settings, base, {**_of_data(settings, base), "labels": "none"})


def numbered(raw: Mapping[str, RawData]) -> bool:
    """Whether raw data sets are arrays that are numbered sets."""
    return all(
        not one.format.tabular and len(one.sets) > 1 and all(found.number is not None for found in one.sets)
        for one in raw.values()
    )


def open_labels(settings: DataSettings, base: Path) -> dict[str, dict[str, RawData]]:
    """The same raw data sets once for each of several outputs, by its name: what is asked of them are its labels.

    Raises:
        DataError: for whatever headers show to be wrong, with the output's settings by their keys.
    """
    where = _where(settings, base)
    return {output: _opened(settings, base, where[output], output) for output in settings.outputs}


def _opened(settings: DataSettings, base: Path, where: Mapping[str, Any], output: str = ONLY) -> dict[str, RawData]:
    reading = settings.reading
    columns = {told.column for told in settings.told.values() if settings.outputs and told.path is None}
    ignored = {*reading.ignored, *columns, settings.weights} - {None, where.get("label_column")}
    with _in_words_of_settings(settings, output):
        return {
            name: discovery.open(
                base / path,
                **where,
                label_names=reading.label_names,
                group=settings.splits.group,
                inputs=reading.inputs,
                ignored=sorted(filter(None, ignored)),
                rows=reading.rows,
                keys=reading.keys,
                set_number=reading.set_number,
                features=reading.features,
                first=reading.first,
                mode=reading.mode,
                header=reading.header,
                allow_missing=settings.allow_missing,
            )
            for name, path in settings.raw.items()
        }


@contextlib.contextmanager
def _in_words_of_settings(settings: DataSettings, output: str) -> Iterator[None]:
    """Name settings by their keys in errors."""
    try:
        yield
    except DataError as error:
        told = str(error)
        for theirs, ours in KEYS.items():
            told = told.replace(theirs, ours.replace("labels.", f"labels.{output}.") if output else ours)
        # left out of the inputs like what is ignored
        left_out = {f"labels.{name}.column": of.column for name, of in settings.told.items() if name}
        for ours, column in {"weights": settings.weights, **left_out}.items():
            if column is not None:
                told = told.replace(f" ignored {shown(column)} is", f" {ours} {shown(column)} is")
        raise DataError(told) from error


def _of_data(settings: DataSettings, base: Path) -> dict[str, Any]:
    apart = [base / told.path for told in settings.told.values() if settings.outputs and told.path is not None]
    return {"format": settings.format, "loader": settings.loader, "beside": base, "others": apart}


def _where(settings: DataSettings, base: Path) -> dict[str, dict[str, Any]]:
    """Where the raw files and the labels are, by output."""
    found = {}
    for output, told in settings.told.items():
        labels: str | Path | None = "input" if settings.labels == "input" else None
        if told.path is not None:
            labels = base / told.path
        found[output] = {**_of_data(settings, base), "labels": labels, "label_column": told.column}
    return found
