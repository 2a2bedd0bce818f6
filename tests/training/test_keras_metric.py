"""Losses and metrics of Keras: the same values here, and those that are left to it, reached by name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from deeptrain.errors import UserCodeError
from deeptrain.metrics import chosen, names
from deeptrain.metrics.settings import MetricUse
from deeptrain.training import keras_metric

GENERATOR = np.random.Generator(np.random.Philox(11))
BINARY = (GENERATOR.integers(0, 2, 40), GENERATOR.random(40))
VALUES = (GENERATOR.normal(size=(40, 3)), GENERATOR.normal(size=(40, 3)))
RATES = (GENERATOR.random((40, 3)) * 4, GENERATOR.random((40, 3)) * 4)
CLASSES = (GENERATOR.integers(0, 3, 40), GENERATOR.dirichlet(np.ones(3), 40))
WEIGHTS = GENERATOR.random(40)

LOSSES = {
    "binary_crossentropy": ("BinaryCrossentropy", BINARY),
    "categorical_crossentropy": ("CategoricalCrossentropy", CLASSES),
    "sparse_categorical_crossentropy": ("SparseCategoricalCrossentropy", CLASSES),
    "kullback_leibler_divergence": ("KLDivergence", CLASSES),
    "categorical_hinge": ("CategoricalHinge", CLASSES),
    "hinge": ("Hinge", BINARY),
    "squared_hinge": ("SquaredHinge", BINARY),
    "mean_absolute_error": ("MeanAbsoluteError", VALUES),
    "mean_squared_error": ("MeanSquaredError", VALUES),
    "mean_absolute_percentage_error": ("MeanAbsolutePercentageError", VALUES),
    "mean_squared_logarithmic_error": ("MeanSquaredLogarithmicError", RATES),
    "log_cosh": ("LogCosh", VALUES),
    "huber": ("Huber", VALUES),
    "poisson": ("Poisson", RATES),
    "cosine_similarity": ("CosineSimilarity", VALUES),
}


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_of_keras_has_its_value_here(name, weights):
    cls, (labels, outputs) = LOSSES[name]
    theirs = keras_metric.function_of(getattr(keras.losses, cls), {})
    assert names.get(name)(labels, outputs, weights) == pytest.approx(theirs(labels, outputs, weights), rel=1e-5)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_the_usual_metrics_of_keras_have_their_values_here(weights):
    labels, scores = BINARY
    for name, made in (
        ("accuracy", keras.metrics.BinaryAccuracy()),
        ("precision", keras.metrics.Precision()),
        ("recall", keras.metrics.Recall()),
        ("brier", keras.metrics.MeanSquaredError()),
    ):
        made.update_state(labels[:, None], scores[:, None], sample_weight=weights)
        assert names.get(name)(labels, scores, weights) == pytest.approx(float(made.result()), rel=1e-5), name
    labels, outputs = CLASSES
    for name, made in (
        ("sparse_categorical_accuracy", keras.metrics.SparseCategoricalAccuracy()),
        ("f1_score_macro", keras.metrics.F1Score(average="macro")),
    ):
        given = np.eye(3)[labels] if name == "f1_score_macro" else labels
        made.update_state(given, outputs, sample_weight=weights)
        assert names.get(name)(labels, outputs, weights) == pytest.approx(float(made.result()), rel=1e-5), name


def of_keras(named, kind):
    (metric,) = chosen.of([named], kind, Path(), keras_metric.function_of)
    return metric


NEEDED = {
    "precision_at_recall": {"recall": 0.5},
    "recall_at_precision": {"precision": 0.5},
    "sensitivity_at_specificity": {"specificity": 0.5},
    "specificity_at_sensitivity": {"sensitivity": 0.5},
}


@pytest.mark.parametrize("name", keras_metric.CLASSES)
def test_what_is_left_to_keras_is_computed_by_it_and_begins_anew_each_time(name):
    for kind in names.get(name).kinds:
        metric = of_keras(MetricUse(use=name, arguments=NEEDED.get(name, {})), kind)
        labels, outputs = {"binary": BINARY, "classes": CLASSES, "values": (BINARY[0] * 1.0, BINARY[1])}[kind]
        first = metric(labels, outputs)
        assert np.isfinite(first)
        assert metric(labels[::-1].copy(), outputs[::-1].copy()) == pytest.approx(first, rel=1e-5)
        assert metric(labels, outputs) == first
        assert metric(labels, outputs, np.full(40, 2.0)) == pytest.approx(first, rel=1e-5)


def test_a_class_of_keras_is_named_like_ones_own_code():
    cosine = of_keras(MetricUse(use="keras.metrics:CosineSimilarity", maximize=True), "values")
    assert cosine.name == "CosineSimilarity"
    assert cosine(*VALUES) == pytest.approx(-names.get("cosine_similarity")(*VALUES), rel=1e-5)
    focal = of_keras("keras.losses:CategoricalFocalCrossentropy", "classes")
    assert not focal.maximize
    assert focal(*CLASSES) == of_keras("categorical_focal_crossentropy", "classes")(*CLASSES)
    with pytest.raises(UserCodeError, match=r"^metric keras\.metrics:AUC: must say whether more is better"):
        of_keras("keras.metrics:AUC", "binary")
    with pytest.raises(UserCodeError, match=r"^precision_at_recall: raised TypeError: .*recall"):
        of_keras("precision_at_recall", "binary")


OWN = """
def worst_half(y_true, y_pred, sample_weight=None, threshold=0.5, part=0.5):
    import numpy as np

    missed = np.sort(np.abs(y_true - y_pred))[::-1]
    return missed[: max(1, int(part * len(missed)))].mean()


