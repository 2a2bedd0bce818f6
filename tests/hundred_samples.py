"""A hundred samples in ten sets, in every way they may be stored, for tests of what feeds them."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from deeptrain.loading.batches import Batches
from deeptrain.shards.reading import Split

SETS = [7, 12, 1, 30, 5, 5, 20, 13, 2, 5]
SAMPLES = sum(SETS)
ORDERS = ["none", "sets", "blocks", "samples"]
X = np.arange(SAMPLES * 6, dtype=np.float32).reshape(SAMPLES, 3, 2)
PAGES = np.repeat(np.arange(SAMPLES, dtype=np.float32)[:, np.newaxis], 1024, axis=1)
SERIES = [np.full((number % 5 + 1, 2), number, np.float32) for number in range(SAMPLES)]
LABELS = (np.arange(SAMPLES) % 5 == 0).astype(np.uint8)
WEIGHTS = (np.arange(SAMPLES) % 3).astype(np.float32)


def expected(kind: str, index: int) -> Any:
    return {"one": X, "compressed": X, "series": SERIES, "pages": PAGES}[kind][index]


def check_samples(kind: str, x: Any, indices: np.ndarray) -> None:
    if kind == "both":
        check_samples("one", x["a"], indices)
        check_samples("series", x["b"], indices)
        return
    assert len(x) == len(indices)
    for one, index in zip(x, indices.tolist(), strict=True):
        np.testing.assert_array_equal(one, expected(kind, index))


options = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**63 - 1),
        "order": st.sampled_from(ORDERS),
        "sets": st.none() | st.lists(st.integers(1, len(SETS)), min_size=1, max_size=6),
        "last": st.sampled_from(["keep", "drop", "fill"]),
        "sampling": st.sampled_from([None, None, "balanced", "weighted"]),
        "superbatch_bytes": st.sampled_from([0, 200, 1 << 20]),
    }
)


def made(split: Split, batch_size: int, options: dict[str, Any]) -> Batches:
    arguments = dict(options)
    if arguments["sampling"]:
        arguments["order"] = "samples"
    if arguments["sets"]:
        held = sum(SETS[number - 1] for number in set(arguments["sets"]))
        batch_size = min(batch_size, held)
        if arguments["sampling"] == "weighted" and held < 4:
            arguments["sampling"] = None
    return Batches(split, batch_size, **arguments)
