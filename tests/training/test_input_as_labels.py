"""An autoencoder: the labels are the inputs, as they are fed and without noise."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deeptrain import lineage, session
from deeptrain.errors import DataError, UserCodeError
from deeptrain.loading.position import Position
from deeptrain.training import Trainer, judging
from tests.conftest import TOML, one_by_one, tree

AUTOENCODER = """
def build(data, width=3):
    import keras
    from keras import layers

    given_back = layers.Dense(4 if width == 3 else 5)
    return keras.Sequential([keras.Input(data.shape), layers.Dense(width, "tanh"), given_back])
"""
ITSELF = (
    TOML.replace('labels = { column = "y", positive = 1 }', 'labels = "input"\nreading = { ignored = ["y"] }')
    .replace('metrics = ["f1_score", "accuracy"]', 'metrics = ["mean_absolute_error"]')
    .replace('["normalise"]', '["normalise", { use = "noise", arguments = { std = 0.3 } }]')
    .replace("[calibration]\nsubset_size = 2\n", "")
)


def test_an_autoencoder_learns_to_give_back_what_it_is_fed(make_experiment: Callable[..., Path]) -> None:
    file = make_experiment(toml=ITSELF.replace("epochs = 3", "epochs = 8"), builder=AUTOENCODER)
    trainer = Trainer.from_experiment(
        file, settings={"training.optimizer": {"use": "adam", "arguments": {"learning_rate": 0.02}}}
    )
    trainer.train()
    losses = [results.validation["loss"] for results in trainer.results]
    assert losses[-1] < 0.75 * losses[0]
    assert trainer.val_data is not None
    outputs = judging.predict(trainer.learner, trainer.val_data)
    labels = trainer.val_data.labels
    assert outputs.shape == labels.shape == (30, 4)
    assert losses[-1] == pytest.approx(float(np.mean(np.square(outputs - labels))), rel=1e-5)
    told = trainer.results[-1].validation["mean_absolute_error"]
    assert told == pytest.approx(float(np.mean(np.abs(outputs - labels))), rel=1e-6)
    group = trainer.train_data.group(Position(), 1)
    assert 0.2 < float(np.std(group.x - group.y)) < 0.4  # the noise is in what is fed, not in what is asked


def test_an_output_that_has_not_the_inputs_shape_is_told(make_experiment: Callable[..., Path]) -> None:
    toml = ITSELF.replace('builder = "my_model:build"', 'builder = "my_model:build"\narguments = { width = 2 }')
    with pytest.raises(
        UserCodeError, match=r"labels that are the input need an output of shape \[None, 4\], got \(None, 5\)"
    ):
        Trainer.from_experiment(make_experiment(toml=toml, builder=AUTOENCODER))


def test_of_several_inputs_it_must_be_said_which_is_its_own_label(make_experiment: Callable[..., Path]) -> None:
    several = ITSELF.replace('reading = { ignored = ["y"] }\n', "").replace('path = "raw"', 'path = "two.npz"')
    file = make_experiment(toml=several, builder=AUTOENCODER)
    np.savez(file.parent / "two.npz", left=np.arange(800.0).reshape(200, 4), right=np.ones((200, 2)))
    with pytest.raises(DataError, match=r'labels = "input" is for samples of one input, these have left, right; name '):
        Trainer.from_experiment(file)
    file.write_text(several.replace('labels = "input"', 'labels = "input"\nreading = { inputs = ["left"] }'))
    Trainer.from_experiment(file).close()


READY = Path(__file__).parents[2] / "pipelines" / "experiments" / "autoencoder.toml"
SMALL = {
    "data.splits": {"train": 96, "val": 24, "test": 24},
    "model.arguments": {"filters": 2, "code": 3},
    "training.epochs": 2,
    "training.threads": 1,  # as all tests of a process
}


def test_the_ready_autoencoder_that_was_stopped_comes_to_the_same_bytes_and_pictures(tmp_path: Path) -> None:
    trees = []
    stopped: tuple[tuple[str, tuple[int, ...]], ...] = (("whole", ()), ("stopped", (2,)))
    for name, stops in stopped:
        plan = lineage.read(READY, store=tmp_path / name, settings=SMALL)
        for epoch in stops:
            with contextlib.closing(session.trainer(plan, writing=True)) as trainer:
                one_by_one(trainer)
                while (trainer.position.epoch, trainer.position.iteration % 3) != (epoch, 2):
                    trainer.step(iterations=1)
                trainer.save_soon()
                trainer.step(iterations=1)
        with contextlib.closing(session.trainer(plan, writing=True)) as trainer:
            trainer.train()
        (gif,) = (tmp_path / name).glob("autoencoder/training-*/live/autoencoder_pictures/*.gif")
        trees.append({**tree(plan.training.directory), "gif": gif.read_bytes()})
    assert trees[0] == trees[1]
