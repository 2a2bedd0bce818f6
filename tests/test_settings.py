"""Settings: all mistakes at once, one line each, with file, key, rule, value and the nearest known key."""

# ruff: noqa: E501 - a case is a line

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from deeptrain import experiment as experiments
from deeptrain.errors import SettingsError
from tests.conftest import TOML

MISTAKES = [
    ("epochs = 3", "epochs = 0", "training.epochs: expected int >= 1, got 0"),
    ("epochs = 3", "epochs = 2.5", "training.epochs: expected int, got float (2.5)"),
    ("epochs = 3", 'epochs = "3"', "training.epochs: expected int, got str ('3')"),
    ("epochs = 3", "epochs = true", "training.epochs: expected int, got bool (True)"),
    ("batch_size = 16", "batch_size = -1", "training.batch_size: expected int >= 1, got -1"),
    ("batch_size = 16", "bath_size = 16", "training.bath_size: unknown key; did you mean batch_size?"),
    ("threads = 1", "threads = 1\nautosave_seconds = nan", "training.autosave_seconds: expected"),
    ("threads = 1", "threads = 1\nautosave_seconds = inf", "training.autosave_seconds: expected a finite number, got inf"),
    ('name = "tiny"', 'name = "../../etc"', "experiment.name: expected letters, digits"),
    ('name = "tiny"', "", "experiment.name: missing; expected str"),
    ("seed = 3", "seed = -3", "experiment.seed: expected int >= 0, got -3"),
    ("[training]", "[trainning]", "trainning: unknown key; did you mean training?"),
    ("[training]", "[trainning]", "training: missing; expected a table"),
    ("subset_size = 2", "subset_size = -2", "calibration.subset_size: expected int >= 0, got -2"),
    ("subset_size = 2", 'metric = "roc_auc"', "calibration.metric: must depend on the threshold"),
    ('metrics = ["f1_score", "accuracy"]', 'metrics = ["f1_scor"]', "training.metrics: unknown metric; did you mean f1_score?"),
    ('metrics = ["f1_score", "accuracy"]', 'metrics = ["f1", "f1_score"]', "training.metrics: expected each metric once"),
    ('metrics = ["f1_score", "accuracy"]', 'metrics = [{use = "f1", name = "a"}, {use = "mcc", name = "a"}]', "training.metrics: expected each metric once (a is there twice: give one a name of its own, name = ...)"),
    ('metrics = ["f1_score", "accuracy"]', 'metrics = [{use = "f_beta", arguments = {beta = 0}}]', "training.metrics: metric f_beta: beta must be a finite number above 0, got 0"),
    ('metrics = ["f1_score", "accuracy"]', 'metrics = [{use = "mcc", maximize = true}]', "training.metrics: expected no maximize for mcc, whose direction is known, got True"),
    ('metrics = ["f1_score", "accuracy"]', 'metrics = [{use = "my:loss"}]', "training.metrics: expected no metric called loss, which is the training's own"),
    ('metrics = ["f1_score", "accuracy"]', 'metrics = [{use = "mcc", maximise = true}]', "training.metrics"),
    ('metrics = ["f1_score", "accuracy"]', 'metrics = ["f1"]\nkey_metric = "my:gap"', "training.key_metric: expected loss or one of metrics (f1_score)"),
    ("threads = 1", 'key_metric = "precision"', "training.key_metric: expected loss or one of metrics (f1_score, accuracy)"),
    ('builder = "my_model:build"', 'builder = "my_model"', "model.builder: expected module:name, got 'my_model'"),
    ("positive = 1", 'kind = "yes"', "data.labels.kind:"),
    ('labels = { column = "y", positive = 1 }', 'labels = { column = "y" }', 'data.labels.kind: expected "binary", "classes"'),
    ("[calibration]", "[predictions]\nepoch = 9\n[calibration]", "predictions.epoch: expected best, last or a number up to"),
    ("threads = 1", 'order = "random"', 'training.order: expected "sets" or "blocks" or "samples" or "none", got \'random\''),
    ("threads = 1", "deterministic = 1", "training.deterministic: expected bool, got int (1)"),
    ("[calibration]", '[predictions]\nepoch = "worst"\n[calibration]', 'predictions.epoch: expected "best" or "last" or int'),
    ("[calibration]", "[predictions]\nepoch = 0\n[calibration]", "predictions.epoch: expected"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES)
def test_each_mistake_is_told_with_its_key_rule_and_value(
    old: str, new: str, message: str, make_experiment: Callable[..., Path]
) -> None:
    assert old in TOML
    file = make_experiment(toml=TOML.replace(old, new, 1))
    with pytest.raises(SettingsError) as caught:
        experiments.read(file)
    assert any(line.startswith(f"{file}: {message}") for line in str(caught.value).splitlines()), caught.value


def test_all_mistakes_are_told_at_once(make_experiment: Callable[..., Path]) -> None:
    toml = TOML.replace("epochs = 3", "epochs = 0").replace("seed = 3", "sed = 3").replace('path = "raw"', "path = 5")
    with pytest.raises(SettingsError) as caught:
        experiments.read(make_experiment(toml=toml))
    lines = str(caught.value).splitlines()
    assert [line.split(": ", 1)[1] for line in lines] == [
        "experiment.sed: unknown key; did you mean seed?",
        "data.path: expected str, got int (5)",
        "training.epochs: expected int >= 1, got 0",
    ]


def test_a_setting_from_the_command_line_is_named_as_such(experiment: Path) -> None:
    with pytest.raises(SettingsError, match=r"--settings: training\.batch_size: expected int >= 1, got 0"):
        experiments.read(experiment, {"training.batch_size": 0})
    changed = experiments.read(experiment, {"training.batch_size": 8, "report.title": "x"})
    assert changed.training.batch_size == 8
    assert changed.report.title == "x"


@pytest.mark.parametrize("text", ["a = \n1", "\x00", "[a]\n[a]\n"])
def test_what_is_no_toml_is_told_with_its_place(text: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"bad\.toml: no valid TOML: .*line"):
        experiments.read(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gone\.toml: cannot be read: No such file"):
        experiments.read(tmp_path / "gone.toml")


def test_a_name_instead_of_a_file_is_answered_with_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"digits: cannot be read: No such .*; name an experiment's TOML file, such"
    ):
        experiments.read(tmp_path / "digits")


def test_an_experiment_is_frozen(experiment: Path) -> None:
    read = experiments.read(experiment)
    with pytest.raises(AttributeError):
        read.training.epochs = 5  # type: ignore[misc]


def test_settings_that_change_no_byte_are_in_no_identity(experiment: Path) -> None:
    relevant = experiments.read(experiment).training.relevant()
    assert not relevant.keys() & {"epochs", "autosave_seconds", "keep_every", "epochs_per_task"}
    assert {"threads", "deterministic", "batch_size", "optimizer"} <= relevant.keys()


def test_two_spellings_of_one_question_have_one_identity(make_experiment: Callable[..., Path]) -> None:
    short = experiments.read(make_experiment("a", toml=TOML.replace("threads = 1", 'threads = 1\noptimizer = "adam"')))
    table = 'threads = 1\noptimizer = { use = "adam" }'
    long = TOML.replace("threads = 1", table).replace('"f1_score", "accuracy"', '"f1", "acc"')
    assert experiments.read(make_experiment("b", toml=long)).training.relevant() == short.training.relevant()
    assert math.isclose(short.training.autosave_seconds, 60)
