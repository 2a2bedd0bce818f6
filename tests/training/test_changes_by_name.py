"""Loss, optimizer and frozen layers changed by hand in a session are written down by name, and act again."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain.errors import ArtifactError, TrainingError
from deeptrain.training import Trainer, keras_by_name, runtime
from tests.conftest import EVEN, tree, write_experiment


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch, with a phase behind it, and its file."""
    directory = tmp_path_factory.mktemp("trained")
    file = write_experiment(directory, toml=EVEN)
    phase = '[[training.phases]]\nepoch = 3\noptimizer = { use = "sgd", arguments = { momentum = 0.5 } }\n'
    file.write_text(file.read_text().replace("[calibration]", f"{phase}[calibration]"))
    trainer = Trainer.from_experiment(file, store=directory / "runs", epochs=1)
    trainer.train()
    trainer.close()
    return directory


def decaying() -> Any:
    import keras

    rate = keras.optimizers.schedules.CosineDecay(0.05, 40, warmup_steps=3, warmup_target=0.1)
    return keras.optimizers.RMSprop(rate, momentum=0.3, clipnorm=1.0)


def smooth() -> Any:
    import keras

    return keras.losses.BinaryCrossentropy(label_smoothing=0.1)


CHANGES: list[tuple[int, dict[str, Any]]] = [
    (5, {"optimizer": decaying}),
    (6, {"frozen": ["dense"], "loss": smooth}),
    (7, {"learning_rate": 0.02}),
    (9, {"frozen": [], "loss": "mse"}),
    (10, {"optimizer": lambda: __import__("keras").optimizers.Adam(0.003, use_ema=True)}),
]


def changed(directory: Path, leaves: Sequence[Callable[[Trainer], None]] = ()) -> dict[str, bytes]:
    """Train a session with changes, in one process or in a new one behind each, left in one of several ways."""

    def opened() -> Trainer:
        return Trainer.open(directory / "tiny.toml", 1, store=directory / "runs", session="other")

    trainer = opened()
    for number, (iteration, change) in enumerate(CHANGES):
        trainer.step(iteration - trainer.position.iteration)
        given = {key: value() if value is smooth else value for key, value in change.items()}
        trainer.change(**given)
        if leaves:
            leaves[number % len(leaves)](trainer)
            trainer.close()
            trainer = opened()
    trainer.train()
    trainer.close()
    return tree(directory / "runs" / "tiny" / "sessions")


def paused(trainer: Trainer) -> None:
    trainer.step()
    trainer.pause()
    trainer.train()


@pytest.fixture(scope="module")
def whole(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    directory = tmp_path_factory.mktemp("whole") / "here"
    shutil.copytree(trained, directory)
    found = changed(directory)
    said = json.loads(next(data for name, data in found.items() if name.endswith("interventions.json")))
    keys = [(one["iteration"], one["key"]) for one in said]
    assert keys == [
        *[(5, "optimizer"), (6, "frozen"), (6, "loss"), (7, "learning_rate"), (9, "frozen"), (9, "loss")],
        (10, "optimizer"),
    ]
    assert said[0]["value"]["arguments"]["learning_rate"]["use"] == "CosineDecay"
    return found


def test_a_session_that_was_changed_opens_again_and_goes_on_to_the_same_bytes(
    whole: dict[str, bytes], trained: Path, tmp_path: Path
) -> None:
    """After a pause, which writes a checkpoint, and left an iteration after the change, which then comes again."""
    shutil.copytree(trained, tmp_path / "again")
    assert changed(tmp_path / "again", [paused, Trainer.step]) == whole


def test_what_has_no_name_acts_and_is_not_written_down(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import keras

    shutil.copytree(trained, tmp_path / "here")
    trainer = Trainer.open(tmp_path / "here" / "tiny.toml", 1, store=tmp_path / "here" / "runs", session="own")
    trainer.change(loss=lambda y, said: keras.ops.mean(keras.ops.square(y - said), axis=-1))
    trainer.step()
    assert (trainer.interventions, trainer.position.iteration) == ((), 5)
    assert "loss: what was given has no name that a file could hold: it acts, but this session opened" in caplog.text
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"frozen": ["denxe"]}, "no layer of sequential is called denxe; did you mean dense"),
        ({"frozen": ["*"], "loss": "mse"}, r"nothing of sequential is left to train when \* are frozen"),
        ({"frozen": "dense"}, r"frozen: expected a list of names of layers, such as \['dense'\], got 'dense'"),
        ({"loss": "mze"}, "its loss mze: no loss of Keras has this name; did you mean mae, mse"),
        ({"loss": {"a": "mse"}}, r"losses by output \(a\) are for a model that gives its outputs by name"),
        ({"loss": 5}, "its loss must be a name such as 'mse', .* got 5"),
        ({"optimizer": lambda: 5}, "expected an optimizer of keras.optimizers, got 5"),
    ]
    for change, message in wrong:
        with pytest.raises(TrainingError, match=message):
            trainer.change(**change)
    assert trainer.interventions == ()  # or opening the session again would fail of what was refused
    trainer.step()
    trainer.close()


