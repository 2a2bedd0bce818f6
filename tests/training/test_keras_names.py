"""Losses by any name they go by, known without Keras."""

import inspect
import subprocess
import sys
from typing import Any

import pytest

from deeptrain.errors import SettingsError, TrainingError
from deeptrain.metrics import names
from deeptrain.settings import Mistakes, Use, typed
from deeptrain.training import building, keras_names, metric_choice, runtime
from deeptrain.training.keras_learner import KerasLearner
from deeptrain.training.settings import TrainingSettings
from tests.numpy_learner import NumpyLearner


@pytest.fixture(autouse=True)
def tensorflow() -> None:
    runtime.start(1, True)


def read(**table: Any) -> TrainingSettings:
    mistakes = Mistakes("my.toml")
    found = typed(TrainingSettings, {"epochs": 1, **table}, "training", mistakes)
    mistakes.raise_if_any()
    assert found is not None
    return found


def test_the_losses_that_a_plan_knows_are_those_of_keras() -> None:
    import keras

    classes = {name for name, found in vars(keras.losses).items() if inspect.isclass(found)} - {"Loss"}
    assert classes == set(keras_names.LOSSES)


def test_every_name_that_keras_takes_for_a_loss_means_the_same_here() -> None:
    import keras
    from keras.src.losses import ALL_OBJECTS_DICT

    for name, found in ALL_OBJECTS_DICT.items():
        if name in {"Loss", "LossFunctionWrapper"}:
            continue
        known = keras_names.loss(name)
        assert known is not None, name
        made = getattr(keras.losses, known)
        assert found is made or made().fn is found, name


@pytest.mark.parametrize(("alias", "name"), sorted(keras_names.ALIASES.items()))
def test_a_short_name_is_the_loss_and_the_identity_of_the_long_one(alias: str, name: str) -> None:
    assert keras_names.loss(alias) == keras_names.loss(name)
    assert type(building.loss(alias, "probabilities", "values", None)).__name__ == keras_names.loss(name)
    assert read(loss=alias).relevant() == read(loss=name).relevant()
    of_phases = [read(phases=[{"epoch": 2, "loss": one}]).relevant() for one in (alias, alias.upper(), name)]
    assert of_phases[0] == of_phases[1] == of_phases[2]
    assert read(loss={"a": alias}).relevant() == read(loss={"a": name}).relevant()


def test_other_names_stand_in_identities_as_they_were_written() -> None:
    for written in ("MeanSquaredError", "mean_squared_error", "my_model:loss"):
        assert read(loss=written).relevant()["loss"] == Use(use=written).plain()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"loss": "mean_squard_error"}, r"training.loss: no loss of Keras has this name; did you mean MeanSquared"),
        ({"loss": "mde"}, r"did you mean .*mse.*Your own is named module:name, got 'mde'"),
        ({"loss": {"a": "huberr"}}, r"training.loss.a: no loss of Keras has this name; did you mean Huber\?"),
        ({"phases": [{"epoch": 2, "loss": "hing"}]}, r"training.phases.1.loss: .*did you mean Hinge"),
        ({"metrics": ["mean_squard_error"]}, r"training.metrics: unknown metric; did you mean mean_squared_error[,?]"),
    ],
)
def test_a_name_that_means_nothing_is_refused_when_it_is_read_with_the_nearest(
    table: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        read(**table)


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("MSE", "mean_squared_error"),
        ("MeanAbsolutePercentageError", "mean_absolute_percentage_error"),
        ("BCE", "binary_crossentropy"),
        ("AUC", "roc_auc"),
        ("F1Score", "f1_score"),
        ("SparseCategoricalAccuracy", "accuracy"),
    ],
)
def test_a_metric_answers_to_how_keras_spells_it(spelled: str, name: str) -> None:
    assert names.get(spelled) is names.get(name)
    assert read(metrics=[spelled], key_metric=spelled).key == name


def test_a_key_metric_in_another_spelling_is_the_one_that_was_chosen() -> None:
    found, key, _ = metric_choice.choose(["mse"], "MeanSquaredError", "values", NumpyLearner(), None)
    assert ([one.name for one in found], key) == (["mean_squared_error"], "mean_squared_error")


def test_a_model_compiled_with_the_name_of_no_loss_is_refused_with_the_nearest() -> None:
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "MSE")
    assert isinstance(KerasLearner.of(model, "values")._loss, keras.losses.MeanSquaredError)
    model.compile("sgd", "huberr")
    with pytest.raises(TrainingError, match=r"its loss huberr: no loss of Keras has this name; did you mean Huber\?"):
        KerasLearner.of(model, "values")
    model.compile("sgd", "MSE")
    learner = KerasLearner.of(model, "values")
    learner.change(loss="mae")
    assert isinstance(learner._loss, keras.losses.MeanAbsoluteError)
    with pytest.raises(TrainingError, match=r"its loss huberr: .*did you mean Huber\?"):
        learner.change(loss="huberr", frozen=["dense"])
    assert learner.model.trainable_variables


def test_reading_settings_loads_no_keras() -> None:
    loaded = "bool({'keras', 'tensorflow', 'numpy'} & set(sys.modules))"
    code = f"import deeptrain.training.settings, sys; sys.exit({loaded})"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
