"""Changes by hand are written down, act again when their epoch is trained again, and belong to its identity."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deeptrain import files, lineage
from deeptrain.errors import ArtifactError, TrainingError
from deeptrain.training import EarlyStopping, Trainer, interventions
from deeptrain.training.interventions import Intervention
from tests.conftest import tree


def changed_by_hand(file: Path, store: Path, stay: bool = True) -> None:
    """Train with the same changes by hand, in one process or in a new one after each."""
    changes: list[tuple[int, Callable[[Trainer], None]]] = [
        (2, lambda trainer: trainer.change(learning_rate=0.05)),
        (3, lambda trainer: trainer.repeat()),
        (4, lambda trainer: trainer.skip(2)),
        (7, lambda trainer: trainer.change(threshold=0.25)),
        (8, lambda trainer: setattr(trainer.learner, "learning_rate", 0.001)),
    ]
    trainer = Trainer.from_experiment(file, store=store)
    for iteration, change in changes:
        trainer.step(iteration - trainer.position.iteration)
        change(trainer)
        trainer.step(0)
        if not stay:
            trainer.pause()
            trainer.train()
            trainer.close()
            trainer = Trainer.from_experiment(file, store=store)
    trainer.train()
    trainer.close()


def test_a_change_by_hand_acts_at_its_iteration(experiment: Path) -> None:
    store = experiment.parent / "runs"
    changed_by_hand(experiment, store)
    plan = lineage.read(experiment, store=store)
    keys = [(one.epoch, one.iteration, one.key, one.value) for one in plan.training.interventions]
    assert keys == [
        (1, 2, "learning_rate", 0.05),
        (1, 3, "repeat", 1.0),
        (1, 4, "skip", 2.0),
        (2, 7, "threshold", 0.25),
        (2, 8, "learning_rate", pytest.approx(0.001)),
    ]
    trainer = Trainer.from_experiment(experiment, store=store)
    rows = trainer.history()
    assert rows.batch.tolist() == [0, 1, 2, 2, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4]
    assert [round(one.learning_rate, 5) for one in trainer.results] == [0.05, 0.001, 0.001]
    assert trainer.threshold == 0.25
    trainer.close()


def test_a_new_process_after_each_change_by_hand_writes_the_same(experiment: Path) -> None:
    changed_by_hand(experiment, experiment.parent / "stayed")
    changed_by_hand(experiment, experiment.parent / "gone", stay=False)
    assert tree(experiment.parent / "gone") == tree(experiment.parent / "stayed")


def test_epochs_trained_again_with_their_changes_by_hand_are_the_same(experiment: Path) -> None:
    store, again = experiment.parent / "runs", experiment.parent / "again"
    changed_by_hand(experiment, store)
    plan = lineage.read(experiment, store=again)
    files.make_directories(plan.training.directory)
    interventions.write(plan.training.directory, lineage.read(experiment, store=store).training.interventions)
    trainer = Trainer.from_experiment(experiment, store=again)
    trainer.train()
    trainer.close()
    assert tree(again) == tree(store)


def test_a_change_by_hand_belongs_to_its_epoch_and_those_behind_it(experiment: Path) -> None:
    plan = lineage.read(experiment, store=experiment.parent / "runs")
    before = [plan.training.epoch(number).identity for number in (1, 2, 3)]
    files.make_directories(plan.training.directory)
    plan.training.intervene(Intervention(2, 7, "learning_rate", 0.1))
    after = [plan.training.epoch(number).identity for number in (1, 2, 3)]
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert after[2] != before[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "expected a list of interventions, got dict"),
        ('[{"epoch": 1}]', "expected epoch, iteration, key and value"),
        ('[{"epoch": 0, "iteration": 1, "key": "skip", "value": 1}]', "not an intervention"),
        ('[{"epoch": 1, "iteration": 1, "key": "rm", "value": 1}]', "not an intervention"),
        (
            '[{"epoch": 2, "iteration": 9, "key": "skip", "value": 1},'
            ' {"epoch": 1, "iteration": 1, "key": "skip", "value": 1}]',
            "expected interventions in the order of their iterations",
        ),
        ("[", "interventions.json"),
    ],
)
def test_a_damaged_file_of_interventions_is_told(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / interventions.NAME).write_text(text)
    with pytest.raises(ArtifactError, match=message):
        interventions.read(tmp_path)


def test_what_no_setting_can_say_is_refused_where_training_is_written(experiment: Path) -> None:
    trainer = Trainer.from_experiment(experiment, store=experiment.parent / "runs")
    for change in ({"loss": "x"}, {"optimizer": dict}, {"frozen": ["dense"]}, {"data": trainer.train_data}):
        name = next(iter(change))
        with pytest.raises(TrainingError, match=f"^{name} cannot be changed by hand in a training that is written"):
            trainer.change(**change)
    with pytest.raises(TrainingError, match=r"^callbacks cannot be changed by hand"):
        trainer.callbacks = [EarlyStopping()]
    trainer.close()


def test_skipping_and_repeating_what_is_not_there_is_refused(experiment: Path) -> None:
    trainer = Trainer.from_experiment(experiment)
    with pytest.raises(TrainingError, match="repeat: expected 1 to the 0 batches fit in this epoch"):
        trainer.repeat()
    trainer.step(3)
    with pytest.raises(TrainingError, match="skip: expected 1 to the 2 batches left of this epoch, between two, got 3"):
        trainer.skip(3)
    x = trainer.replay(1).x
    trainer.repeat(2)
    assert trainer.step().iteration == 4
    assert trainer.newest is not None
    np.testing.assert_array_equal(trainer.newest.group.x, x)
    np.testing.assert_array_equal(trainer.replay(3).x, x)
