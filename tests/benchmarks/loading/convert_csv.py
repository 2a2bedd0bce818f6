"""deeptrain's conversion of a CSV file into shards, published as an artifact: whole, hashed, durable."""

from pathlib import Path
from typing import Any

from deeptrain.settings import Mistakes, typed
from deeptrain.shards import conversion
from deeptrain.shards.settings import DataSettings
from deeptrain.store import artifact
from deeptrain.store.specification import Specification

TABLE = {
    "path": "raw",
    "labels": {"column": "label", "kind": "classes"},
    "splits": {"train": 1.0},
    "samples_per_shard": 16384,
}


class Converted:
    """All samples into the train split."""

    orders: dict[str, str] = {}  # noqa: RUF012
    table: dict[str, Any] = TABLE

    def convert(self, source: Path, target: Path) -> None:
        mistakes = Mistakes("benchmark")
        settings = typed(DataSettings, self.table, "data", mistakes)
        mistakes.raise_if_any()
        target.mkdir(parents=True)
        with artifact.writing(Specification("shards", 1, target, {}), {}) as writer:
            conversion.convert(settings, source, writer)


PEER = Converted()
