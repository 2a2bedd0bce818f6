"""A learning rate given by a message, from the plan to the report's words: the change by hand that it is."""

import shutil
from pathlib import Path

import luigi
import pytest

from deeptrain import agenda, cleaning, lineage, summary
from deeptrain.reproduction import reproduce
from deeptrain.training import Trainer, on
from tasks import Epoch, Report
from tests.conftest import tree, write_experiment


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to which `lr 0.05` was said behind its seventh iteration, and in `killed/` what was on disk then."""
    file = write_experiment(tmp_path_factory.mktemp("said"))

    @on("iteration_end")
    def say(trainer: Trainer) -> None:
        if trainer.position.iteration == 7 and not trainer.interventions:
            answer = trainer.ask("lr 0.05")
            answer.add_done_callback(lambda _: shutil.copytree(file.parent / "runs", file.parent / "killed"))

    trainer = Trainer.from_experiment(file, store=file.parent / "runs")
    trainer.callbacks = {**trainer.callbacks, "say": say}
    trainer.train()
    trainer.close()
    return file


def test_it_is_the_run_that_was_changed_by_hand_also_when_it_was_killed_then(said: Path) -> None:
    by_hand = Trainer.from_experiment(said, store=said.parent / "by_hand")
    by_hand.step(7)
    by_hand.change(learning_rate=0.05)
    by_hand.train()
    by_hand.close()
    killed = Trainer.from_experiment(said, store=said.parent / "killed")
    assert killed.position.iteration <= 7
    killed.train()
    killed.close()
    expected = tree(said.parent / "by_hand")
    assert tree(said.parent / "runs") == expected
    assert tree(said.parent / "killed") == expected


def test_tasks_plan_and_reproduction_know_it(said: Path) -> None:
    store = said.parent / "runs"
    task = Epoch(experiment=str(said), store=str(store), number=3)
    assert task.complete()
    found = agenda.of(said, store=store)
    assert found.trained == 3
    assert any(note.startswith("learning_rate was changed by hand once, first in epoch 2") for note in found.notes)
    told = str(reproduce(said, 2, store=store))
    assert "\nchanged by hand: learning_rate 0.05 before iteration 7 in epoch 2\n" in told
    assert "changed by hand" not in str(reproduce(said, 1, store=store))


def test_a_process_that_planned_before_sees_what_another_one_changed(said: Path, tmp_path: Path) -> None:
    """As the parent of worker processes does, and the next one that it forks."""
    store, without = tmp_path / "runs", tmp_path / "runs" / "tiny"
    shutil.copytree(said.parent / "runs", store)
    (training,) = without.glob("training-*")
    for place in ("epochs/0002", "epochs/0003", "states"):
        shutil.rmtree(training / place)
    (training / "interventions.json").unlink()
    task = Epoch(experiment=str(said), store=str(store), number=3)
    assert not task.complete()
    shutil.copytree(said.parent / "runs", store, dirs_exist_ok=True)
    assert task.complete()


def test_the_report_tells_it_and_cleaning_returns_to_the_undisturbed_run(said: Path, tmp_path: Path) -> None:
    store = tmp_path / "runs"
    shutil.copytree(said.parent / "runs", store)
    assert luigi.build([Report(experiment=str(said), store=str(store))], local_scheduler=True, no_lock=True)
    plan = lineage.read(said, store=store)
    assert summary.of(plan).changed == ("learning_rate 0.05 before iteration 7 in epoch 2",)
    page = (plan.stages["report"].directory / "index.html").read_text()
    assert "learning_rate 0.05 before iteration 7 in epoch 2" in page
    cleaning.remove(cleaning.find(store, cleaning.Rules(interventions=True), 0.0).pieces)
    assert agenda.of(said, store=store).trained == 1
    again = Trainer.from_experiment(said, store=store)
    again.train()
    again.close()
    undisturbed = Trainer.from_experiment(said, store=tmp_path / "undisturbed")
    undisturbed.train()
    undisturbed.close()
    epochs = {name: data for name, data in tree(store).items() if "/epochs/" in name or "/states/" in name}
    expected = tree(tmp_path / "undisturbed")
    assert epochs == {name: expected[name] for name in epochs}
    assert len([name for name in epochs if name.endswith("metrics.json")]) == 3
