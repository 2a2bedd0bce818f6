"""What the pages are told of a store."""

import json
import os
import platform
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deeptrain.errors import ArtifactError
from deeptrain.store.events import EventLog
from deeptrain.store.locks import lock_of
from deeptrain.training.chronicle import Chronicle
from pipelines.ui import view
from pipelines.ui.runs import Runs
from tests.pipelines.conftest import Trained
from tests.pipelines.ui.served import serving
from tests.pipelines.ui.test_server import progress
from tests.published_runs import seen


def say(training: Path, **changed: object) -> None:
    (training / "live").mkdir(exist_ok=True)
    (training / "live/progress.json").write_text(json.dumps(progress(**changed)))


def test_looking_at_a_store_writes_nothing(store: Path, training: Path) -> None:
    say(training)
    before = seen(store)
    runs = Runs(store)
    assert len(runs.listed()) == 1
    shown = runs.shown("tiny", training.name)
    assert [one.epoch for one in shown.epochs] == [1, 2, 3]
    assert shown.report == next(store.glob("tiny/report-*")).name
    assert {line.stage for line in shown.lineage} >= {"shards", "training", "predictions", "report"}
    assert seen(store) == before


def test_a_state_is_what_the_lock_the_files_and_the_log_say_together(store: Path, training: Path) -> None:
    runs = Runs(store)

    def state() -> str:
        (one,) = runs.listed()
        assert runs.shown("tiny", training.name).listed.state == one.state
        return one.state

    assert state() == "complete"
    say(training)
    with lock_of(store / "tiny", training):
        assert state() == "training"
        say(training, phase="paused", paused=True)
        assert state() == "paused"
    shutil.rmtree(next(store.glob("tiny/report-*")))
    Chronicle(training / "live", 1).begin(3)
    assert state() == "trained"
    Chronicle(training / "live", 1).begin(9)
    assert state() == "stopped"
    log = EventLog(store / "tiny/live/events.jsonl")
    log.append("task", artifact=f"{training.name}/epochs/0004", outcome="failed", said="the loss is not finite")
    assert state() == "failed"
    assert runs.listed()[0].why == "the loss is not finite"
    log.append("task", artifact=f"{training.name}/epochs/0004", outcome="stopped", said="stopped in epoch 4")
    assert state() == "stopped"
    (training / "epochs/0003/metrics.json").write_text("")
    os.utime(training / "epochs")
    assert state() == "damaged"


def test_a_training_on_another_machine_is_believed_as_long_as_it_speaks(store: Path, training: Path) -> None:
    Chronicle(training / "live", 1).begin(9)
    now = datetime.now(UTC).isoformat()
    for host, when, state in (
        ("another", now, "training"),
        (platform.node(), now, "stopped"),  # of this machine the lock is known
        ("another", "2026-01-01T00:00:00+00:00", "stopped"),
    ):
        say(training, host=host, updated=when)
        assert Runs(store).listed()[0].state == state


def test_what_was_read_is_read_again_when_it_changed(store: Path, training: Path) -> None:
    runs = Runs(store)
    assert len(runs.shown("tiny", training.name).epochs) == 3
    shutil.rmtree(training / "epochs/0003")
    assert len(runs.shown("tiny", training.name).epochs) == 2
    assert runs.listed()[0].standing.epochs == 2
    shutil.rmtree(training)
    assert runs.listed() == []
    with pytest.raises(ArtifactError, match="there is no training"):
        runs.shown("tiny", training.name)


def test_a_session_stands_in_the_list_under_its_run_and_has_a_page(store: Path, training: Path) -> None:
    session = Path(shutil.copytree(training, store / "tiny/sessions/warmer"))
    (store / "tiny/sessions/live").mkdir()
    shutil.rmtree(session / "epochs/0001")  # which it goes on behind
    (session / "live").mkdir(exist_ok=True)
    (session / "live/weights.png").write_bytes(b"x")
    runs = Runs(store)
    listed = {one.standing.run: one for one in runs.listed()}
    assert set(listed) == {"tiny", "tiny/sessions"}
    assert (listed["tiny/sessions"].standing.name, listed["tiny/sessions"].standing.epochs) == ("session warmer", 3)
    with serving(store) as served:
        assert 'href="/runs/tiny/sessions/warmer"' in served.ask("/").text
        page = served.ask("/runs/tiny/sessions/warmer")
        assert (page.status, "session warmer" in page.text, '<th scope="row">2</th>' in page.text) == (200, True, True)
        assert "nobody is training there" in served.say("tiny/sessions/warmer", "pause").text
    shown = runs.shown("tiny/sessions", "warmer")
    assert [one.epoch for one in shown.epochs] == [2, 3]
    with lock_of(store / "tiny/sessions", session):
        assert runs.shown("tiny/sessions", "warmer").listed.state == "training"


@pytest.mark.parametrize(
    "names",
    [
        ("tiny/sessions", "live"),
        ("tiny/sessions", ".."),
        ("tiny/..", "tiny"),
        ("/sessions", "x"),
        ("..", "training-0"),
        ("tiny", ".."),
        ("", ""),
        ("tiny", "epochs"),
        (".", "training-0"),
    ],
)
def test_an_address_names_a_training_and_nothing_else(store: Path, names: tuple[str, str]) -> None:
    with pytest.raises(ArtifactError, match="there is no training"):
        Runs(store).directory(*names)


def test_a_run_that_is_a_link_is_not_followed(store: Path, training: Path, tmp_path: Path) -> None:
    outside = Path(shutil.move(store / "tiny", tmp_path / "outside"))
    (store / "tiny").symlink_to(outside)
    with pytest.raises(ArtifactError, match="there is no training"):
        Runs(store).shown("tiny", training.name)


def test_a_finished_run_is_told_with_its_curves_pictures_and_hardest_samples(trained: Trained) -> None:
    store = trained.directory / "runs"
    training = next(store.glob("tiny/training-*"))
    shown = Runs(store).shown("tiny", training.name)
    assert [picture.names[-1] for picture in shown.pictures] == ["history.png", "state.png"]
    assert shown.hardest_split == "calibration"
    assert len(shown.hardest[0]["groups"][0]["samples"]) == 8
    (chart,) = view.charts(shown)
    assert (chart.left, chart.right, [name for name, *_ in chart.lines]) == (
        "epoch 1",
        "epoch 3",
        ["training", "validation"],
    )
    heads, rows = view.table(shown.epochs)
    assert heads == ["epoch", "training loss", "validation loss", "accuracy", "F1 score", "learning rate"]
    assert [row[0] for row in rows] == ["3", "2", "1"]
