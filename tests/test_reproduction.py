"""Any past epoch, trained again from the one before it, is the one recorded: with everything that acts in an epoch."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deeptrain import lineage
from deeptrain.errors import ArtifactError, TrainingError
from deeptrain.reproduction import reproduce
from deeptrain.training import Trainer
from pipelines.__main__ import main
from tests.conftest import BUILDER, TOML, tree

BOTH = (
    BUILDER
    + '''

class Decay:
    """Lowers the learning rate by what it remembers."""

    def __init__(self):
        self.seen = []

    def validation_end(self, trainer, metrics):
        self.seen.append(metrics["loss"])
        trainer.learner.learning_rate *= 0.9 ** len(self.seen)
        trainer.threshold = 0.4

    def state(self):
        return {"seen": self.seen}

    def restore(self, state):
        self.seen = list(state["seen"])
'''
)
EVERYTHING = TOML.replace(
    "epochs = 3",
    "epochs = 5\nvalidate = { iterations = 3, epochs = 1 }\n"
    'callbacks = ["early_stopping", "my_model:Decay"]\n'
    'optimizer = { use = "adam", arguments = { learning_rate = 0.01, gradient_accumulation_steps = 3 } }',
).replace(
    "[calibration]",
    """[[training.phases]]
epoch = 3
optimizer = { use = "sgd", arguments = { learning_rate = 0.01, momentum = 0.9 } }
batch_size = 24

[[training.phases]]
epoch = 4
frozen = ["batch_norm*"]

[calibration]""",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five epochs with dropout, phases, accumulation, callbacks that remember, and changes by hand."""
    from tests.conftest import write_experiment

    file = write_experiment(tmp_path_factory.mktemp("run"), toml=EVERYTHING, builder=BOTH)
    trainer = Trainer.from_experiment(file, store=file.parent / "runs")
    trainer.step(7)
    trainer.change(learning_rate=0.002)
    trainer.skip()
    trainer.train()
    trainer.close()
    return file


@pytest.mark.parametrize("epoch", [1, 2, 5])
def test_a_past_epoch_trained_again_is_the_one_recorded(epoch: int, run: Path) -> None:
    """The second, which was changed by hand and whose state was let go like the first's; the last goes on from its."""
    store = run.parent / "runs"
    before = tree(store)
    found = reproduce(run, epoch, store=store)
    plan = lineage.read(run, store=store)
    recorded = {file.name: file.sha256 for file in plan.training.published(epoch).manifest.files}
    assert recorded.keys() == {"history.parquet", "metrics.json", "progress.json"}
    assert found.digests == {"state.safetensors": plan.training.recorded_state(epoch), **recorded}
    assert found.behind == (4 if epoch == 5 else 0)
    assert tree(store) == before


def test_a_damaged_state_before_it_is_left_for_the_one_before_that(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run.parent, tmp_path / "copy")
    plan = lineage.read(tmp_path / "copy" / run.name, store=tmp_path / "copy" / "runs")
    state = plan.training.state(4).directory / "state.safetensors"
    data = bytearray(state.read_bytes())
    data[-1] ^= 1
    state.write_bytes(data)
    assert reproduce(plan, 5).behind < 4
    assert state.read_bytes() == data


def test_what_differs_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from deeptrain.training.keras_learner import KerasLearner

    fit = KerasLearner.fit
    monkeypatch.setattr(KerasLearner, "fit", lambda self, x, y, **rest: fit(self, x * np.float32(1.0001), y, **rest))
    message = (
        r"epoch 5 trained again is not the one recorded in \S+0005: state\.safetensors \(\w{12} instead of \w{12}\), "
        r".*history\.parquet \(.*; it was trained with the same versions, so on another kind of machine"
    )
    with pytest.raises(TrainingError, match=message):
        reproduce(run, 5, store=run.parent / "runs")


def test_an_epoch_that_is_not_done_is_not_trained(run: Path, make_experiment: Callable[..., Path]) -> None:
    with pytest.raises(ArtifactError, match="expected an epoch from 1 to 5, which are done, got 6"):
        reproduce(run, 6, store=run.parent / "runs")
    with pytest.raises(ArtifactError, match="expected an epoch from 1 to 0, which are done, got 1"):
        reproduce(make_experiment(), 1, store=run.parent / "others")


def test_the_command_tells_what_was_compared(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(run.parent / "runs")
    assert main(["reproduce", str(run), "5", "--store", store]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "epoch 5, trained again from the end of epoch 4, is the one recorded"
    names = ["state.safetensors", "history.parquet", "metrics.json", "progress.json"]
    by_hand = [line for line in rest if line.startswith("changed by hand: ")]
    assert len(by_hand) == len(lineage.read(run, store=store).training.interventions) > 0
    assert [line.split()[0] for line in rest[len(by_hand) :]] == names
    assert main(["reproduce", str(run), "9", "--store", store]) == 1
    assert "expected an epoch from 1 to 5, which are done, got 9" in capsys.readouterr().err
