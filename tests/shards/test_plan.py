"""One meaning has one identity, whatever was said and whatever was left out."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    """Four arrays that are numbered sets, the same values in one array, and in a table."""
    x = np.arange(80, dtype=np.float32).reshape(40, 2)
    for name in ("sets", "one"):
        (tmp_path / name / "raw").mkdir(parents=True)
        np.save(tmp_path / name / "raw" / "labels.npy", np.arange(40) % 2)
    for number in range(4):
        np.save(tmp_path / "sets" / "raw" / f"set-{number + 1}.npy", x[10 * number : 10 * number + 10])
    np.save(tmp_path / "one" / "raw" / "samples.npy", x)
    (tmp_path / "table" / "raw").mkdir(parents=True)
    rows = "".join(f"{a},{b},{index % 2}\n" for index, (a, b) in enumerate(x.tolist()))
    (tmp_path / "table" / "raw" / "t.csv").write_text(f"a,b,label\n{rows}")
    return tmp_path


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("sets", {"format": "npy"}),
        ("table", {"format": "csv"}),
        ("sets", {"samples_per_set": "file"}),
        ("one", {"samples_per_set": 32}),
        ("table", {"samples_per_set": 32}),
        ("table", {"samples_per_set": 32, "format": "csv"}),
    ],
)
def test_what_is_so_anyway_may_be_said(tools, numbers: Path, raw: str, said: dict[str, object]):
    labels = {"labels": {"column": "label"} if raw == "table" else {}}
    plain, more = (tools.planned(numbers / raw, "runs", **labels, **changes) for changes in ({}, said))
    assert plain.specifications == more.specifications
    assert {one.identity for one in plain.specifications} == {one.identity for one in more.specifications}


@pytest.mark.parametrize(
    ("raw", "said", "more"),
    [
        ("sets", {}, {"samples_per_set": 32}),
        ("sets", {"shuffle": True}, {"shuffle": True, "samples_per_set": 32}),
        ("one", {}, {"samples_per_set": 7}),
    ],
)
def test_another_identity_is_another_meaning(tools, numbers: Path, raw: str, said, more):
    results = [tools.planned(numbers / raw, f"runs{index}", labels={}, **one) for index, one in enumerate((said, more))]
    same = results[0].whole.identity == results[1].whole.identity
    for index, one in enumerate((said, more)):
        tools.convert(numbers / raw, root=f"runs{index}", labels={}, **one)
    trees = [
        {name: data for name, data in tools.tree(one.directory).items() if "manifest" not in name} for one in results
    ]
    assert same == (trees[0] == trees[1])


def test_what_only_running_a_persons_code_would_tell_is_not_asked_in_a_plan(tools, tmp_path: Path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.raw16").write_bytes(b"")
    (tmp_path / "mine.py").write_text("raise SystemExit('a plan ran me')\n\n\ndef read(path):\n    return path\n")
    tools.planned(tmp_path, loader="mine:read", samples_per_set=32)
