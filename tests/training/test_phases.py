"""Phases: from an epoch on something is different, and stopping still changes nothing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deeptrain import lineage
from deeptrain.errors import SettingsError
from deeptrain.training import Trainer
from tests.conftest import EVEN, TOML, tree
from tests.killing import killed_after_each, trained

PHASES = """
[[training.phases]]
epoch = 2
optimizer = { use = "sgd", arguments = { learning_rate = 0.01, momentum = 0.9 } }
frozen = ["batch_norm*"]
batch_size = 24

[[training.phases]]
epoch = 3
learning_rate = 0.02
loss = { use = "binary_crossentropy", arguments = { label_smoothing = 0.1 } }
frozen = []
sets = [1, 2, 4, 5]
"""


def phased(phases: str = PHASES, toml: str = TOML) -> str:
    return toml.replace("[calibration]", f"{phases}\n[calibration]")


def test_each_phase_begins_with_its_epoch(make_experiment: Callable[..., Path]) -> None:
    file = make_experiment(toml=phased())
    trainer = trained(file, file.parent / "runs")
    rows = trainer.history()
    ends = [results.iterations for results in trainer.results]
    assert np.split(rows.samples, ends[:-1])[0].tolist() == [16, 16, 16, 16, 6]
    assert np.split(rows.samples, ends[:-1])[1].tolist() == [24, 24, 22]
    assert np.split(rows.samples, ends[:-1])[2].sum() == 4 * 8
    assert [round(results.learning_rate, 6) for results in trainer.results] == [0.001, 0.01, 0.02]


@pytest.mark.parametrize("steps", [1, 3])
def test_a_phased_training_killed_again_and_again_ends_in_the_same_bytes(
    steps: int, make_experiment: Callable[..., Path], tmp_path: Path
) -> None:
    file = make_experiment(toml=phased(PHASES.replace("batch_size = 24", "batch_size = 32"), EVEN))
    rows = trained(file, tmp_path / "whole").history()
    assert rows.samples.tolist() == [16, 16, 16, 16, 32, 32, 32]
    assert killed_after_each(steps, file, tmp_path / "cut") == {1: 11, 3: 4}[steps]
    assert tree(tmp_path / "cut") == tree(tmp_path / "whole")


def test_a_phase_that_is_added_later_takes_over_the_epochs_before_it(make_experiment: Callable[..., Path]) -> None:
    later = phased("[[training.phases]]\nepoch = 3\nlearning_rate = 0.01\n", EVEN)
    plain, changed = make_experiment("plain", toml=EVEN), make_experiment("changed", toml=later)
    store, fresh = plain.parent / "runs", plain.parent / "fresh"
    trained(plain, store)
    before = tree(store)
    trainer = Trainer.from_experiment(changed, store=store)
    assert trainer.position.epoch == 3
    trainer.train()
    trainer.close()
    assert {name: data for name, data in tree(store).items() if name in before} == before
    trained(changed, fresh)
    run = lineage.read(changed, store=fresh).training.directory.name
    assert tree(store / "tiny" / run) == tree(fresh / "tiny" / run)


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ("[[training.phases]]\nepoch = 2", r"training\.phases\.1\.epoch: a phase says what is different"),
        ("[[training.phases]]\nepoch = 0\nbatch_size = 2", r"training\.phases\.1\.epoch: expected int >= 1"),
        (
            "[[training.phases]]\nepoch = 2\nbatch_size = 2\n[[training.phases]]\nepoch = 2\nbatch_size = 3",
            r"training\.phases\.2\.epoch: expected each phase to begin with another epoch, got 2",
        ),
        (
            '[[training.phases]]\nepoch = 2\noptimizer = "sgd"\nlearning_rate = 0.1',
            r"training\.phases\.1\.learning_rate: belongs to the arguments of the new optimizer",
        ),
        (
            "[[training.phases]]\nepoch = 2\nbatchsize = 2",
            r"phases\.1\.batchsize: unknown key; did you mean",
        ),
    ],
)
def test_a_wrong_phase_is_told_by_its_number(phases: str, message: str, make_experiment: Callable[..., Path]) -> None:
    with pytest.raises(SettingsError, match=message):
        lineage.read(make_experiment(toml=phased(phases)))
