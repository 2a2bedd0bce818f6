"""Exactly what is incomplete runs: an experiment is changed, spoilt, killed, mended, and after each what ran is told.

The command is the real one. The tasks that it ran are those that the run's event log gained.
"""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import TOML, write_experiment
from tests.pipelines import command
from tests.pipelines.command import Warm

BUILDER = '''
"""A model, what it calls, and a training that can be made to fail and to die."""

import os
import signal
from pathlib import Path

HERE = Path(__file__).parent


def build(data):
    import keras

    if (HERE / "broken").exists():
        raise RuntimeError("it is broken")
    return keras.Sequential([keras.Input(data.shape), keras.layers.Dense(1 + width(), activation="sigmoid")])


def width():
    return 0


class Mortal:
    """Dies before the third checkpoint or so of the second epoch, of ten iterations, as long as a file says so."""

    def iteration_end(self, trainer):
        """Nothing, but it keeps iterations from being fused: a checkpoint may follow each."""

    def save(self, trainer):
        if (HERE / "deadly").exists() and trainer.position.epoch == 2 and trainer.state.iteration > 12:
            os.kill(os.getpid(), signal.SIGKILL)
'''
SMALL = (
    TOML.replace(
        "train = 70, val = 30, calibration = 48, test = 52", "train = 40, val = 20, calibration = 20, test = 20"
    )
    .replace("epochs = 3", 'epochs = 1\ncallbacks = ["my_model:Mortal"]')
    .replace("subset_size = 2", "subset_size = 0")
)
CHOSEN = ["threshold", "evaluation"]
TRAINED = ["epoch 1", "predictions", *CHOSEN]
CONVERTED = ["samples", "part 1", "shards"]


class Walk:
    """The experiment, and what its commands run."""

    def __init__(self, here: Path, warm: Warm) -> None:
        self.here, self.warm, self.err, self.code = here, warm, "", 0

    def ran(self, *arguments: str, task: str = "TrainModel", code: int = 0, outcome: str = "ran") -> list[str]:
        """What a command ran, in its order."""
        log = self.here / "runs/tiny/live/events.jsonl"
        before = len(command.stages(self.here / "runs", outcome)) if log.exists() else 0
        asked = ("--module", "pipelines", task, "--experiment", "tiny.toml", "--local-scheduler")
        finished = self.warm(*asked, *arguments, cwd=self.here)
        assert finished.code == code, finished
        self.err = finished.err
        return command.stages(self.here / "runs", outcome)[before:]

    def contents(self) -> dict[str, bytes]:
        return command.contents(self.here / "runs")

    def one(self, pattern: str) -> Path:
        (found,) = self.here.glob(f"runs/tiny/{pattern}")
        return found

    def edit(self, old: str, new: str) -> None:
        model = self.here / "my_model.py"
        assert old in model.read_text()
        model.write_text(model.read_text().replace(old, new))


@pytest.fixture
def walk(tmp_path: Path, warm: Warm) -> Walk:
    return Walk(write_experiment(tmp_path / "here", SMALL, BUILDER).parent, warm)


def setting(key: str, value: object) -> tuple[str, str]:
    return "--settings", json.dumps({key: value})


def test_exactly_what_is_incomplete_runs(walk: Walk) -> None:
    here = walk.here
    assert walk.ran() == [*CONVERTED, *TRAINED, "report"]
    first = walk.contents()

    assert walk.ran() == [], "nothing changed"
    assert walk.ran(*setting("training.batch_size", 8)) == [*TRAINED, "report"], "a training setting changed"
    assert walk.ran() == [], "changed back"
    assert walk.ran("--epochs", "2", task="Evaluate") == ["epoch 2", "predictions", *CHOSEN], "epochs raised"
    assert walk.ran(*setting("calibration.metric", "accuracy")) == [*CHOSEN, "report"], "a calibration setting"

    raw = here / "raw/part-1.csv"
    raw.touch()
    walk.edit("    return 0", '    """How many more outputs."""\n\n    # none\n    return (\n        0\n    )')
    walk.edit('"""A model, what it calls', '"""A model, and what it calls')
    assert walk.ran() == [], "a raw file touched; a comment, a docstring, layout changed"

    data = raw.read_bytes()
    raw.write_bytes(data.replace(b"1", b"2", 1))
    assert walk.ran() == [*CONVERTED, *TRAINED, "report"], "a byte of a raw file changed"
    raw.write_bytes(data)
    (here / "raw/part-3.csv").write_bytes(data)
    assert walk.ran(task="Evaluate") == [*CONVERTED, *TRAINED], "a raw file added"
    (here / "raw/part-3.csv").unlink()
    raw.unlink()
    assert walk.ran(task="Evaluate") == [*CONVERTED, *TRAINED], "a raw file removed"
    raw.write_bytes(data)
    assert walk.ran() == [], "restored"

    library = here / "keras-99.dist-info"
    library.mkdir()
    (library / "METADATA").write_text("Metadata-Version: 2.1\nName: keras\nVersion: 99\n")
    assert walk.ran() == [], "a library's version changed"
    assert ", now 99: versions are recorded and never a cause to run" in walk.warm(
        "plan", "tiny.toml", cwd=here, module="pipelines"
    ).out.replace("\n", " ")
    shutil.rmtree(library)
    now = walk.contents()
    assert {name: now[name] for name in first} == first


