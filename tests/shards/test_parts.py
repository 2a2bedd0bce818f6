"""Parts of a conversion: the same bytes in any order, by any number of processes, through any kill."""

import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from deeptrain.errors import AlteredError, DataError
from deeptrain.shards import conversion, plan, reading
from deeptrain.store import artifact
from deeptrain.store.completeness import Checker

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
SPLITS = {"train": 0.5, "val": 0.25, "test": 0.25}


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw files of a few KiB are converted in several parts, as large ones are."""
    monkeypatch.setattr(plan, "PART_BYTES", 2048)


def arrays(base: Path, samples: int = 300, files: int = 3, columns: int = 5) -> np.ndarray:
    """Arrays of different numbers everywhere, labels in a file beside them."""
    (base / "raw").mkdir(parents=True)
    values = np.arange(samples * columns, dtype=np.float64).reshape(samples, columns)
    for number, rows in enumerate(np.array_split(values, files), 1):
        np.save(base / "raw" / f"set{number}.npy", rows)
    np.save(base / "raw" / "labels.npy", np.arange(samples) % 2)
    return values


def table(base: Path, samples: int = 300) -> None:
    """The same kind of data in a file that cannot be read at random."""
    (base / "raw").mkdir(parents=True)
    lines = [f"{5 * i},{5 * i + 1},{5 * i + 2},{i % 2}" for i in range(samples)]
    (base / "raw" / "all.csv").write_text("\n".join(["a,b,c,label", *lines]) + "\n")


def manifests(root: Path) -> dict[Path, object]:
    """The manifests of published artifacts, and when each was written."""
    found = {path: path.stat() for path in root.rglob("manifest.json")}
    return {
        path: (status.st_ino, status.st_ctime_ns)
        for path, status in found.items()
        if not path.parent.name.startswith(".") and "quarantine" not in path.parts
    }


CHANGES = {"splits": SPLITS, "samples_per_set": 8, "samples_per_shard": 20}
ARRAYS = {**CHANGES, "labels": {"kind": "binary"}}


def finish(made: plan.Conversion, tools) -> dict[str, bytes]:
    conversion.make(made, Checker())
    return tools.tree(made.root)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(("raw", "changes"), [(arrays, ARRAYS), (table, CHANGES)])
def test_parts_have_the_same_bytes_in_any_order_and_with_any_memory(tmp_path: Path, tools, raw, changes):
    raw(tmp_path)
    expected = finish(tools.planned(tmp_path, **changes), tools)
    count = len(tools.planned(tmp_path, **changes).parts)
    assert count > 2
    orders = list(itertools.permutations(range(1, count + 1)))
    for order, memory in zip(orders[1 :: len(orders) // 3], (1, 700, 10_000), strict=False):
        made = tools.planned(tmp_path, **changes)
        conversion.make_samples(made, Checker())
        for number in order:
            conversion.make_part(made, Checker(), number, memory)
        conversion.make_whole(made, Checker())
        assert tools.tree(made.root) == expected


@pytest.mark.usefixtures("small_parts")
def test_any_number_of_processes_gives_the_same_bytes(tmp_path: Path, tools):
    arrays(tmp_path)
    made = tools.planned(tmp_path, **ARRAYS)
    told = []
    conversion.make(made, Checker(), processes=3, watch=told.append)
    assert tools.tree(made.root) == finish(tools.planned(tmp_path, **ARRAYS), tools)
    assert sorted(progress.part for progress in told if progress.stage == "part") == list(range(1, len(made.parts) + 1))
    assert sum(progress.samples for progress in told if progress.stage == "part") == 300


@pytest.mark.usefixtures("small_parts")
def test_the_progress_of_each_stage_reaches_its_end(tmp_path: Path, tools):
    table(tmp_path)
    told = []
    made = tools.planned(tmp_path, **CHANGES)
    conversion.make(made, Checker(), watch=told.append)
    last = {(progress.stage, progress.part): progress for progress in told}
    assert list(last) == [("samples", 0), *(("part", n + 1) for n in range(len(made.parts))), ("shards", 0)]
    assert all(progress.samples == progress.of for progress in last.values())
    assert sum(progress.samples for key, progress in last.items() if key[0] == "part") == 300


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from deeptrain.shards import conversion, plan

    plan.PART_BYTES = 2048
    left = [int(sys.argv[2])]

    def watch(progress):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    conversion.convert("raw", sys.argv[1], watch=watch, memory=2000, splits={"train": 0.5, "val": 0.25, "test": 0.25},
                       samples_per_set=8, samples_per_shard=20, labels={"kind": "binary"})
"""


def test_a_killed_conversion_repeats_only_the_part_in_hand_and_ends_with_the_same_bytes(tmp_path: Path, tools):
    arrays(tmp_path)

    def run(directory: str, kill_after: int) -> int:
        command = [sys.executable, "-c", textwrap.dedent(KILLED), directory, str(kill_after)]
        return subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, check=False).returncode

    assert run("whole", 10**9) == 0
    expected = tools.tree(tmp_path / "whole")
    done: dict[Path, object] = {}
    for kill_after in (0, 2, 9, 10**9):
        code = run("killed", kill_after)
        assert code == (0 if kill_after == 10**9 else -9)
        now = manifests(tmp_path / "killed")
        assert done.items() <= now.items()  # what was finished was not made again
        done = now
    assert len(done) == len([name for name in expected if name.endswith("manifest.json")])
    kept = {name: data for name, data in tools.tree(tmp_path / "killed").items() if "/." not in f"/{name}"}
    assert kept == expected


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("damage", ["missing", "deleted", "short", "altered"])
def test_a_damaged_part_alone_is_made_again(tmp_path: Path, tools, damage):
    arrays(tmp_path)
    made = tools.planned(tmp_path, **ARRAYS)
    expected = finish(made, tools)
    part = made.parts[1].directory
    file = next(part.glob("*.x.npy"))
    before = manifests(made.root)
    if damage == "missing":
        shutil.rmtree(part)
    elif damage == "deleted":
        file.unlink()
    elif damage == "short":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        data = bytearray(file.read_bytes())
        data[-2] ^= 1
        file.write_bytes(data)
        assert Checker().complete(made.whole)  # sizes are right
        shards = reading.open(made.directory)
        split = shards.split(file.name.split("-")[0])
        with pytest.raises(AlteredError, match=file.name) as error:
            split.take(np.arange(len(split)))
        assert error.value.directory == part
        artifact.set_aside(part)
    conversion.make(made, Checker())
    found = {name: data for name, data in tools.tree(made.root).items() if "quarantine" not in name}
    assert found == expected
    after = manifests(made.root)
    assert [path.parent for path in before if before[path] != after[path]] == [part]


