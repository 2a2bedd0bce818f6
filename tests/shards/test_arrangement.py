"""Which sample goes where: sets that keep their numbers, remainders, orders, splits from paths."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from deeptrain.errors import DataError
from deeptrain.shards import conversion, reading


def sets(directory: Path, sizes: dict[int, int], first: int = 0) -> None:
    """A numbered array a set; the samples of all sets count on."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, size in sizes.items():
        np.save(directory / f"batch__{number}.npy", np.arange(first, first + size, dtype=np.float32)[:, None])
        first += size


def values(shards: reading.Shards, split: str) -> list[int]:
    found = shards.split(split)
    return found.take(np.arange(len(found)))[:, 0].astype(int).tolist()


def test_numbered_sets_keep_their_numbers_their_samples_and_their_order(tmp_path: Path, tools):
    sets(tmp_path / "raw", {1: 5, 2: 3, 10: 4, 7: 6})
    shards = tools.convert(tmp_path, labels="input", splits={"train": 0.6, "val": 0.4})
    assert shards.info.numbered
    seen = {}
    for name in ("train", "val"):
        split = shards.split(name)
        assert (np.diff(split.sets) >= 0).all()
        for number in np.unique(split.sets).tolist():
            assert number not in seen  # a set is never cut in two
            seen[number] = [value for value, of in zip(values(shards, name), split.sets, strict=True) if of == number]
    assert seen == {1: [*range(5)], 2: [5, 6, 7], 10: [8, 9, 10, 11], 7: [*range(12, 18)]}
    assert shards.split("val").raw(0)[0] == f"batch__{shards.split('val').sets[0]}.npy"


def test_sets_of_so_many_samples_are_shuffled_across_numbered_files(tmp_path: Path, tools):
    sets(tmp_path / "raw", {1: 50, 2: 50})
    shards = tools.convert(tmp_path, labels="input", splits={"train": 0.6, "val": 0.4}, samples_per_set=25)
    assert not shards.info.numbered
    assert shards.split("train").sets.tolist() == [1] * 25 + [2] * 25 + [3] * 10
    assert sorted(values(shards, "train") + values(shards, "val")) == [*range(100)]
    assert values(shards, "train") != sorted(values(shards, "train"))


def test_a_table_in_numbered_files_is_one_table_unless_its_files_are_said_to_be_sets(tmp_path: Path, tools):
    for number, rows in ((3, 6), (5, 4), (9, 2)):
        tools.write_csv(tmp_path / "raw" / f"t{number}.csv", [[number * 10 + i, i % 2] for i in range(rows)], "x,label")
    kinds = {"kind": "binary", "column": "label"}
    shards = tools.convert(tmp_path, splits={"train": 8, "val": 4}, labels=kinds)
    assert sorted(set(shards.split("train").sets.tolist())) == [1]
    shards = tools.convert(tmp_path, splits={"train": 6, "val": 6}, labels=kinds, samples_per_set="file")
    found = {name: sorted(set(shards.split(name).sets.tolist())) for name in ("train", "val")}
    assert sorted(found["train"] + found["val"]) == [1, 2, 3]


def test_without_shuffling_samples_stay_in_the_order_of_the_raw_files(tmp_path: Path, tools):
    sets(tmp_path / "raw", {1: 40, 2: 20})
    shards = tools.convert(tmp_path, labels="input", samples_per_set=8, shuffle=False)
    for name in ("train", "val"):
        assert values(shards, name) == sorted(values(shards, name))


