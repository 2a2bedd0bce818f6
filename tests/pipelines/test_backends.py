"""The main job on Keras' other backends, where they are installed: `make test-backends`."""

import importlib.util
import json
import signal
from pathlib import Path

import numpy as np
import pytest

from deeptrain.training.backend_learner import BACKENDS
from tests.pipelines import command
from tests.pipelines.command import Finished

EPOCHS = 4


def start(backend: str, here: Path) -> "command.subprocess.Popen[str]":
    """The digits on a backend; a checkpoint is written after nearly every iteration."""
    settings = {"training.backend": backend, "training.autosave_seconds": 0.01}
    job = ("--module", "pipelines", "TrainModel", "--local-scheduler", "--epochs", str(EPOCHS))
    return command.start(*job, "--settings", json.dumps(settings), cwd=here, JAX_PLATFORMS="cpu")


def pipelines(*arguments: str, here: Path) -> Finished:
    return command.run(*arguments, cwd=here, module="pipelines", JAX_PLATFORMS="cpu")


@pytest.mark.parametrize("backend", BACKENDS)
def test_killed_in_the_middle_of_an_epoch_a_run_on_another_backend_ends_in_the_same_bytes(
    backend: str, tmp_path: Path
) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed; see make test-backends")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    finished = command.end(start(backend, whole))
    assert (finished.code, finished.err) == (0, "")

    process = start(backend, killed)
    command.wait_until(lambda: any(name[:5] > "00001" for name in command.trained(killed / "runs")[1]), process)
    assert command.kill_group(process).code == -signal.SIGKILL
    assert 1 <= command.trained(killed / "runs")[0] < EPOCHS
    finished = command.end(start(backend, killed))
    assert (finished.code, finished.err) == (0, "")
    assert command.litter(killed / "runs") == []
    assert command.contents(killed / "runs") == command.contents(whole / "runs")
    predicts_and_is_exported(whole)


def predicts_and_is_exported(here: Path) -> None:
    """Scores of the command are those of the run; on TensorFlow they are close, and the export is made there."""
    made = next((here / "runs/digits").glob("predictions-*"))
    shards = next((here / "runs/digits").glob("shards-*"))
    expected = np.load(made / "test.outputs.npy").reshape(-1)
    np.save(here / "new.npy", np.concatenate([np.load(path) for path in sorted(shards.glob("parts/*/test-*.x.npy"))]))
    told = pipelines("predict", "runs/digits", "new.npy", "--format", "npy", here=here)
    assert (told.code, told.err) == (0, "")
    scores = [float(line.split(",")[1]) for line in told.out.splitlines()[1:]]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-6)
    told = pipelines("export", "runs/digits", here=here)
    if importlib.util.find_spec("tensorflow") is None:
        assert "needs the package tensorflow, which is not installed" in told.err
        return
    assert (told.code, told.err) == (0, "")
    (here / "exported.py").write_text(EXPORTED)
    assert command.run(cwd=here, module="exported", PYTHONPATH=f"{here}:{command.ROOT}").code == 0
    np.testing.assert_allclose(np.load(here / "exported.npy").reshape(-1), expected, rtol=0, atol=1e-4)


EXPORTED = """
import numpy, tensorflow
saved = tensorflow.saved_model.load("export/saved_model")
numpy.save("exported.npy", saved.serve(numpy.load("new.npy").astype("float32")))
"""
