"""docs/formats.md: nobody is locked in. What it says a reader is, is run as it stands there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import shard_files

DOCUMENT = Path(__file__).parents[2] / "docs" / "formats.md"


@pytest.fixture(scope="module")
def documented() -> dict[str, Any]:
    """What the Python in the document defines."""
    sources = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    assert len([line for line in sources[0].splitlines() if line.strip()]) <= 20
    names: dict[str, Any] = {}
    for source in sources:
        exec(compile(source, DOCUMENT.name, "exec"), names)
    return names


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_the_documented_readers_read_what_is_written(documented, tmp_path, compression):
    x = np.arange(6000, dtype=np.float32).reshape(1000, 3, 2)
    series = [np.full((number % 7 + 1, 2), number, np.int16) for number in range(1000)]
    labels = np.arange(1000) % 4
    split = shard_files.split(
        tmp_path,
        {"x": x, "series": series},
        labels,
        set_sizes=[300, 700],
        samples_per_shard=299,
        block_bytes=1000,
        parts=3,
        compression=compression,
    )
    for number in range(len(split.blocks) - 1):
        first, last = split.blocks[number : number + 2]
        assert documented["read_block"](tmp_path, number) == x[first:last].tobytes()
        flat = np.concatenate(series[first:last]).tobytes()
        assert documented["read_block"](tmp_path, number, name="series") == flat
    if compression is None:
        samples, found, origin = documented["read"](tmp_path)
        np.testing.assert_array_equal(samples["x"], x)
        assert len(samples["series"]) == 1000
        for one, other in zip(samples["series"], series, strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(found, labels)
        assert origin[299].tolist() == [1, 1, 299]


def test_the_documented_reader_notices_a_flipped_bit(documented, tmp_path):
    shard_files.write(tmp_path, np.zeros((100, 4), np.float32), np.arange(100) % 2, block_bytes=160)
    path = tmp_path / "parts" / "0001" / "train-00001.x.npy"
    data = bytearray(path.read_bytes())
    data[4096 + 170] ^= 1
    path.write_bytes(data)
    documented["read_block"](tmp_path, 0)
    with pytest.raises(ValueError, match="block 1 is altered"):
        documented["read_block"](tmp_path, 1)
