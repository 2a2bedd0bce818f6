"""Where the trainings of a store stand."""

import json
import os
import platform
import shutil
from pathlib import Path

import pytest

from deeptrain import inventory, lineage
from deeptrain.errors import ArtifactError, LockedError
from deeptrain.store import locks
from deeptrain.store.locks import lock_of
from deeptrain.training.chronicle import Chronicle
from tests.published_runs import publish_epoch, seen


def test_a_finished_training_is_told_with_its_best_epoch(here: Path) -> None:
    before = seen(here)
    (one,) = inventory.of(here / "runs")
    training = next(here.glob("runs/tiny/training-*"))
    assert (one.run, one.training, one.name) == ("tiny", training.name, training.name)
    assert (one.state, one.epochs, one.asked) == ("finished", 3, None)
    assert (one.key_metric, one.best_epoch, one.best) == ("loss", 3, 1 / 3)
    assert (one.running, one.fault, one.stopped) == ("", "", "")
    assert one.changed >= (training / "epochs").stat().st_mtime_ns / 1e9
    assert seen(here) == before
    assert inventory.of(here / "runs/tiny") == (one,)


def test_a_training_that_was_to_reach_more_is_unfinished(here: Path) -> None:
    training = next(here.glob("runs/tiny/training-*"))
    Chronicle(training / "live", 4).begin(8)
    (one,) = inventory.of(here / "runs")
    assert (one.state, one.epochs, one.asked) == ("unfinished", 3, 8)
    Chronicle(training / "live", 4).begin(3)
    assert inventory.of(here / "runs")[0].state == "finished"
    shutil.rmtree(next(here.glob("runs/tiny/report-*")))
    assert inventory.of(here / "runs")[0].state == "trained"


def test_who_holds_the_lock_is_running_and_looking_takes_none(here: Path) -> None:
    training = next(here.glob("runs/tiny/training-*"))
    path = locks.path_of(here / "runs/tiny", training)
    assert locks.holder(path) is None
    with lock_of(here / "runs/tiny", training):
        (one,) = inventory.of(here / "runs")
        assert one.state == "running"
        assert one.running.startswith(f"process {os.getpid()} (")
    assert path.read_text()  # the one who had it is still named, and does not have it
    assert inventory.of(here / "runs")[0].state == "finished"


def test_who_builds_the_model_is_starting_and_who_was_killed_is_not(here: Path) -> None:
    training = next(here.glob("runs/tiny/training-*"))
    Chronicle(training / "live", 1).begin(9)

    def state(**said: object) -> tuple[str, str]:
        told = {"format": 1, "running": True, "host": platform.node(), "pid": os.getpid()} | said
        (training / "live/progress.json").write_text(json.dumps(told))
        (one,) = inventory.of(here / "runs")
        return one.state, one.running

    assert state() == ("unfinished", "")  # nobody works on the run
    with locks.run_lock(here / "runs/tiny", shared=True):
        assert state() == ("starting", f"process {os.getpid()}")
        for said in ({"running": False}, {"host": "another"}, {"pid": 999_999_999}, {"pid": "1"}, {"format": 2}):
            assert state(**said) == ("unfinished", "")
        with lock_of(here / "runs/tiny", training):
            assert state()[0] == "running"
    assert state() == ("unfinished", "")


def test_a_lock_of_another_machine_is_nobodys_here_and_is_named_to_who_wants_it(here: Path) -> None:
    training = next(here.glob("runs/tiny/training-*"))
    with lock_of(here / "runs/tiny", training):
        path = locks.path_of(here / "runs/tiny", training)
        assert path.read_text().startswith(f"process {os.getpid()} on {platform.node()} (")
        path.write_text(f'process {os.getpid()} on another-machine ("luigi")')
        assert locks.holder(path) is None
        said = rf'is being written by process {os.getpid()} on another-machine \("luigi"\); wait until it ends'
        with pytest.raises(LockedError, match=said):
            lock_of(here / "runs/tiny", training).acquire()


@pytest.mark.parametrize("text", ["", "process 0 (", "process 999999999 (luigi)", "\0\xff"])
def test_a_lock_file_that_names_nobody_who_has_it_open_is_held_by_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.lock").write_text(text)
    assert locks.holder(tmp_path / "a.lock") is None
    assert locks.holder(tmp_path) is None


def test_damage_is_told_in_its_line_and_hides_no_other_training(here: Path) -> None:
    plan = lineage.read(here / "tiny.toml", store=here / "runs", settings={"training.batch_size": 8})
    publish_epoch(plan, 1)
    (plan.training.epoch(1).directory / "progress.json").write_text("{}")
    states = {one.training: one for one in inventory.of(here / "runs")}
    assert len(states) == 2
    assert states[plan.training.directory.name].state == "damaged"
    assert "progress.json: expected " in states[plan.training.directory.name].fault


def test_a_training_without_an_epoch_and_a_store_without_a_training(tmp_path: Path) -> None:
    (tmp_path / "digits/training-0").mkdir(parents=True)
    assert [(one.state, one.epochs) for one in inventory.of(tmp_path)] == [("unfinished", 0)]
    assert inventory.of(tmp_path / "digits/training-0") == ()
    with pytest.raises(ArtifactError, match="nowhere: no such store"):
        inventory.of(tmp_path / "nowhere")
