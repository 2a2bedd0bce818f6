"""What may go from a store, on artifacts that are written by hand."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deeptrain import cleaning
from deeptrain.cleaning import Rules
from deeptrain.errors import ArtifactError, LockedError
from deeptrain.store import artifact, locks
from deeptrain.store.completeness import Checker
from deeptrain.store.specification import Specification
from deeptrain.training import interventions
from deeptrain.training.interventions import Intervention

DAY = 86_400
NOW = time.time()


def _make(made: Specification) -> Specification:
    if not made.directory.exists():
        with artifact.writing(made, Checker().links(made)) as writer:
            writer.write("data", made.stage.encode() * 100)
    return made


def publish(
    store: Path, rate: float, *, name: str = "one", days: float = 0, epochs: int = 3, report: bool = True
) -> Path:
    """A run of one learning rate, with its shards, which all rates share; returns its training."""
    root = store / name
    shards = Specification("shards", 1, root, {"seed": 1})
    whole = _make(Specification("shards", 1, shards.directory, shards.settings, name="whole"))
    training = Specification("training", 1, root, {"rate": rate}, {"shards": whole}).directory
    last = None
    for number in range(1, epochs + 1):
        inputs = {"shards": whole} if last is None else {"shards": whole, "epoch": last}
        settings = {"rate": rate, "epoch": number}
        last = _make(Specification("epoch", 1, training / "epochs", settings, inputs, name=f"{number:04d}"))
        _make(Specification("state", 1, training / "states", {"epoch": number, "rate": rate}, name=f"{number:04d}"))
    assert last is not None
    predictions = _make(Specification("predictions", 1, root, {"rate": rate}, {"shards": whole, "training": last}))
    if report:
        inputs = {"predictions": predictions, "training": last, "shards": whole}
        made = _make(Specification("report", 1, root, {"rate": rate}, inputs))
        (root / "live").mkdir(exist_ok=True)
        (root / "live/latest.json").write_text(json.dumps({"report": made.directory.name, "training": training.name}))
    for path in [*root.glob("*-*"), *root.glob("*-*/**/*")]:
        if path.stat().st_mtime > NOW - DAY / 2:
            os.utime(path, (NOW - days * DAY, NOW - days * DAY))
    return training


def going(store: Path, **rules: object) -> dict[str, str]:
    """What may go, by its name, with the reason."""
    found = cleaning.find(store, Rules(**rules), NOW)  # type: ignore[arg-type]
    return {piece.directory.name: piece.why for piece in found.pieces}


def stages(names: dict[str, str]) -> list[str]:
    """The stages of what may go."""
    return sorted(name.partition("-")[0] for name in names)


def test_what_a_finished_run_was_made_from_stays_and_the_rest_goes(tmp_path: Path) -> None:
    publish(tmp_path, 0.1)
    other = publish(tmp_path, 0.2, epochs=2, report=False)
    found = going(tmp_path)
    assert stages(found) == ["predictions", "training"]
    assert found[other.name] == "no finished run that stays refers to it; epochs done: 2"
    cleaning.remove(cleaning.find(tmp_path, Rules(), NOW).pieces)
    assert not other.exists()
    assert going(tmp_path) == {}
    assert stages(dict.fromkeys(path.name for path in tmp_path.glob("one/*-*"))) == [
        "predictions", "report", "shards", "training",
    ]  # fmt: skip


def test_an_experiment_that_never_finished_a_run_is_left_alone_until_age_is_asked_for(tmp_path: Path) -> None:
    publish(tmp_path, 0.1, days=40, report=False)
    found = cleaning.find(tmp_path, Rules(), NOW)
    assert found.pieces == ()
    assert found.left == (
        f"{tmp_path / 'one'} is left alone: no run of it is finished yet; --older-than takes from it",
    )
    assert stages(going(tmp_path, older_than=30 * DAY)) == ["predictions", "shards", "training"]
    assert going(tmp_path, older_than=50 * DAY) == {}


def test_the_newest_finished_runs_stay_and_the_one_of_the_newest_job_is_the_newest(tmp_path: Path) -> None:
    first, second, third = (publish(tmp_path, rate, days=days) for rate, days in ((0.1, 3), (0.2, 2), (0.3, 1)))
    assert first.name in going(tmp_path, keep_last=2)
    assert {second.name, third.name} & going(tmp_path, keep_last=2).keys() == set()
    publish(tmp_path, 0.1)  # it is all there: the job says which one it is of
    assert {second.name, third.name} <= going(tmp_path, keep_last=1).keys()
    assert first.name not in going(tmp_path, keep_last=1)
    assert all(not name.startswith("shards-") for name in going(tmp_path, keep_last=1))


def test_age_takes_old_runs_with_what_only_they_need_and_nothing_younger(tmp_path: Path) -> None:
    old, _ = publish(tmp_path, 0.1, days=40), publish(tmp_path, 0.2, days=1)
    publish(tmp_path, 0.3, days=1, report=False)
    found = going(tmp_path, older_than=30 * DAY)
    assert stages(found) == ["predictions", "report", "training"]
    assert old.name in found
    assert going(tmp_path, older_than=30 * DAY, keep_last=2) == {}
    assert stages(going(tmp_path, older_than=30 * DAY, keep_last=1)) == ["predictions", "report", "training"]
    cleaning.remove(cleaning.find(tmp_path, Rules(older_than=0.5 * DAY), NOW).pieces)
    assert list(tmp_path.glob("one/*-*")) == []
    assert not (tmp_path / "one/live/latest.json").exists()


def test_what_another_experiment_or_a_session_needs_stays(tmp_path: Path) -> None:
    needed = publish(tmp_path, 0.1)
    behind = publish(tmp_path, 0.2, report=False)
    predictions = next(path for path in tmp_path.glob("one/predictions-*") if path.name not in going(tmp_path))
    (made,) = tmp_path.glob("one/report-*")
    root = tmp_path / "two"
    found = artifact.open(predictions)
    member = Specification("members", 1, root, {})
    report = Specification("report", 1, root, {})
    with artifact.writing(member, {"predictions of one": found.link}) as writer:
        writer.write("data", b"")
    with artifact.writing(report, {"members": artifact.open(member.directory).link}) as writer:
        writer.write("data", b"")
    shutil.rmtree(made)  # its run is no run of its own any more
    publish(tmp_path, 0.3)
    epoch = artifact.open(behind / "epochs/0002")
    session = Specification("epoch", 1, tmp_path / "one/sessions/mine/epochs", {}, name="0003")
    with artifact.writing(session, {"epoch": epoch.link}) as writer:
        writer.write("data", b"")
    assert needed.name not in going(tmp_path)
    assert behind.name not in going(tmp_path)
    assert stages(going(tmp_path)) == ["predictions"]


def test_changes_by_hand_are_undone_with_all_that_was_made_from_them(tmp_path: Path) -> None:
    training = publish(tmp_path, 0.1)
    plain = publish(tmp_path, 0.2)
    before = artifact.open(training / "epochs/0001").manifest
    interventions.write(training, (Intervention(2, 15, "learning_rate", 0.001),))
    found = cleaning.find(tmp_path, Rules(interventions=True), NOW)
    assert stages({piece.directory.name: piece.why for piece in found.pieces}) == ["predictions", "report", "training"]
    assert found.pieces[-1].why == "epochs from 2 on: changed by hand (learning_rate)"
    cleaning.remove(found.pieces)
    assert sorted(path.name for path in training.glob("*/0*")) == ["0001", "0001"]
    assert artifact.open(training / "epochs/0001").manifest == before
    assert interventions.read(training) == ()
    assert len(list(plain.glob("*/0*"))) == 6
    assert going(tmp_path, interventions=True) == {}


def test_quarantine_goes_when_it_is_named_and_not_before(tmp_path: Path) -> None:
    training = publish(tmp_path, 0.1)
    aside = artifact.set_aside(training / "states/0003")
    assert going(tmp_path) == {}
    found = cleaning.find(tmp_path, Rules(quarantine=True), NOW)
    assert [piece.directory for piece in found.pieces] == [aside.parent]
    assert found.bytes > 500
    assert going(tmp_path, quarantine=True, older_than=DAY) == {}
    cleaning.remove(found.pieces)
    assert not aside.parent.exists()


def test_a_run_that_somebody_works_on_or_writes_is_left_alone(tmp_path: Path) -> None:
    training = publish(tmp_path, 0.1, report=False)
    publish(tmp_path, 0.2)
    for lock in (locks.run_lock(tmp_path / "one", shared=True), locks.lock_of(tmp_path / "one", training)):
        before = cleaning.find(tmp_path, Rules(), NOW).pieces
        assert before
        with lock:
            found = cleaning.find(tmp_path, Rules(), NOW)
            assert found.pieces == ()
            assert f"is being written by process {os.getpid()}" in found.left[0]
            with pytest.raises(LockedError, match="wait until it ends"):
                cleaning.remove(before)
        assert training.exists()
    with locks.alone(tmp_path / "one"), pytest.raises(LockedError):
        locks.run_lock(tmp_path / "one", shared=True).acquire()
    with locks.run_lock(tmp_path / "one", shared=True), locks.run_lock(tmp_path / "one", shared=True):
        pass


def test_a_damaged_manifest_leaves_its_experiment_alone(tmp_path: Path) -> None:
    training = publish(tmp_path, 0.1)
    publish(tmp_path, 0.2, report=False)
    (training / "epochs/0002/manifest.json").write_text("{")
    found = cleaning.find(tmp_path, Rules(older_than=0), NOW + DAY)
    assert found.pieces == ()
    assert "what it refers to is not known" in found.left[0]


KILLED = """
import os, shutil, sys, time
from pathlib import Path
from deeptrain import cleaning
shutil.rmtree = lambda path, **_: os._exit(9)
cleaning.remove(cleaning.find(Path(sys.argv[1]), cleaning.Rules(), time.time()).pieces)
"""


def test_a_kill_in_the_middle_leaves_whole_artifacts_and_litter_that_goes_next(tmp_path: Path) -> None:
    publish(tmp_path, 0.1)
    publish(tmp_path, 0.2, report=False)
    before = {path for path in tmp_path.glob("one/*-*") if not path.name.startswith(".")}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", KILLED, tmp_path], env=environment, check=False).returncode == 9
    after = {path for path in tmp_path.glob("one/*-*") if not path.name.startswith(".")}
    assert len(before - after) == 1
    found = cleaning.find(tmp_path, Rules(), NOW)
    assert any(piece.why == "left by a command that was killed" and piece.bytes > 100 for piece in found.pieces)
    cleaning.remove(found.pieces)
    assert cleaning.find(tmp_path, Rules(), NOW).pieces == ()
    assert list(tmp_path.glob("one/.*")) == []


def test_a_store_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such directory of runs; name it with --store"):
        cleaning.find(tmp_path / "gone", Rules(), NOW)


def test_links_are_not_followed(tmp_path: Path) -> None:
    store, outside = tmp_path / "runs", tmp_path / "outside"
    training = publish(outside, 0.1, report=False)
    publish(store, 0.2)
    (store / "one" / training.name).symlink_to(training)
    (store / "linked").symlink_to(outside / "one")
    assert going(store) == {}