@settings(max_examples=12)  # they write files
@given(samples=st.integers(4, 60), per_set=st.integers(1, 40), seed=st.integers(0, 3))
def test_a_remainder_is_kept_dropped_or_filled_up(tmp_path_factory, tools, samples, per_set, seed):
    base = tmp_path_factory.mktemp("base")
    sets(base / "raw", {1: samples})
    common = {"labels": "input", "samples_per_set": per_set, "seed": seed, "splits": {"train": samples - 1, "val": 1}}
    kept = values(tools.convert(base, **common), "train")
    assert len(kept) == len(set(kept)) == samples - 1
    filled = tools.convert(base, **common, remainder="oversample").split("train")
    assert len(filled) == -(-(samples - 1) // per_set) * per_set
    assert np.unique(filled.sets, return_counts=True)[1].tolist() == [per_set] * (len(filled) // per_set)
    again = filled.take(np.arange(len(filled)))[:, 0].astype(int).tolist()
    assert again[: samples - 1] == kept
    counts = np.unique(again, return_counts=True)[1]
    assert set(again) == set(kept)
    assert counts.max() - counts.min() <= 1 or len(again) - len(kept) > len(kept)
    if per_set == 1:
        assert values(tools.convert(base, **common, remainder="drop"), "train") == kept


def test_a_dropped_remainder_leaves_whole_sets(tmp_path: Path, tools):
    sets(tmp_path / "raw", {1: 30})
    common = {"labels": "input", "splits": {"train": 20, "val": 10}, "remainder": "drop"}
    shards = tools.convert(tmp_path, samples_per_set=8, **common)
    assert shards.info.samples == {"train": 16, "val": 8, "calibration": 0, "test": 0}
    with pytest.raises(
        DataError, match=r"splits\.val: its 10 samples fill no set of 16 and data\.remainder drops them"
    ):
        tools.convert(tmp_path, samples_per_set=16, **common)


def test_splits_from_paths_are_raw_data_sets_of_their_own(tmp_path: Path):
    sets(tmp_path / "a", {1: 4, 3: 2})
    sets(tmp_path / "b", {1: 3}, first=100)
    sets(tmp_path / "b", {2: 3}, first=103)
    directory = conversion.convert(
        None, tmp_path / "out", splits={"train": str(tmp_path / "a"), "val": str(tmp_path / "b")}, labels="input"
    )
    shards = reading.open(directory)
    assert values(shards, "train") == [*range(6)]
    assert values(shards, "val") == [*range(100, 106)]
    assert {name: shards.split(name).sets.tolist() for name in shards.splits} == {
        "train": [1, 1, 1, 1, 3, 3],
        "val": [1, 1, 1, 2, 2, 2],
    }
    assert shards.raw_names == ("train/batch__1.npy", "train/batch__3.npy", "val/batch__1.npy", "val/batch__2.npy")
    assert shards.split("val").raw(4) == ("val/batch__2.npy", 1)


def test_splits_from_paths_must_hold_the_same_kind_of_samples(tmp_path: Path):
    sets(tmp_path / "a", {1: 4})
    (tmp_path / "b").mkdir()
    np.save(tmp_path / "b" / "x.npy", np.zeros((3, 2)))
    paths = {"train": str(tmp_path / "a"), "val": str(tmp_path / "b")}
    with pytest.raises(DataError, match=r"b: has the inputs x \[2\], .*a has x \[1\]; give all the same"):
        conversion.convert(None, tmp_path / "out", splits=paths, labels="input")


def test_each_sample_has_its_weight(tmp_path: Path, tools):
    rows = [[i, i % 2, i / 10] for i in range(40)]
    tools.write_csv(tmp_path / "raw" / "a.csv", rows, "x,label,w")
    shards = tools.convert(tmp_path, weights="w")
    assert shards.info.columns == ("x",)
    for name in ("train", "val"):
        assert shards.split(name).weights.tolist() == pytest.approx([x / 10 for x in values(shards, name)])
    with pytest.raises(DataError, match=r"raw: weights 'ww' is no column; did you mean w\? columns: x, label, w"):
        tools.convert(tmp_path, weights="ww")
    tools.write_csv(tmp_path / "raw" / "a.csv", [*rows, [40, 1, -1]], "x,label,w")
    with pytest.raises(DataError, match=r"a\.csv: line 42: a weight must be finite and at least 0, got -1"):
        tools.convert(tmp_path, weights="w")


@pytest.mark.parametrize("said", [{}, {"set_number": 2}, {"set_number": "none"}])
def test_each_sample_has_its_weight_in_whatever_order_the_files_are_said_to_be(tmp_path: Path, tools, said):
    for file, name in enumerate(["a1_1", "a1_3", "a2_2"]):
        rows = [[16 * file + i, i % 2, (16 * file + i) / 10] for i in range(16)]
        tools.write_csv(tmp_path / "raw" / f"{name}.csv", rows, "x,label,w")
    shards = tools.convert(tmp_path, weights="w", reading=said)
    for name in ("train", "val"):
        assert shards.split(name).weights.tolist() == pytest.approx([x / 10 for x in values(shards, name)])


@pytest.mark.parametrize("name", ["../../out", "/tmp/out", "a b", "a/b", "ä"])
@pytest.mark.parametrize("suffix", ["npz", "parquet"])
def test_the_name_of_an_input_never_chooses_where_files_are_written(tmp_path: Path, tools, name: str, suffix: str):
    (tmp_path / "raw").mkdir()
    path = tmp_path / "raw" / f"data.{suffix}"
    if suffix == "npz":
        np.savez_compressed(path, **{name: np.ones((40, 2)), "other": np.ones((40, 2)), "label": np.arange(40) % 2})
    else:
        steps = [[1.0] * (1 + i % 3) for i in range(40)]
        parquet.write_table(pa.table({name: steps, "other": steps, "label": np.arange(40) % 2}), path)
    with pytest.raises(DataError, match=r"raw: the input '.*' must have a name of letters, digits and _, at most 64"):
        tools.convert(tmp_path)
    assert not list(tmp_path.rglob("*.values"))


def test_data_without_labels_says_what_to_do(tmp_path: Path, tools):
    sets(tmp_path / "raw", {1: 4, 2: 4})
    with pytest.raises(
        DataError, match=r"raw: no labels were found; name labels\.column or labels\.path, or set labels"
    ):
        tools.convert(tmp_path, labels={"kind": "binary"})


def test_sets_that_share_a_group_stay_together(tmp_path: Path, tools):
    for number in range(1, 9):
        person = (number + 1) // 2
        rows = [[number * 100 + i, i % 2, f"p{person}"] for i in range(6)]
        tools.write_csv(tmp_path / "raw" / f"s{number}.csv", rows, "x,label,who")
    shards = tools.convert(tmp_path, samples_per_set="file", splits={"train": 0.5, "val": 0.5, "group": "who"})
    found = [{(number + 1) // 2 for number in shards.split(name).sets.tolist()} for name in ("train", "val")]
    assert not found[0] & found[1]
    assert found[0] | found[1] == {1, 2, 3, 4}


LOADER = '''
import numpy as np
import pyarrow as pa


def load(path):
    """Ten sequences a file, of 3 to 8 steps of 2 values."""
    rng = np.random.default_rng(int(path.stem))
    return {"x": [rng.random((int(steps), 2)) for steps in rng.integers(3, 9, 10)], "label": np.arange(10) % 2}
'''


@pytest.mark.parametrize(
    "changes", [{}, {"shuffle": True}, {"compression": "zstd"}, {"samples_per_set": 3, "remainder": "oversample"}]
)
def test_sequences_of_different_lengths_come_back_whole(tmp_path: Path, tools, changes):
    (tmp_path / "raw").mkdir()
    (tmp_path / "mine.py").write_text(LOADER)
    for number in range(1, 5):
        (tmp_path / "raw" / f"{number}.xyz").write_text("")
    shards = tools.convert(
        tmp_path, labels={"kind": "binary"}, loader="mine:load", samples_per_shard=7, block_bytes=4096, **changes
    )
    space: dict[str, object] = {}
    exec(LOADER, space)
    lengths = []
    for name in ("train", "val"):
        split = shards.split(name)
        for index, (sequence, length) in enumerate(
            zip(split.take(np.arange(len(split))), split.lengths["x"], strict=True)
        ):
            file, row = split.raw(index)
            whole = space["load"](Path(file))["x"][row]
            assert np.array_equal(sequence, whole.astype(np.float32))
            assert len(sequence) == length
            assert split.labels[index] == row % 2
        lengths += split.lengths["x"].tolist() if name == "train" else []
    told = shards.info.lengths
    assert (told.min, told.max, told.mean) == (min(lengths), max(lengths), sum(lengths) / len(lengths))
    assert shards.info.shape == (None, 2)
    files = [int(shards.split("train").raw(index)[0].split(".")[0]) for index in range(20)]
    assert (files == sorted(files)) == (not changes.get("shuffle"))


def test_several_inputs_of_a_sample_stay_together(tmp_path: Path, tools):
    (tmp_path / "raw").mkdir()
    number = np.arange(60)
    np.savez(
        tmp_path / "raw" / "all.npz",
        image=number[:, None, None] + np.zeros((60, 2, 2)),
        extra=number[:, None] * 10.0,
        label=number % 2,
    )
    shards = tools.convert(tmp_path, labels={"kind": "binary"}, samples_per_shard=11)
    assert shards.info.shape == {"image": (2, 2), "extra": (1,)}
    assert shards.info.statistics["extra"].mean == 10 * shards.info.statistics["image"].mean
    for name in ("train", "val"):
        split = shards.split(name)
        found = split.take(np.arange(len(split)))
        assert (found["image"][:, 1, 1] * 10 == found["extra"][:, 0]).all()
        assert (found["image"][:, 0, 0] % 2 == split.labels).all()
