"""Using the result: the model of an epoch with its preprocessing and threshold, and no code of a stranger."""

import hashlib
import json
import shutil
from pathlib import Path

import luigi
import numpy as np
import pytest

import deeptrain
import pipelines
from deeptrain import files, lineage
from deeptrain.errors import ArtifactError, DataError, UserCodeError
from deeptrain.store import manifest as manifests
from deeptrain.training import predictions
from tests.conftest import TOML, write_experiment


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
    from deeptrain.shards import reading

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
        path.write_text(json.dumps({**told, "sha256": files.digest_of(told)}))
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
