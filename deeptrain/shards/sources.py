"""The files that `[data]` reads: what a plan fingerprints before anything is opened."""

from dataclasses import dataclass
from pathlib import Path

from deeptrain.formats import raw
from deeptrain.shards.settings import DataSettings


@dataclass(frozen=True)
class Sources:
    """Raw files and, where the labels are apart from them, the files of the labels; both in natural order."""

    data: tuple[Path, ...]
    labels: tuple[Path, ...]

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file that decides over the shards."""
        return self.data + self.labels


def find(settings: DataSettings, base: Path) -> Sources:
    """The files that the settings name, relative to the directory `base` of the TOML file; no NumPy, none opened.

    Raises:
        DataError: when something is missing or of no known format.
    """
    labels = label_path(settings, base)
    data = raw.files(base / settings.path, settings.format, without=() if labels is None else (labels,))
    return Sources(data, () if labels is None else raw.files(labels))


def label_path(settings: DataSettings, base: Path) -> Path | None:
    """Where the labels are, if apart from the raw files."""
    return None if settings.labels.path is None else base / settings.labels.path