def test_code_is_a_cause_when_a_statement_changed_and_a_failed_task_runs_again_with_what_follows(walk: Walk) -> None:
    (walk.here / "broken").touch()
    assert walk.ran(task="Epochs", code=30) == CONVERTED
    assert "my_model:build: raised RuntimeError: it is broken" in walk.err
    (walk.here / "broken").unlink()
    assert walk.ran(task="Evaluate") == TRAINED, "a task that failed"

    walk.edit('activation="sigmoid"', 'activation="hard_sigmoid"')
    assert walk.ran(task="Evaluate") == TRAINED, "a statement changed in the builder"
    walk.edit("    return 0", "    return int(False)")
    assert walk.ran(task="Epochs") == ["epoch 1"], "a statement changed in what the builder calls"
    walk.edit("    return int(False)", "    return 0")
    walk.edit('activation="hard_sigmoid"', 'activation="sigmoid"')
    assert walk.ran(task="Evaluate") == [], "changed back"


def test_what_is_gone_or_spoilt_is_made_again_and_what_was_made_from_it_stays(walk: Walk) -> None:
    walk.ran("--epochs", "2", task="Evaluate")
    whole = walk.contents()
    for pattern in ("samples-*", "training-*/epochs/0001", "threshold-*"):
        shutil.rmtree(walk.one(pattern))
    assert sorted(walk.ran("--epochs", "2", task="Evaluate")) == ["epoch 1", "samples", "threshold"]
    assert walk.err == ""
    assert walk.contents() == whole

    cut = walk.one("shards-*/parts/0001/train-00001.x.npy")
    cut.write_bytes(cut.read_bytes()[:-1])
    assert walk.ran("--epochs", "2", task="Evaluate") == ["part 1"]
    assert f"warning: {cut.relative_to(walk.here)}: expected " in walk.err
    assert walk.contents() == whole

    altered = bytearray(cut.read_bytes())
    altered[-1] ^= 1
    cut.write_bytes(altered)
    assert walk.ran("--epochs", "3", task="Epochs") == ["epoch 3"], "which makes again what it cannot read"
    assert f"warning: {cut.relative_to(walk.here)}: altered: " in walk.err
    now = walk.contents()
    assert {name: now.get(name) for name in whole if "/states/" not in name} == {
        name: data for name, data in whole.items() if "/states/" not in name
    }


def test_killed_trainings_of_two_learning_rates_both_go_on_in_their_second_epoch(walk: Walk, tmp_path: Path) -> None:
    deadly = walk.here / "deadly"
    deadly.touch()
    asked = {}
    for name, rate in (("slow", 0.01), ("fast", 0.1)):
        optimizer = {"use": "SGD", "arguments": {"learning_rate": rate}}
        settings = {"training.autosave_seconds": 1e-6, "training.batch_size": 4, "training.optimizer": optimizer}
        asked[name] = ("--epochs", "2", "--settings", json.dumps(settings))
    assert walk.ran(*asked["slow"], task="Epochs", code=-9) == [*CONVERTED, "epoch 1"]
    killed = {name: data for name, data in walk.contents().items() if "/." not in name}  # litter is swept
    assert any("/unfinished/00002." in name for name in killed)
    assert walk.ran(*asked["fast"], task="Epochs", code=-9) == ["epoch 1"], "a fresh training"
    both = walk.contents()
    assert {name: both.get(name) for name in killed} == killed
    deadly.unlink()
    for name in asked:
        told = walk.warm("plan", "tiny.toml", *asked[name], "--task", "Epochs", cwd=walk.here, module="pipelines").out
        assert "goes on in epoch 2, after " in told
        assert walk.ran(*asked[name], task="Epochs") == ["epoch 2"]
    apart = Walk(write_experiment(tmp_path / "never stopped", SMALL, BUILDER).parent, walk.warm)
    for name in asked:
        apart.ran(*asked[name], task="Epochs")
    assert apart.contents() == walk.contents()
