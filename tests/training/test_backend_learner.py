"""The learner of Keras on JAX and PyTorch: its laws, kept in processes whose Keras runs on them."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deeptrain.errors import TrainingError
from deeptrain.training import runtime
from deeptrain.training.backend_learner import BACKENDS, BackendLearner

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_on_another_backend_keeps_the_laws_of_a_learner(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed; see make test-backends")
    laws = "tests/training/backend_learner_laws.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", laws]
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_where_keras_runs_on_tensorflow_it_says_what_to_set() -> None:
    runtime.start(1, True)
    with pytest.raises(TrainingError, match="needs Keras on jax or torch, this process uses tensorflow: set KERAS_BAC"):
        BackendLearner(None, None, {}, "binary")
