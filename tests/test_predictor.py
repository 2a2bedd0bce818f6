"""Using the result: the model of an epoch with its preprocessing and threshold, and no code of a stranger."""

import argparse
import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import luigi
import numpy as np
import pytest

import deeptrain
import pipelines
from deeptrain import files, lineage, predictor, trusted_code
from deeptrain.errors import ArtifactError, DataError, UserCodeError
from deeptrain.predictor import Predictor
from deeptrain.shards import reading
from deeptrain.store import artifact, code
from deeptrain.store import manifest as manifests
from deeptrain.training import Trainer, predictions
from pipelines.commands import predict
from tests.conftest import TOML, write_experiment
from tests.training.test_input_as_labels import AUTOENCODER, ITSELF


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run's experiment file; its store is `runs` beside it."""
    directory = tmp_path_factory.mktemp("finished")
    file = write_experiment(directory, toml=TOML.replace("epochs = 3", "epochs = 5"))
    task = pipelines.TrainModel(experiment=str(file), store=str(directory / "runs"))
    assert luigi.build([task], local_scheduler=True, detailed_summary=True).status.name == "SUCCESS"
    return file


def test_it_predicts_what_the_run_predicted(finished: Path) -> None:
    plan = lineage.read(finished, store=finished.parent / "runs")
    expected = predictions.read(plan.artifact("predictions"), "test")
    loaded = deeptrain.load(plan.root, experiment=finished)
    split = reading.open(plan.conversion.directory).split("test")
    x = split.take(np.arange(len(split)))
    np.testing.assert_array_equal(loaded.probabilities(x), expected.values)
    threshold = plan.artifact("threshold").json("threshold.json")["value"]
    assert loaded.threshold == threshold
    np.testing.assert_array_equal(loaded.predict(x), expected.values > threshold)
    assert loaded.epoch == plan.predicted_epoch()


def test_another_epoch_has_another_threshold_or_none(finished: Path) -> None:
    run = finished.parent / "runs" / "tiny"
    best = deeptrain.load(run, experiment=finished).epoch
    other = next(number for number in (4, 5) if number != best)
    loaded = deeptrain.load(run, epoch=other, experiment=finished)
    assert (loaded.epoch, loaded.threshold) == (other, 0.5)
    assert loaded.threshold_source == f"0.5, since the chosen threshold is for epoch {best}"


@pytest.mark.parametrize(
    ("epoch", "message"), [(9, 'epoch must be "best", "last" or a number from 1 to 5, got 9'), ("first", "got 'first'")]
)
def test_an_epoch_that_is_none_is_refused(epoch: int | str, message: str, finished: Path) -> None:
    with pytest.raises(ArtifactError, match=message):
        deeptrain.load(finished.parent / "runs" / "tiny", epoch=epoch, experiment=finished)


def test_a_pruned_state_is_named_with_the_way_to_get_it(finished: Path) -> None:
    run = finished.parent / "runs" / "tiny"
    kept = {int(path.name) for path in run.glob("training-*/states/0*")}
    pruned = next(number for number in range(1, 6) if number not in kept)
    with pytest.raises(ArtifactError, match=r"the state of epoch \d is not kept \(kept: .*training\.keep_every"):
        deeptrain.load(run, epoch=pruned, experiment=finished)


def test_samples_of_another_shape_are_refused(finished: Path) -> None:
    loaded = deeptrain.load(finished.parent / "runs" / "tiny", experiment=finished)
    with pytest.raises(DataError, match=r"samples must have the shape \(samples, 4\), got \(3, 5\)"):
        loaded.probabilities(np.zeros((3, 5)))


def test_code_of_ones_own_needs_its_experiment_named(finished: Path) -> None:
    with pytest.raises(UserCodeError, match=r"my_model:build: code of one's own is only taken from an experiment"):
        deeptrain.load(finished.parent / "runs" / "tiny")


def test_code_that_changed_since_is_refused(finished: Path, tmp_path: Path) -> None:
    directory = tmp_path / "changed"
    shutil.copytree(finished.parent, directory)
    model = directory / "my_model.py"
    model.write_text(
        model.read_text().replace("ReLU", "Softplus").replace("layers.Softplus()", "layers.Activation('tanh')")
    )
    with pytest.raises(UserCodeError, match=r"the code of my_model:build is not what .* was made with"):
        deeptrain.load(directory / "runs" / "tiny", experiment=directory / "tiny.toml")


