"""What docs/metrics.md says is so."""

import re
from pathlib import Path

import numpy as np
import pytest

from deeptrain.metrics import chosen, names, own

DOCS = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)


def test_every_example_runs_and_gives_what_its_comment_says():
    for block in BLOCKS:
        known = {}
        exec(block, known)
        for line in block.splitlines():
            if value := re.fullmatch(r"(f1\(.*\)) +# ([\d.]+)", line):
                assert eval(value[1], known) == pytest.approx(float(value[2]), abs=5e-4)
    metric = own.of(known["worst_half"])
    assert metric([0, 1, 1, 0], [0.5, 0.9, 0.7, 0.0]) == pytest.approx(0.4)
    assert not metric.maximize
    both = chosen.of(["f1", known["worst_half"]], "binary")
    assert [one.name for one in both] == ["f1_score", "worst_half"]


def test_every_metric_and_alias_is_listed():
    listed = set(re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", DOCS, flags=re.DOTALL)))
    for metric in names.known():
        if metric.average is None:
            assert metric.name in listed, metric.name


def test_what_is_undefined_is_told_as_it_is():
    for metric in names.of_counts():
        row = next(line for line in DOCS.splitlines() if re.match(rf"\| `{metric.name}`[ |]", line))
        assert row.split("|")[4].strip().partition(":")[0] == metric.needs
        assert row.split("|")[3].strip() == ("more" if metric.maximize else "less")
    assert np.isnan(names.get("recall")([0, 0], [0.1, 0.9]))