worst_half.maximize = False
"""
TRAIN = """
import json, sys
from deeptrain import lineage
from deeptrain.training.trainer import Trainer

plan = lineage.read(sys.argv[1], store=sys.argv[2])
trainer = Trainer.from_experiment(sys.argv[1], store=sys.argv[2])
trainer.train()
results = [result.plain() for result in trainer.results]
print(json.dumps({"results": results, "best": trainer.state.best.epoch, "maximize": trainer.maximize}))
"""


def run(file, store):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CUDA_VISIBLE_DEVICES": ""}
    made = subprocess.run(
        [sys.executable, "-c", TRAIN, str(file), str(store)], capture_output=True, text=True, env=environment
    )
    assert made.returncode == 0, made.stderr[-2000:]
    return json.loads(made.stdout.splitlines()[-1])


def test_an_experiment_is_judged_by_a_metric_of_its_own_and_by_one_of_keras(make_experiment, tmp_path):
    from deeptrain import lineage
    from tests.conftest import TOML

    named = (
        'metrics = ["f1_score", "dice", {use = "my_metric:worst_half", arguments = {part = 0.25}}]\n'
        'key_metric = "worst_half"'
    )
    file = make_experiment(toml=TOML.replace('metrics = ["f1_score", "accuracy"]', named))
    source = file.parent / "my_metric.py"
    source.write_text(OWN)
    told = run(file, tmp_path / "runs")
    values = [result["validation"]["worst_half"] for result in told["results"]]
    assert all(0 <= result["validation"]["dice"] <= 1 for result in told["results"])
    assert told["maximize"] is False
    assert told["best"] == 1 + int(np.argmin(values))

    before = lineage.read(file, store=tmp_path / "runs").training.specification.identity
    source.write_text(OWN.replace("def worst_half", "# another comment\ndef worst_half"))
    assert lineage.read(file, store=tmp_path / "runs").training.specification.identity == before
    source.write_text(OWN.replace("np.abs(y_true - y_pred)", "np.square(y_true - y_pred)"))
    assert lineage.read(file, store=tmp_path / "runs").training.specification.identity != before
