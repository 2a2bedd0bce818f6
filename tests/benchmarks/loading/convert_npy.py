"""deeptrain's conversion of `.npy` files into shards: shuffled across the whole data set, hashed, durable."""

from pathlib import Path
from typing import Any

from deeptrain.shards import conversion


class Converted:
    """Two splits, one process, labels from files of their own."""

    orders: dict[str, str] = {}  # noqa: RUF012

    def convert(self, source: Path, target: Path) -> None:
        conversion.convert(source / "raw", target, splits={"train": 0.9, "val": 0.1}, labels=self.labels(source))

    def labels(self, source: Path) -> dict[str, Any]:
        return {"path": str(source / "labels"), "kind": "classes"}


PEER = Converted()
