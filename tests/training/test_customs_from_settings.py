"""What the file says of steps, XLA and precision: what is not said is in no identity, what is said acts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deeptrain import lineage
from deeptrain.errors import Interrupted, SettingsError
from deeptrain.settings import Mistakes, Use, typed
from deeptrain.training import Trainer
from deeptrain.training.settings import TrainingSettings
from tests.conftest import BUILDER, EVEN, TOML, one_by_one

STEPS = """

def step(model, optimizer, loss, batch, factor=1.0):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        outputs = model(batch.x, training=True)
        found = factor * loss(batch.y, outputs, sample_weight=batch.weights)
    gradients = tape.gradient(found, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return {"loss": found, "norm": tf.linalg.global_norm(gradients), "outputs": outputs}


def judge(model, loss, batch):
    outputs = model(batch.x, training=False)
    return loss(batch.y, outputs) + 3.0, outputs


def subclassed(data):
    import keras

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1, activation="sigmoid")

        def call(self, x, training=False):
            return self.dense(x)

        def train_step(self, given):
            import tensorflow as tf

            x, y = given
            with tf.GradientTape() as tape:
                loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
            return {"loss": loss}

    return Own()
"""


def test_settings_that_are_not_used_are_in_no_identity() -> None:
    plain = TrainingSettings(epochs=1).relevant()
    assert not {"jit", "precision", "fit", "evaluate"} & plain.keys()
    said = TrainingSettings(
        epochs=1, jit=True, precision="mixed_float16", fit="m:f", evaluate=Use(use="m:g")
    ).relevant()
    assert {**plain, "jit": True, "precision": "mixed_float16"}.items() <= said.items()
    assert (said["fit"], said["evaluate"]) == ({"use": "m:f", "arguments": {}}, {"use": "m:g", "arguments": {}})
    mistakes = Mistakes("said")
    again = typed(TrainingSettings, {**said, "epochs": 1}, "", mistakes)
    assert mistakes.lines == []
    assert again is not None
    assert again.relevant() == said


def test_a_step_is_named_as_module_and_function(make_experiment: Callable[..., Path]) -> None:
    file = make_experiment(toml=TOML.replace("[calibration]", 'fit = "sgd"\n\n[calibration]'))
    with pytest.raises(SettingsError, match=r"tiny.toml: training.fit: expected module:function, got 'sgd'"):
        lineage.read(file)


def test_the_code_of_a_step_is_in_the_identity(make_experiment: Callable[..., Path]) -> None:
    toml = TOML.replace("threads = 1", 'threads = 1\nfit = "my_model:step"')
    identities = {
        lineage.read(make_experiment(name, toml=toml, builder=BUILDER + steps)).training.specification.code
        for name, steps in (("one", STEPS), ("two", STEPS.replace("factor * loss", "2 * factor * loss")))
    }
    assert len(identities) == 2


@pytest.mark.parametrize(
    "said",
    [
        'fit = { use = "my_model:step", arguments = { factor = 0.5 } }\nevaluate = "my_model:judge"',
        'precision = "mixed_float16"\noptimizer = { use = "adam", arguments = { use_ema = true } }',
        "jit = true",
    ],
)
def test_a_training_with_it_stops_and_goes_on_exactly(said: str, make_experiment: Callable[..., Path]) -> None:
    file = make_experiment(toml=EVEN.replace("threads = 1", f"threads = 1\n{said}"), builder=BUILDER + STEPS)
    whole = Trainer.from_experiment(file, epochs=2)
    whole.train()
    if "judge" in said:
        assert all(result.validation["loss"] > 3 for result in whole.results)
        assert all("accuracy" in result.train for result in whole.results)  # of the outputs the step told
    store = file.parent / "runs"
    stopping = Trainer.from_experiment(file, epochs=2, store=store, watch=lambda _: stopping.interrupt())
    one_by_one(stopping)
    with pytest.raises(Interrupted):
        stopping.train()
    stopping.close()
    again = Trainer.from_experiment(file, epochs=2, store=store)
    again.train()
    again.close()
    for name, value in whole.learner.variables().items():
        np.testing.assert_array_equal(value, again.learner.variables()[name], err_msg=name)
    assert [one.plain() for one in again.results] == [one.plain() for one in whole.results]


def test_a_subclass_with_a_step_of_its_own_and_no_shapes_trains(make_experiment: Callable[..., Path]) -> None:
    file = make_experiment(toml=TOML.replace("my_model:build", "my_model:subclassed"), builder=BUILDER + STEPS)
    trainer = Trainer.from_experiment(file)
    trainer.train()
    assert trainer.results[-1].train["loss"] < trainer.results[0].train["loss"]
    assert set(trainer.results[-1].train) == {"loss"}  # it tells no outputs, so there are no counts