def made() -> dict[str, Callable[[], Any]]:
    import keras

    optimizers, losses = keras.optimizers, keras.losses
    steps = optimizers.schedules.PiecewiseConstantDecay([5, 9], [0.1, 0.01, 0.001])
    return {
        "AdamW": lambda: optimizers.AdamW(0.003, weight_decay=0.01, clipvalue=0.5, gradient_accumulation_steps=2),
        "SGD": lambda: optimizers.SGD(steps, momentum=0.9, nesterov=True),
        "Lion": lambda: optimizers.Lion(1e-4, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=7),
        "Huber": lambda: losses.Huber(delta=0.3, reduction="sum"),
        "mean_squared_error": lambda: losses.mean_squared_error,
    }


@pytest.mark.parametrize("name", ["AdamW", "SGD", "Lion", "Huber", "mean_squared_error"])
def test_what_keras_has_is_made_again_from_its_name(name: str) -> None:
    runtime.start(1, True)
    make = made()[name]
    key, given = ("optimizer", make) if name in {"AdamW", "SGD", "Lion"} else ("loss", make())
    said = keras_by_name.said(key, given)
    assert said["use"] == name
    again = keras_by_name.meant(key, json.loads(json.dumps(said)))
    assert type(again) is type(make())
    if key == "optimizer":
        assert {**again.get_config(), "name": ""} == {**make().get_config(), "name": ""}
        assert np.float32(again.learning_rate) == np.float32(make().learning_rate)
    assert keras_by_name.said(key, (lambda: again) if key == "optimizer" else again) == said


def test_what_is_ones_own_has_no_name() -> None:
    import keras

    runtime.start(1, True)

    class SGD(keras.optimizers.SGD):  # type: ignore[misc]
        """Not the one of Keras."""

    def excluding() -> Any:
        found = keras.optimizers.AdamW(weight_decay=0.1)
        found.exclude_from_weight_decay(var_names=["bias"])
        return found

    class Slower(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        """Not of Keras."""

        def __call__(self, step: Any) -> Any:
            return 0.1 / (1.0 + keras.ops.cast(step, "float32"))

        def get_config(self) -> dict[str, Any]:
            return {}

    assert keras_by_name.said("optimizer", SGD) is None
    assert keras_by_name.said("optimizer", excluding) is None
    assert keras_by_name.said("optimizer", lambda: keras.optimizers.SGD(Slower())) is None
    assert keras_by_name.said("loss", lambda y, said: y - said) is None
    assert keras_by_name.said("loss", {"one": keras.losses.Huber(), "other": print}) is None


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"use": "__builtins__"}, "keras.optimizers has nothing that is called"),
        ({"use": "os.system", "arguments": {"command": "true"}}, "has nothing that is called"),
        ({"use": "SGD", "arguments": {"rate": 1}}, "SGD does not take {'rate': 1}"),
        ({"use": "SGD", "arguments": {"learning_rate": {"use": "no"}}}, "schedules has nothing that is called"),
        ({}, "has nothing that is called {}"),
        ({"use": "deserialize", "arguments": {"config": {"module": "os"}}}, "has nothing that is called"),
        ({"use": "get"}, "has nothing that is called"),
        ({"use": "SGD", "arguments": {"name": {"module": "os"}}}, "SGD is described by numbers and names alone"),
    ],
)
def test_a_name_that_is_none_is_refused_and_runs_nothing(found: dict[str, Any], message: str) -> None:
    runtime.start(1, True)
    with pytest.raises(ArtifactError, match=message):
        keras_by_name.meant("optimizer", found)