@pytest.mark.usefixtures("small_parts")
def test_a_whole_that_is_missing_is_joined_again_without_touching_parts(tmp_path: Path, tools):
    arrays(tmp_path)
    made = tools.planned(tmp_path, **ARRAYS)
    expected = finish(made, tools)
    before = [part.directory.stat().st_ino for part in made.parts]
    shutil.rmtree(made.whole.directory)
    assert finish(made, tools) == expected
    assert [part.directory.stat().st_ino for part in made.parts] == before


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("processes", [1, 2])
def test_a_flipped_bit_in_parsed_values_never_reaches_a_shard(tmp_path: Path, tools, processes: int):
    table(tmp_path)
    made = tools.planned(tmp_path, **CHANGES)
    finish(made, tools)
    file = made.samples.directory / "x.values"
    data = bytearray(file.read_bytes())
    data[1234] ^= 1
    file.write_bytes(data)
    for part in made.parts:
        shutil.rmtree(part.directory)
    with pytest.raises(AlteredError, match=r"x\.values: altered: sample \d+ is not as it was parsed$") as error:
        conversion.make(made, Checker(), processes=processes)
    assert error.value.directory == made.samples.directory


def test_raw_files_that_change_while_they_are_converted_are_noticed(tmp_path: Path, tools):
    arrays(tmp_path)
    made = tools.planned(tmp_path, **ARRAYS)
    np.save(tmp_path / "raw" / "set1.npy", np.ones((100, 5)))
    with pytest.raises(DataError, match="raw: changed while it was converted; run the same again"):
        conversion.make(made, Checker())
    assert not list(made.root.glob("samples-*"))


def test_the_number_of_parts_follows_from_the_sizes_of_raw_files_alone():
    assert [plan._parts(size) for size in (0, 1, 256 << 20, (256 << 20) + 1, 1 << 40)] == [1, 1, 1, 2, 64]


LIMITED = """
    import json, resource, sys
    import pyarrow, scipy.sparse, xxhash
    from deeptrain.shards import conversion

    data = next(line for line in open("/proc/self/status") if line.startswith("VmData"))
    limit = (int(data.split()[1]) << 10) + int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
    conversion.convert("raw", "out", memory=int(sys.argv[1]) // 3, **json.loads(sys.argv[2]))
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_DATA"), reason="needs a limit of private memory that is enforced")
@pytest.mark.parametrize("staged", [False, True])
def test_data_of_four_times_the_memory_is_shuffled_across_the_whole_set(tmp_path: Path, staged):
    memory, columns = 32 << 20, 1024
    samples = 4 * memory // (4 * columns)
    (tmp_path / "raw").mkdir()
    values = np.arange(samples, dtype=np.float32)[:, None] + np.zeros(columns, np.float32)
    name = "x.npz" if staged else "x.npy"
    np.savez_compressed(tmp_path / "raw" / name, x=values) if staged else np.save(tmp_path / "raw" / name, values)
    settings = {"splits": {"train": 0.75, "val": 0.25}, "labels": "input", "samples_per_shard": 5000}
    command = [sys.executable, "-c", textwrap.dedent(LIMITED), str(memory), json.dumps(settings)]
    subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, check=True)
    shards = reading.open(next((tmp_path / "out").glob("shards-*")))
    train = shards.split("train")
    seen = np.concatenate([split.take(np.arange(len(split)))[:, 7] for split in (train, shards.split("val"))])
    assert np.array_equal(np.sort(seen), np.arange(samples))
    assert abs(np.corrcoef(seen[:-1], seen[1:])[0, 1]) < 0.05  # in no order


def test_the_litter_of_a_killed_conversion_goes_with_the_next_one(tmp_path: Path):
    arrays(tmp_path)
    litter = [tmp_path / "out" / name for name in (".samples-0123456789abcdef.1.01234567", ".other.1.01234567")]
    for place in litter:
        place.mkdir(parents=True)
    conversion.convert(tmp_path / "raw", tmp_path / "out", **ARRAYS)
    assert not [place for place in litter if place.exists()]


@pytest.mark.usefixtures("small_parts")
def test_raw_files_may_move_between_two_parts_of_one_process(tmp_path: Path, tools):
    arrays(tmp_path)
    first = tools.planned(tmp_path, "out", **ARRAYS)
    conversion.make_samples(first, Checker())
    conversion.make_part(first, Checker(), 1)
    (tmp_path / "raw").rename(tmp_path / "moved")
    second = tools.planned(tmp_path, "out", **ARRAYS, path="moved")
    assert second.whole.identity == first.whole.identity
    conversion.make(second, Checker())
    assert Checker().complete(first.whole)
