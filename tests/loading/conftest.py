from typing import Any

import pytest

from deeptrain.shards.reading import Split
from tests import shard_files
from tests.hundred_samples import LABELS, PAGES, SERIES, SETS, WEIGHTS, X


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Split]:
    """100 samples in shards and blocks of 1 to 5 samples: one input, sequences, both, compressed, whole pages."""

    def made(x: Any, samples_per_shard: int = 33, **arguments: Any) -> Split:
        return shard_files.split(
            tmp_path_factory.mktemp("shards"),
            x,
            LABELS,
            set_sizes=SETS,
            samples_per_shard=samples_per_shard,
            weights=WEIGHTS,
            kind="binary",
            parts=2,
            **arguments,
        )

    return {
        "one": made(X, block_bytes=100),
        "series": made(SERIES, block_bytes=60),
        "both": made({"a": X, "b": SERIES}, block_bytes=70),
        "compressed": made(X, block_bytes=100, compression="lz4"),
        "pages": made(PAGES, samples_per_shard=32, block_bytes=9000),
    }


@pytest.fixture(scope="module")
def split(splits: dict[str, Split]) -> Split:
    return splits["one"]
