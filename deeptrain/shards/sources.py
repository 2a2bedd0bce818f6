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
from deeptrain.shards.settings import DataSettings

KEYS = {"label_column": "labels.column", " group '": " splits.group '", "name it as labels": "name it as labels.path"}
KEYS |= {name: f"reading.{name}" for name in ("label_names", "set_number")}
"""What `discovery.open` calls its arguments, and what a TOML file calls them."""


@dataclass(frozen=True)
class Source:
    """The files of one raw data set, in natural order, and where labels are apart from them, the files of the labels.

    Attributes:
        anchor: the directory that the files are named from, so that a data directory can move as a whole.
        format: what reads the raw files.
        data: the raw files.
        labels: empty where the labels are in the raw files.
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
        here = discovery.find(place, **_where(settings, base))
        formats = (here.format, *(registry.of(file) for file in here.labels[:1]))
        registered = tuple(one.function for one in formats if isinstance(one, Loaded) and one.function is not None)
        found[name] = Source(
            place if place.is_dir() else place.parent, here.format, here.files, here.labels, registered
        )
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
    """The same raw data sets, opened: headers are read, samples are not.

    Raises:
        DataError: for whatever headers show to be wrong.
    """
    with _in_words_of_settings(settings):
        return {name: _opened(settings, base, path, settings.weights) for name, path in settings.raw.items()}


def numbered(raw: Mapping[str, RawData]) -> bool:
    """Whether raw data sets are arrays that are numbered sets."""
    return all(
        not one.format.tabular and len(one.sets) > 1 and all(found.number is not None for found in one.sets)
        for one in raw.values()
    )


def _opened(settings: DataSettings, base: Path, path: str, weights: str | None) -> RawData:
    reading = settings.reading
    return discovery.open(
        base / path,
        **_where(settings, base),
        label_names=reading.label_names,
        group=settings.splits.group,
        inputs=reading.inputs,
        ignored=(*reading.ignored, *([] if weights is None else [weights])),
        rows=reading.rows,
        keys=reading.keys,
        set_number=reading.set_number,
        features=reading.features,
        mode=reading.mode,
        allow_missing=settings.allow_missing,
    )


@contextlib.contextmanager
def _in_words_of_settings(settings: DataSettings) -> Iterator[None]:
    """Name settings by their keys in errors."""
    try:
        yield
    except DataError as error:
        told = str(error)
        for theirs, ours in KEYS.items():
            told = told.replace(theirs, ours)
        if settings.weights is not None:  # left out of the inputs like what is ignored
            told = told.replace(f" ignored {shown(settings.weights)} is", f" weights {shown(settings.weights)} is")
        raise DataError(told) from error


def _where(settings: DataSettings, base: Path) -> Mapping[str, Any]:
    told = settings.told
    labels: str | Path | None = "input" if settings.labels == "input" else None
    if told.path is not None:
        labels = base / told.path
    return {
        "format": settings.format,
        "loader": settings.loader,
        "beside": base,
        "labels": labels,
        "label_column": told.column,
    }
