"""deeptrain's conversion of a CSV file into shards."""

from pathlib import Path
from typing import Any

from tests.benchmarks.loading.convert_npy import Converted


class ConvertedText(Converted):
    """Labels are a column."""

    def labels(self, source: Path) -> dict[str, Any]:  # noqa: ARG002
        return {"column": "label", "kind": "classes"}


PEER = ConvertedText()