@pytest.mark.parametrize("key", ["builder", "preprocessors", "optimizer", "loss"])
@pytest.mark.parametrize("named", [True, False])
def test_a_strangers_run_executes_nothing(key: str, named: bool, finished: Path, tmp_path: Path) -> None:
    """Law 12: a manifest that names a command, with every digest made to fit."""
    directory = tmp_path / "strange"
    shutil.copytree(finished.parent, directory)
    marker = tmp_path / "executed"
    evil = {"use": "subprocess:run", "arguments": {"args": ["touch", str(marker)]}}
    for path in (directory / "runs" / "tiny").glob("training-*/epochs/*/manifest.json"):
        told = json.loads(path.read_bytes())
        section = told["settings"]["model" if key == "builder" else "training"]
        section[key] = [evil] if key == "preprocessors" else evil
        told.pop("sha256")
        path.write_bytes(files.readable_json({**told, "sha256": files.digest_of(told)}))
        assert manifests.read(path.parent).identity
    try:
        deeptrain.load(directory / "runs" / "tiny", experiment=directory / "tiny.toml" if named else None)
    except UserCodeError as error:
        assert "subprocess" in str(error) or "my_model:build" in str(error)  # noqa: PT017 - it may also load
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras' own, when it reads its file
def test_an_export_has_the_same_bytes_every_time_and_predicts_the_same(finished: Path, tmp_path: Path) -> None:
    import keras

    loaded = deeptrain.load(finished.parent / "runs" / "tiny", experiment=finished)
    x = np.random.Generator(np.random.Philox(1)).normal(size=(7, 4)).astype(np.float32)
    digests = set()
    for _ in range(2):
        paths = loaded.export(tmp_path / "export")
        digests.add(hashlib.sha256(paths[0].read_bytes()).hexdigest())
    assert len(digests) == 1
    model = keras.models.load_model(tmp_path / "export" / "model.keras")
    np.testing.assert_allclose(model.predict(x, verbose=0)[:, 0], loaded.probabilities(x), atol=1e-6)
    assert (tmp_path / "export" / "saved_model" / "saved_model.pb").is_file()
    told = json.loads((tmp_path / "export" / "export.json").read_bytes())
    assert told["threshold"] == loaded.threshold
    assert told["preprocessing_included"] == ["Normalise"]


LOADER = '''
"""Reads what no library reads: two inputs of a sample on a line, with its label or without."""
from pathlib import Path

import numpy as np


def load(path: Path) -> dict[str, np.ndarray]:
    lines = [[float(cell) for cell in line.split(";")] for line in path.read_text().splitlines()]
    rows = np.array(lines, np.float32)
    given = {"left": rows[:, :2], "right": rows[:, 2:3]}
    return {**given, "y": rows[:, 3].astype(np.int64)} if rows.shape[1] == 4 else given
'''
TWO_INPUTS = """
def build(data):
    import keras
    from keras import layers

    inputs = {one.name: keras.Input(one.shape, name=one.name) for one in data.inputs}
    joined = layers.Concatenate()([inputs["left"], layers.Rescaling(2.0)(inputs["right"])])
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(joined))


class Shifting:
    def __init__(self, data):
        self.seen = 0

    def process(self, batch, rng):
        import dataclasses

        self.seen += 1
        return dataclasses.replace(batch, x=batch.x | {"left": (batch.x["left"] + 0.1 * self.seen).astype("float32")})

    def state(self):
        return {"seen": self.seen}

    def restore(self, state):
        self.seen = state["seen"]
"""
OF_LOADER = (
    TOML.replace('path = "raw"', 'path = "raw"\nloader = "my_loader:load"')
    .replace("epochs = 3", "epochs = 1")
    .replace('["normalise"]', '[{ use = "normalise", arguments = { input = "left" } }, "my_model:Shifting"]')
    .replace("[calibration]\nsubset_size = 2\n", "")
)


@pytest.fixture(scope="module")
def of_loader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The experiment's file of a run on what a loader function reads."""
    directory = tmp_path_factory.mktemp("of_loader")
    file = write_experiment(directory, toml=OF_LOADER, builder=TWO_INPUTS)
    (directory / "my_loader.py").write_text(LOADER)
    for path in (directory / "raw").iterdir():
        path.unlink()
    write_lines(directory / "raw" / "a.txt", labelled=True)
    trainer = Trainer.from_experiment(file, store=directory / "runs")
    trainer.train()
    trainer.close()
    return file


