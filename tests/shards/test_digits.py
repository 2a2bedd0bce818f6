import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

DATA = Path(__file__).parents[2] / "data"


def test_the_raw_files_are_what_the_lines_in_their_readme_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "data" / "digits").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    exec(lines, {})
    written = {path.name: path.read_bytes() for path in (tmp_path / "data" / "digits").iterdir()}
    assert written == {path.name: path.read_bytes() for path in (DATA / "digits").iterdir()}
    sums = dict(re.findall(r"\| `(digits-\d+\.csv)` \| `([0-9a-f]{64})` \|", readme))
    assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in written.items()}


def test_the_shards_of_the_digits_are_scikit_learns_digits(tmp_path: Path, tools):
    shards = tools.convert(
        tmp_path,
        path=str(DATA / "digits"),
        labels={"column": "digit", "positive": 8},
        splits={"train": 0.5, "val": 0.15, "calibration": 0.15, "test": 0.2},
        shape=[8, 8, 1],
    )
    info = shards.info
    assert (info.shape, info.kind, info.classes) == ((8, 8, 1), "binary", ("other", "8"))
    assert sum(info.samples.values()) == 1797
    assert (info.statistics.min, info.statistics.max) == (0, 16)
    images, digits = load_digits(return_X_y=True)
    for name in info.samples:
        split = shards.split(name)
        at = 150 * split.origin[:, 1].astype(int) + split.origin[:, 2]
        assert np.array_equal(split.take(np.arange(len(split))).reshape(-1, 64), images[at])
        assert np.array_equal(split.labels, digits[at] == 8)
        assert 0.09 < split.labels.mean() < 0.1
        assert split.raw(0) == (f"digits-{at[0] // 150 + 1}.csv", at[0] % 150)
