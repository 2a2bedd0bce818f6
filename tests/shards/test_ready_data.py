"""The raw data of the ready experiments is what its description says, and opens as the experiments open it."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from deeptrain import lineage, session

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "pipelines" / "experiments"


@pytest.mark.parametrize(("name", "files"), [("visits", 10), ("movements", 10)])
def test_the_files_have_the_sums_that_are_told(name: str, files: int) -> None:
    told = dict(re.findall(r"\| `(.+?)` \| `([0-9a-f]{64})` \|", (ROOT / "data" / f"{name}.md").read_text()))
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (ROOT / "data" / name).iterdir()}
    assert there == told
    assert len(there) == files


def test_visits_are_one_in_seventeen_and_split_by_person(tmp_path: Path) -> None:
    data = session.open_data(lineage.read(EXPERIMENTS / "visits.toml", store=tmp_path))
    info = data.shards.info
    assert sum(info.samples.values()) == 20190
    assert sum(counts[1] for counts in info.label_counts.values()) == 1156
    assert info.columns == ("lncoins", "idp", "lpi", "fmde", "physlm", "disea", "hlthg", "hlthf", "hlthp")
    people = [_people(data, split) for split in info.samples]
    assert sum(map(len, people)) == len(set.union(*people)) == 5912


def _people(data: session.Opened, split: str) -> set[str]:
    opened = data.shards.split(split)
    files = [path.read_text().splitlines() for path in sorted((ROOT / "data" / "visits").iterdir(), key=_number)]
    return {files[file][row + 1].split(",")[0] for _, file, row in opened.origin.tolist()}


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def test_movements_are_series_of_many_lengths_and_nobody_is_in_two_splits(tmp_path: Path) -> None:
    data = session.open_data(lineage.read(EXPERIMENTS / "movements.toml", store=tmp_path))
    info = data.shards.info
    assert (info.kind, len(info.classes), info.shape) == ("classes", 7, (None, 6))
    assert {name: count for name, count in info.samples.items() if count} == {"train": 70, "val": 28, "test": 42}
    people = {name: set(data.shards.split(name).origin[:, 1].tolist()) for name in ("train", "val", "test")}
    assert sum(map(len, people.values())) == len(set.union(*people.values())) == 10
    lengths = np.concatenate([data.shards.split(name).lengths["x"] for name in people])
    assert len(set(lengths.tolist())) > 80
    assert (lengths.min(), lengths.max(), lengths.sum()) == (189, 523, 48765)