@pytest.fixture(scope="module")
def two_inputs(of_loader: Path) -> Predictor:
    return deeptrain.load(of_loader.parent / "runs" / "tiny", experiment=of_loader)


def write_lines(path: Path, *, labelled: bool) -> np.ndarray:
    x = np.random.Generator(np.random.Philox(4)).normal(size=(200, 3)).round(3)
    rows = [[*row, *([int(sum(row) > 0)] if labelled else [])] for row in x.tolist()]
    path.write_text("\n".join(";".join(map(str, row)) for row in rows) + "\n")
    return x.astype(np.float32)


def test_new_files_of_a_loader_and_of_several_inputs_are_predicted_as_the_runs_own(
    of_loader: Path, two_inputs: Predictor, tmp_path: Path
) -> None:
    run, loaded = of_loader.parent / "runs" / "tiny", two_inputs
    x = write_lines(tmp_path / "new.txt", labelled=False)
    found = predictor.samples(loaded, tmp_path / "new.txt")
    np.testing.assert_array_equal(found["left"], x[:, :2])
    np.testing.assert_array_equal(found["right"], x[:, 2:])
    says = loaded.probabilities(found)
    assert says.shape == (200,)
    np.testing.assert_array_equal(loaded.probabilities(found), says)
    first = {name: one[:20] for name, one in found.items()}
    np.testing.assert_allclose(loaded.probabilities(first), says[:20], rtol=0, atol=1e-6)
    np.savez(tmp_path / "new.npz", right=x[:, 2:], left=x[:, :2])
    np.testing.assert_array_equal(loaded.probabilities(predictor.samples(loaded, tmp_path / "new.npz", "npz")), says)
    split = reading.open(next(run.glob("shards-*"))).split("test")
    rows = [split.raw(index)[1] for index in range(len(split))]
    np.testing.assert_allclose(loaded.probabilities(split.take(np.arange(len(split)))), says[rows], rtol=0, atol=1e-6)
    assert set(loaded.preprocess(found)) == {"left", "right"}


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 3)), "samples must be a mapping of the inputs left, right to arrays, got ndarray"),
        ({"left": np.zeros((2, 2))}, "samples lack 1 of the 2 inputs: right"),
        ({"left": np.zeros((2, 2)), "right": np.zeros(3)}, r"samples of right must have the shape \(samples, 1\), got"),
        ({"left": np.zeros((2, 2)), "right": np.zeros((3, 1))}, "each input must have as many samples, got left 2, ri"),
        ({"left": np.zeros((0, 2)), "right": np.zeros((0, 1))}, "there are no samples to predict for: expected at"),
        ({"left": [["a", "b"]], "right": [[1]]}, r"samples of left must be numbers \(float32\), got dtype <U1"),
        ({"left": np.full((2, 2), np.nan, np.float32), "right": np.zeros((2, 1))}, "left: number 0: the value is nan"),
        ({"left": [[1, 2], [3]], "right": [[1]]}, "samples of left must be arrays of one shape: "),
        (
            {"left": [[1, 1e39]], "right": [[1]]},
            "samples of left: number 0: 1e[+]39 is beyond what dtype float32 holds",
        ),
    ],
)
def test_given_samples_that_do_not_fit_are_told_in_one_line(x: object, message: str, two_inputs: Predictor) -> None:
    with pytest.raises(DataError, match=message) as error:
        two_inputs.probabilities(x)
    assert "\n" not in str(error.value)


def test_a_model_of_several_inputs_is_not_exported(two_inputs: Predictor, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"several inputs \(left, right\) cannot be exported; use deeptrain.load"):
        two_inputs.export(tmp_path)


def test_a_loader_that_changed_since_is_refused(of_loader: Path, tmp_path: Path) -> None:
    directory = tmp_path / "changed"
    shutil.copytree(of_loader.parent, directory)
    (directory / "my_loader.py").write_text(LOADER.replace("rows[:, :2]", "rows[:, 1:3]"))
    loaded = deeptrain.load(directory / "runs" / "tiny", experiment=directory / "tiny.toml")
    with pytest.raises(
        UserCodeError, match=r"the code of my_loader:load is not what .*whole was made with; put it bac"
    ):
        predictor.samples(loaded, directory / "raw")


