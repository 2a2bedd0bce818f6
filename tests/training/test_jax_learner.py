"""The learner of Keras on JAX: its laws, kept in a process whose Keras runs on JAX."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deeptrain.errors import TrainingError
from deeptrain.training import runtime
from deeptrain.training.jax_learner import JaxLearner

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed; see make test-backends")
def test_a_model_on_jax_keeps_the_laws_of_a_learner() -> None:
    laws = "tests/training/jax_learner_laws.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", laws]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_where_keras_runs_on_another_backend_it_says_what_to_set() -> None:
    runtime.start(1, True)
    with pytest.raises(TrainingError, match="needs Keras' jax backend, this process uses tensorflow: set KERAS_BACK"):
        JaxLearner(None, None, {}, "binary")
