"""Using a result: `python -m pipelines predict` and `export`, and `deeptrain.load`."""

import csv
import functools
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import deeptrain
from deeptrain.errors import UserCodeError
from deeptrain.predictor import Predictor
from tests.pipelines import command
from tests.pipelines.command import Finished, Warm
from tests.pipelines.conftest import Trained

RUN = "runs/tiny"
BESIDE = ("--experiment", "tiny.toml")


@pytest.fixture(scope="module")
def loaded(trained: Trained) -> Predictor:
    return deeptrain.load(trained.directory / RUN, experiment=trained.directory / "tiny.toml")


@pytest.fixture(scope="module")
def unseen() -> np.ndarray:
    return np.random.Generator(np.random.Philox(99)).normal(size=(37, 4)).round(4)


@pytest.fixture
def pipelines(warm: Warm) -> Callable[..., Finished]:
    return functools.partial(warm, module="pipelines")


def write_csv(path: Path, x: np.ndarray, columns: str = "abcd") -> Path:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in x)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_predict_says_of_unseen_files_what_the_loaded_model_says(
    trained: Trained, loaded: Predictor, unseen: np.ndarray, tmp_path: Path, pipelines: Callable[..., Finished]
) -> None:
    # Columns in another order, and one that the model does not know.
    write_csv(tmp_path / "new.csv", np.column_stack([unseen[:, ::-1], np.arange(37)]), "dcbay")
    asked = ("predict", RUN, str(tmp_path / "new.csv"), *BESIDE)
    printed = pipelines(*asked, cwd=trained.directory)
    assert (printed.code, printed.err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    assert list(rows[0]) == ["sample", "probability", "decision", "class"]
    assert [int(row["sample"]) for row in rows] == list(range(37))
    expected = loaded.probabilities(unseen.astype(np.float32))
    assert [float(row["probability"]) for row in rows] == expected.tolist()
    (threshold,) = trained.directory.glob("runs/tiny/threshold-*/threshold.json")
    value = json.loads(threshold.read_bytes())["value"]
    assert [int(row["decision"]) for row in rows] == (expected > value).astype(int).tolist()
    assert 0 < sum(int(row["decision"]) for row in rows) < 37

    written = pipelines(*asked, "--out", str(tmp_path / "scores.csv"), cwd=trained.directory)
    assert (written.code, written.err) == (0, "")
    assert (tmp_path / "scores.csv").read_text() == printed.out
    assert written.out == (
        f"37 samples scored with epoch {loaded.epoch}, threshold {value:.6g} ({threshold.parent.name}): "
        f"{tmp_path / 'scores.csv'}\n"
    )


def test_a_saved_prediction_of_the_run_is_predicted_again_from_its_raw_files(
    trained: Trained, loaded: Predictor
) -> None:
    (made,) = trained.directory.glob("runs/tiny/predictions-*")
    (shards,) = trained.directory.glob("runs/tiny/shards-*")
    x = np.concatenate([np.load(path) for path in sorted(shards.glob("parts/*/test-*.x.npy"))])
    np.testing.assert_allclose(
        loaded.probabilities(x), np.load(made / "test.outputs.npy").reshape(-1), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["predict", RUN, "few.csv", *BESIDE], "few.csv: lacks 2 of the 4 columns: c, d"),
        (["predict", "runs/tiny2", "raw", *BESIDE], "runs/tiny2: no such run; a run is a directory such as "
         "runs/digits"),
        (["predict", RUN, "raw", "--epoch", "9"], 'epoch must be "best", "last" or a number from 1 to 3, got 9'),
        (["predict", RUN, "raw", *BESIDE, "--epoch", "1"],
         "runs/tiny/TRAINING/states/0001: the state of epoch 1 is not kept (kept: 0002, 0003); run TrainModel with "
         """--settings '{"training.keep_every": 1}' to have every epoch's state made again"""),
        (["predict", RUN, "raw", "--out", "nowhere/scores.csv"],
         "--out nowhere/scores.csv: the directory nowhere does not exist"),
        (["predict", RUN, "gone.csv", *BESIDE],
         "gone.csv: does not exist; give the path of a file or of a directory"),
        (["export", "raw"], "raw: holds no training; name one of them, or run TrainModel"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_in_a_line(
    arguments: list[str], line: str, here: Path, pipelines: Callable[..., Finished]
) -> None:
    (training,) = here.glob("runs/tiny/training-*")
    write_csv(here / "few.csv", np.ones((3, 2)), "ab")
    finished = pipelines(*arguments, cwd=here)
    assert finished.err == f"deeptrain: {line.replace('TRAINING', training.name)}\n"
    assert (finished.code, finished.out) == (1, "")


def test_an_altered_artifact_predicts_nothing(here: Path, pipelines: Callable[..., Finished]) -> None:
    (threshold,) = here.glob("runs/tiny/threshold-*/threshold.json")
    data = bytearray(threshold.read_bytes())
    data[data.index(b'"value"') + 11] ^= 1
    threshold.write_bytes(data)
    finished = pipelines("predict", RUN, "raw", *BESIDE, cwd=here)
    assert (finished.code, finished.out) == (1, "")
    directory = threshold.parent.relative_to(here)
    assert finished.err.startswith(f"deeptrain: {directory}/threshold.json: altered: its sha256 is ")
    assert finished.err.endswith(f"; delete {directory} and run TrainModel to have it made again\n")
    assert finished.err.count("\n") == 1


def test_code_beside_the_experiment_needs_the_experiment_named(trained: Trained, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(trained.directory / "runs", alone / "runs")
    with pytest.raises(
        UserCodeError, match=r'experiment that is named: deeptrain\.load\(RUN, experiment="my\.toml"\), or --experiment'
    ):
        deeptrain.load(alone / RUN)
    assert deeptrain.load(alone / RUN, experiment=trained.directory / "tiny.toml").epoch == 3


USE = """
import json, sys
import numpy as np, keras, tensorflow as tf

x = np.load("x.npy").astype("float32")
model = keras.models.load_model("export/model.keras")
saved = tf.saved_model.load("export/saved_model")
said = [model.predict(x, verbose=0)[:, 0], saved.serve(x).numpy()[:, 0]]
assert "deeptrain" not in sys.modules
print(json.dumps([part.tolist() for part in said]))
"""


def test_an_exported_model_is_the_same_twice_and_predicts_the_same_without_deeptrain(
    trained: Trained, loaded: Predictor, unseen: np.ndarray, tmp_path: Path, pipelines: Callable[..., Finished]
) -> None:
    for name in ("export", "again"):
        finished = pipelines("export", RUN, *BESIDE, "--out", str(tmp_path / name), cwd=trained.directory)
        assert (finished.code, finished.err) == (0, "")
        assert finished.out.splitlines() == [
            str(tmp_path / name / part) for part in ("model.keras", "saved_model", "export.json")
        ]
    for name in ("model.keras", "export.json"):
        assert (tmp_path / "export" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    told = json.loads((tmp_path / "export/export.json").read_bytes())
    assert told["preprocessing_included"] == ["Normalise"]
    assert told["threshold"] == loaded.threshold

    np.save(tmp_path / "x.npy", unseen)
    used = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", USE],
        cwd=tmp_path,
        env=command.environment(TF_CPP_MIN_LOG_LEVEL="3"),
        check=True,
        capture_output=True,
        text=True,
    )
    expected = loaded.probabilities(unseen.astype(np.float32))
    for said in json.loads(used.stdout):
        np.testing.assert_allclose(said, expected, rtol=0, atol=1e-6)