@pytest.mark.parametrize("with_loader", [True, False])
def test_a_strangers_loader_executes_nothing(
    with_loader: bool, finished: Path, of_loader: Path, tmp_path: Path
) -> None:
    """Law 12: a manifest of shards that names code beside the data, with every digest made to fit."""
    source = of_loader if with_loader else finished
    directory = tmp_path / "strange"
    shutil.copytree(source.parent, directory)
    marker = tmp_path / "executed"
    (directory / "evil.py").write_text(f"open({str(marker)!r}, 'w').close()\ndef load(path): ...\n")
    (whole,) = (directory / "runs" / "tiny").glob("shards-*/whole/manifest.json")
    told = json.loads(whole.read_bytes())
    told["settings"]["loader"] = "evil:load"
    told["code"] = code.digest(["evil:load"], directory)
    told.pop("sha256")
    whole.write_bytes(files.readable_json({**told, "sha256": files.digest_of(told)}))
    loaded = deeptrain.load(directory / "runs" / "tiny", experiment=directory / "tiny.toml")
    with pytest.raises(UserCodeError, match=r"^evil:load: named by .*whole and not by tiny\.toml"):
        predictor.samples(loaded, directory / "raw")
    unnamed = dataclasses.replace(loaded, _experiment=None)  # as of a run whose builder is a ready one
    with pytest.raises(UserCodeError, match=r"^evil:load: code of one's own is only taken from an experiment"):
        predictor.samples(unnamed, directory / "raw")
    assert not marker.exists()


def test_a_strangers_arguments_for_a_loader_of_ones_own_are_refused(of_loader: Path, tmp_path: Path) -> None:
    """A function may do anything with them: delete the directory it is told, say."""
    directory = tmp_path / "strange"
    shutil.copytree(of_loader.parent, directory)
    (whole,) = (directory / "runs" / "tiny").glob("shards-*/whole/manifest.json")
    told = json.loads(whole.read_bytes())
    told["settings"]["loader"] = {"use": told["settings"]["loader"], "arguments": {"remove": "/"}}
    told.pop("sha256")
    whole.write_bytes(files.readable_json({**told, "sha256": files.digest_of(told)}))
    loaded = deeptrain.load(directory / "runs" / "tiny", experiment=directory / "tiny.toml")
    with pytest.raises(
        UserCodeError, match=r"^my_loader:load: called with other arguments by .*whole than data\.loader"
    ):
        predictor.samples(loaded, directory / "raw")


def test_a_ready_experiments_module_is_no_way_to_what_it_imports(finished: Path) -> None:
    """A loader is called with the path of the user's file."""
    (whole,) = (finished.parent / "runs" / "tiny").glob("shards-*/whole")
    names = ["pipelines.experiments.digits_model:keras.os.unlink"]
    with pytest.raises(UserCodeError, match=r"os\.unlink: code of one's own is only taken from an experiment"):
        trusted_code.place(artifact.open(whole), names, names, None, [])


def test_settings_of_shards_that_tell_no_way_of_reading_are_refused(finished: Path, tmp_path: Path) -> None:
    directory = tmp_path / "strange"
    shutil.copytree(finished.parent, directory)
    (whole,) = (directory / "runs" / "tiny").glob("shards-*/whole/manifest.json")
    told = json.loads(whole.read_bytes())
    told["settings"]["reading"] = {"mode": ["L"]}
    told.pop("sha256")
    whole.write_bytes(files.readable_json({**told, "sha256": files.digest_of(told)}))
    loaded = deeptrain.load(directory / "runs" / "tiny", experiment=directory / "tiny.toml")
    with pytest.raises(ArtifactError, match=r"whole: not the manifest of shards: "):
        predictor.samples(loaded, directory / "raw")


def test_the_command_writes_what_an_autoencoder_gives_back_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_experiment(tmp_path, toml=ITSELF.replace("epochs = 3", "epochs = 1"), builder=AUTOENCODER)
    trainer = Trainer.from_experiment(file, store=tmp_path / "runs")
    trainer.train()
    trainer.close()
    run, raw = tmp_path / "runs" / "tiny", tmp_path / "raw"
    command = argparse.ArgumentParser()
    predict.add_to(command.add_subparsers())
    predict.run(command.parse_args(["predict", str(run), str(raw), "--experiment", str(file)]))
    header, *lines = capsys.readouterr().out.splitlines()
    assert header == "sample,value a,value b,value c,value d"
    loaded = deeptrain.load(run, experiment=file)
    expected = loaded.probabilities(predictor.samples(loaded, raw))
    assert [[float(cell) for cell in line.split(",")[1:]] for line in lines] == expected.tolist()
