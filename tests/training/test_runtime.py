"""Which backend Keras runs on: an experiment's setting, and what is said where it cannot be."""

import importlib.util
import os
import subprocess
import sys

import pytest

from deeptrain.errors import SettingsError, TrainingError
from deeptrain.settings import Mistakes, typed
from deeptrain.training import runtime
from deeptrain.training.settings import TrainingSettings


def settings(**training: object) -> TrainingSettings:
    mistakes = Mistakes("my.toml")
    found = typed(TrainingSettings, {"epochs": 3, **training}, "training", mistakes)
    mistakes.raise_if_any()
    assert found is not None
    return found


def test_the_backend_is_in_the_identity_where_it_is_not_tensorflow() -> None:
    assert settings(backend="tensorflow").relevant() == settings().relevant()
    assert settings(backend="jax").relevant() == {**settings().relevant(), "backend": "jax"}


@pytest.mark.parametrize(
    ("key", "asked", "shown"),
    [
        ("jit", {"jit": True}, "True"),
        ("fit", {"fit": "mine:fit"}, "'mine:fit'"),
        ("evaluate", {"evaluate": "mine:judge"}, "'mine:judge'"),
        ("phases.1.optimizer", {"phases": [{"epoch": 2, "optimizer": "sgd"}]}, "'sgd'"),
        ("phases.2.frozen", {"phases": [{"epoch": 2, "learning_rate": 0.1}, {"epoch": 3, "frozen": []}]}, r"\(\)"),
    ],
)
def test_what_only_tensorflow_does_is_refused_when_the_file_is_read(
    key: str, asked: dict[str, object], shown: str
) -> None:
    rule = f'my.toml: training.{key}: needs the backend "tensorflow", the experiment asks for "torch", got {shown}$'
    with pytest.raises(SettingsError, match=rule):
        settings(backend="torch", **asked)
    settings(**asked)


def test_gradients_of_layers_which_only_tensorflow_gives_are_refused_when_the_file_is_read() -> None:
    told = 'needs the backend "tensorflow", the experiment asks for "jax" for gradients; say `of` without them'
    histograms = {"use": "layer_histograms", "arguments": {"of": ["weights", "gradients"]}}
    with pytest.raises(SettingsError, match=f"training.callbacks.2: {told}, got 'watch'\n.*callbacks.3: {told}"):
        settings(backend="jax", callbacks=["layer_histograms", "watch", histograms])
    settings(callbacks=["watch", histograms])
    weights = {"use": "watch", "arguments": {"of": ["weights"]}}
    settings(backend="jax", callbacks=[weights, {"use": "mine:own", "arguments": {"of": ["gradients"]}}])


@pytest.mark.skipif(importlib.util.find_spec("jax") is not None, reason="JAX is installed here")
def test_a_backend_that_is_not_installed_is_told_with_what_to_install() -> None:
    told = r"training.backend = 'jax' needs the package jax, which is not installed: pip install 'deeptrain\[jax\]'"
    with pytest.raises(TrainingError, match=told):
        runtime.choose(1, True, "jax")


def test_a_backend_that_the_environment_contradicts_is_told_before_keras_is_imported() -> None:
    code = "import sys; from deeptrain.training import runtime\ntry: runtime.choose(1, True)\n"
    code += "except Exception as e: print(e)\nassert 'keras' not in sys.modules"
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout == (
        "training.backend is 'tensorflow', and the environment says KERAS_BACKEND=torch: unset it, the experiment "
        "decides\n"
    )


def test_another_backend_than_the_one_that_was_imported_needs_a_fresh_process() -> None:
    # Not Keras itself, whose import takes seconds, and of which only one backend may be installed.
    code = "import sys\nclass keras:\n class config:\n  backend = lambda: 'numpy'\nsys.modules['keras'] = keras\n"
    code += "from deeptrain.training import runtime\ntry: runtime.choose(1, True)\nexcept Exception as e: print(e)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == (
        "training.backend is 'tensorflow', and this process uses Keras on numpy: use a fresh process, and train other "
        "runs whose models are members each in its own before\n"
    )
