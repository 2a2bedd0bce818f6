"""Every byte against its record: which file breaks which rule, by which value."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deeptrain import lineage
from deeptrain.errors import ArtifactError, LockedError
from deeptrain.files import readable_json
from deeptrain.store import artifact, locks, verification
from tests.conftest import write_experiment
from tests.published_runs import publish, seen


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = write_experiment(tmp_path_factory.mktemp("published") / "here")
    publish(lineage.read(file, store=file.parent / "runs"), files=2)
    return file.parent / "runs"


@pytest.fixture
def store(published: Path, tmp_path: Path) -> Path:
    """It lies where its owner likes, in directories that are called as those in a run are."""
    return Path(shutil.copytree(published, tmp_path / "training-data/sessions/shards-1/runs"))


def one(store: Path, pattern: str) -> Path:
    return next(store.glob(pattern))


def test_a_whole_store_a_run_and_an_artifact_are_as_recorded(store: Path) -> None:
    (store / "tiny/.subset-0.1.00000000").mkdir()
    (store / "tiny/quarantine/subset-0000000000000000").mkdir(parents=True)
    before = seen(store)
    whole = verification.verify(store)
    assert whole.faults == ()
    assert whole.artifacts == 3 + 3 + 3 + 5  # samples, a part, what joins; epochs and states; stages
    assert verification.verify(store / "tiny") == whole
    assert verification.verify(one(store, "tiny/subset-*")).artifacts == 1
    assert seen(store) == before


@pytest.mark.parametrize(
    ("pattern", "damage", "file", "rule", "value"),
    [
        ("threshold-*", lambda at: (at / "made").write_bytes(b"thrashold"), "made", "must have sha256 ", "has "),
        ("threshold-*", lambda at: (at / "made").write_bytes(b"thr"), "made", "must have 9 bytes", "has 3"),
        ("shards-*/parts/0001", lambda at: (at / "00001").unlink(), "00001", "must be there", "is missing"),
        ("subset-*", lambda at: (at / "more").touch(), "more", "must be recorded in the manifest", "is not"),
        (
            "samples-*",
            lambda at: (at / "manifest.json").unlink(),
            "manifest.json",
            "must be a manifest that is whole",
            "cannot be read: No such file or directory",
        ),
        (
            "training-*/states/0002",
            lambda at: (at / "manifest.json").write_text('{"format": 2}'),
            "manifest.json",
            "must be a manifest that is whole",
            "format must be 1, got 2: written by another version",
        ),
        (
            "training-*/epochs/0003",
            lambda at: (at / "metrics.json").rename(at / "x") and (at / "metrics.json").symlink_to("x"),
            "metrics.json",
            "must be a regular file",
            "is none",
        ),
    ],
)
def test_damage_is_told_by_file_rule_and_value(
    store: Path, pattern: str, damage: Callable[[Path], object], file: str, rule: str, value: str
) -> None:
    at = one(store, f"tiny/{pattern}")
    damage(at)
    first, *_ = verification.verify(store).faults
    assert (first.artifact, first.file) == (at, file)
    assert first.rule.startswith(rule)
    assert first.value.startswith(value)


@pytest.mark.parametrize("pattern", ["shards-*/whole", "shards-*/parts/0001", "training-*/unfinished/*"])
def test_an_artifact_without_a_manifest_is_told_wherever_it_stands(store: Path, pattern: str) -> None:
    shutil.copytree(one(store, "tiny/training-*/epochs/0002"), one(store, "tiny/training-*") / "unfinished/00004.007")
    at = one(store, f"tiny/{pattern}")
    (at / "manifest.json").unlink()
    assert (at, "manifest.json") in [(fault.artifact, fault.file) for fault in verification.verify(store).faults]


def test_what_is_damaged_is_set_aside_and_what_is_only_stale_stays(store: Path) -> None:
    state = one(store, "tiny/training-*/states/0003")
    (state / "state.safetensors").write_bytes(b"x")
    predictions = one(store, "tiny/predictions-*")
    predictions.joinpath("manifest.json").write_text("{")
    moved = verification.set_aside(verification.verify(store).faults)
    assert sorted(moved) == [store / f"tiny/quarantine/{predictions.name}.1", state.parent / "quarantine/0003.1"]
    assert verification.verify(store).faults == ()
    fault = verification.Fault(one(store, "tiny/report-*"), "manifest.json", "must be made from", "was", stale=True)
    assert verification.set_aside([fault]) == []


@pytest.mark.parametrize(
    ("written", "damaged"),
    [
        ("training-*", "epochs/0003"),
        ("training-*", "states/0003"),
        ("shards-*/parts/0001", "."),
        ("shards-*/whole", "."),
        ("predictions-*", "."),
    ],
)
def test_what_another_process_writes_is_not_set_aside(written: str, damaged: str, store: Path) -> None:
    locked = one(store, f"tiny/{written}")
    (locked / damaged / "manifest.json").write_bytes(b"")
    name = locked.relative_to(store / "tiny").as_posix().replace("/", "__")
    with locks.lock_of(store / "tiny", locked), pytest.raises(LockedError, match=f"{name} is being written"):
        verification.set_aside(verification.verify(store).faults)
    assert (locked / damaged).is_dir()
    assert [path for path in store.parents[2].rglob("live") if not path.is_relative_to(store)] == []


def test_all_damage_is_told_not_the_first_alone(store: Path) -> None:
    for part in ("00000", "00001"):
        (one(store, "tiny/shards-*/parts/0001") / part).write_bytes(b"y")
    (one(store, "tiny/report-*") / "made").unlink()
    assert [fault.file for fault in verification.verify(store).faults] == ["made", "00000", "00001"]


def test_an_artifact_that_stands_in_anothers_place_is_told(store: Path) -> None:
    threshold, subset = one(store, "tiny/threshold-*"), one(store, "tiny/subset-*")
    shutil.rmtree(threshold)
    shutil.copytree(subset, threshold)
    epochs = one(store, "tiny/training-*/epochs")
    shutil.rmtree(epochs / "0002")
    shutil.copytree(epochs / "0003", epochs / "0002")
    found = {fault.artifact.name: fault for fault in verification.verify(store).faults}
    assert found[threshold.name].rule == f"must be of {threshold.name}, as the directory is called"
    assert found[threshold.name].value == f"is of {subset.name}"
    assert (found["0002"].rule, found["0002"].value) == ("must be of epoch 2, where it stands", "is of epoch 3")


def test_an_epoch_of_another_training_and_a_stale_artifact_are_told(store: Path) -> None:
    file = store.parent / "other/tiny.toml"
    write_experiment(file.parent)
    plan = lineage.read(file, store=file.parent / "runs", settings={"training.batch_size": 8})
    publish(plan)
    epoch = one(store, "tiny/training-*/epochs/0002")
    shutil.rmtree(epoch)
    shutil.copytree(plan.training.epoch(2).directory, epoch)
    rules = {fault.artifact.name: fault.rule for fault in verification.verify(store).faults}
    assert rules["0002"].startswith("must go on from the epoch before it, ")

    predictions = plan.stages["predictions"]
    links = plan.checker.links(predictions)
    shutil.rmtree(predictions.directory)
    with artifact.writing(predictions, links) as writer:
        writer.write("made", b"otherwise")
    stale = {fault.artifact.name.partition("-")[0] for fault in verification.verify(file.parent / "runs").faults}
    assert stale == {"threshold", "subset", "evaluation", "report"}


def test_settings_of_another_type_are_no_traceback(store: Path) -> None:
    path = one(store, "tiny/training-*/epochs/0002") / "manifest.json"
    value = json.loads(path.read_text())
    value["settings"]["epoch"] = [2]
    value["sha256"] = verification.manifests.digest_of({key: one for key, one in value.items() if key != "sha256"})
    path.write_bytes(readable_json(value))
    assert verification.verify(store).faults[0].value == "is of epoch [2]"


def test_what_is_no_store_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="nowhere: no such directory; name a store"):
        verification.verify(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match="holds no artifact"):
        verification.verify(tmp_path)
