"""Metrics of validation, of training batches and of an evaluation count each sample by its own weight."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.calibration import evaluation, optimum, subset
from deeptrain.errors import DataError
from deeptrain.introspection.model import ModelDescription
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.batches import Batches
from deeptrain.loading.settings import WindowSettings
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.metrics import names
from deeptrain.shards.reading import Split
from deeptrain.store import artifact
from deeptrain.store.specification import Specification
from deeptrain.training import Trainer, on, predictions
from deeptrain.training.callbacks.best_subset import BestSubset
from deeptrain.training.callbacks.dynamic_threshold import DynamicThreshold
from deeptrain.training.tally import Tally, confusion
from tests import shard_files
from tests.conftest import TOML
from tests.memory_split import MemorySplit, series
from tests.numpy_learner import NumpyLearner

METRICS = ["f1_score", "accuracy", "brier", "roc_auc"]


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Split]:
    """40 samples each, with weights and without."""
    directory, found = tmp_path_factory.mktemp("splits"), {}
    for name in ("train", "val", "plain"):
        rng = np.random.Generator(np.random.Philox(len(name)))
        x, y = rng.normal(size=(40, 2)).astype(np.float32), rng.integers(0, 2, 40, np.uint8)
        weights = None if name == "plain" else rng.integers(0, 9, 40).astype(np.float32) / 7
        found[name] = shard_files.split(directory / name, x, y, kind="binary", weights=weights)
    return found


@pytest.fixture
def trainer(splits: dict[str, Split]) -> Callable[..., Trainer]:
    def made(**options: Any) -> Trainer:
        train, val = Batches(splits["train"], 7, seed=1, order="samples"), Batches(splits["val"], 9)
        return Trainer(NumpyLearner(), train, val, kind="binary", metrics=METRICS, **options)

    return made


def test_metrics_of_a_validation_take_the_weights_of_its_samples(
    trainer: Callable[..., Trainer], splits: dict[str, Split]
) -> None:
    training = trainer(epochs=1)
    training.train()
    validated = training.validated
    assert validated is not None
    np.testing.assert_array_equal(validated.weights, splits["val"].weights)
    for name in METRICS:
        metric = names.get(name)
        expected = metric(validated.labels, validated.outputs, validated.weights)
        assert validated.metrics[name] == expected
        assert expected != metric(validated.labels, validated.outputs), "the test needs weights that matter"


@pytest.mark.parametrize("name", ["f1_score", "accuracy", "cost"])
def test_the_dynamic_threshold_is_that_of_the_weighted_samples(name: str, trainer: Callable[..., Trainer]) -> None:
    callback = DynamicThreshold(name)
    training = trainer(epochs=2, callbacks=[callback])
    training.train()
    found = training.validated
    assert found is not None
    best = optimum.of(found.labels, found.outputs, name, weights=found.weights)
    assert training.threshold == best.value
    assert callback.value == best.in_sample
    assert callback.value == names.get(name)(found.labels, found.outputs, found.weights, training.threshold)
    assert best.in_sample != optimum.of(found.labels, found.outputs, name).in_sample, (
        "the test needs weights that matter"
    )


def test_no_threshold_is_chosen_where_one_class_weighs_nothing(splits: dict[str, Split], tmp_path: Path) -> None:
    y = np.arange(40, dtype=np.uint8) % 2
    x, weights = np.zeros((40, 2), np.float32), 1 - y.astype(np.float32)
    held = shard_files.split(tmp_path / "held", x, y, kind="binary", weights=weights)
    callback = DynamicThreshold("accuracy")
    training = Trainer(
        NumpyLearner(), Batches(splits["train"], 7), Batches(held, 9), kind="binary", callbacks=[callback]
    )
    training.train()
    assert (training.threshold, callback.value) == (0.5, None)


def test_the_best_sets_are_those_of_the_weighted_samples(trainer: Callable[..., Trainer]) -> None:
    callback = BestSubset(1, "accuracy")
    training = trainer(epochs=1, callbacks=[callback])
    training.train()
    found = training.validated
    assert found is not None
    given = (found.labels, found.outputs, found.sets, 1, "accuracy", training.threshold)
    best = subset.best(*given, weights=found.weights)
    assert (callback.sets, callback.value) == (list(best.sets), best.value)
    within = np.isin(found.sets, best.sets)
    columns = (found.labels, found.outputs, found.weights)
    told = names.get("accuracy")(*(column[within] for column in columns), training.threshold)
    assert callback.value == pytest.approx(told, rel=1e-12)
    assert best.value != subset.best(*given).value, "the test needs weights that matter"


def test_counts_of_training_batches_are_sums_of_weights(trainer: Callable[..., Trainer]) -> None:
    """The mean over the epoch is the metric of all its samples, each by the outputs it had when it was fit."""
    seen: list[tuple[Any, ...]] = []

    @on("iteration_end")
    def keep(trainer: Trainer) -> None:
        newest = trainer.newest
        assert newest is not None
        seen.append((newest.group.y[0], newest.fitted.outputs[0], newest.group.counts_as[0]))

    training = trainer(epochs=1, callbacks=[keep])
    training.train()
    rows = training.history().metrics["accuracy"]
    for (y, outputs, weights), row in zip(seen, rows, strict=True):
        assert row == pytest.approx(names.get("accuracy")(y, outputs, weights))
    y, outputs, weights = (np.concatenate(parts) for parts in zip(*seen, strict=True))
    told = training.results[0].train
    for name in ("f1_score", "accuracy"):
        assert told[name] == pytest.approx(names.get(name)(y, outputs, weights), rel=1e-12)
        assert told[name] != pytest.approx(names.get(name)(y, outputs), rel=1e-3)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_sums_of_weights_are_the_same_however_iterations_are_grouped(seed: int, size: int) -> None:
    """Sums of floats depend on their order, so it must not depend on where training happened to pause."""
    rng = np.random.Generator(np.random.Philox(seed))
    labels, outputs = rng.integers(0, 2, (30, 9)), rng.random((30, 9))
    weights = (10 ** rng.uniform(-8, 8, (30, 9))).astype(np.float32)  # of alike ones float64 holds the sum exactly
    found = []
    for step in (30, size, 1):
        tally = Tally()
        for first in range(0, 30, step):
            group = slice(first, first + step)
            counts = confusion(labels[group], outputs[group], "binary", weights=weights[group])
            tally = tally.plus(outputs[group, 0], counts, labels[group])
        found.append(tally)
    assert found[0] == found[1] == found[2]
    assert sum(found[0].counts) == pytest.approx(weights.sum(), rel=1e-5)


def test_a_tally_of_weights_comes_back_as_it_was() -> None:
    tally = Tally(1.5, 3, (0.1, 0.2, 0.30000000000000004, 4.0))
    assert Tally.from_plain(tally.plain()) == tally
    whole = Tally(1.5, 3, (1, 2, 3, 4))
    assert Tally.from_plain(whole.plain()).plain() == whole.plain()
    assert all(isinstance(count, int) for count in Tally.from_plain(whole.plain()).counts)


@pytest.mark.parametrize("per_step", [False, True])
def test_series_count_by_their_weights_each_of_their_steps_too(per_step: bool) -> None:
    lengths = [3, 5, 4, 2]
    labels = np.arange(sum(lengths) if per_step else 4) % 2
    weights = np.array([1, 2, 0.5, 3], np.float32)
    given: Any = MemorySplit(series(lengths), labels, weights=weights)
    feed = WindowFeed(Batches(given, 3), WindowSettings(size=3, remainder="pad"), 3, per_step=per_step)
    np.testing.assert_array_equal(feed.label_weights, np.repeat(weights, lengths) if per_step else weights)
    assert len(feed.label_weights) == len(feed.label_sets)  # type: ignore[arg-type]
    first = next(iter(feed.judged(1)))
    np.testing.assert_array_equal(first.counts_as, [[3, 0, 0]])  # rows of padding are no series


def test_predictions_hold_weights_only_where_the_data_have_them(splits: dict[str, Split], tmp_path: Path) -> None:
    for name, weighted in (("val", True), ("plain", False)):
        feed = BatchFeed(Batches(splits[name], 9))
        made = Specification("predictions", 1, tmp_path / str(weighted), {}, {})
        with artifact.writing(made, {}) as writer:
            predictions.write(
                writer,
                NumpyLearner(),
                {"test": feed},
                epochs=[1],
                kind="binary",
                outputs="probabilities",
                classes=["no", "yes"],
                model=ModelDescription("", 3),
            )
        found = artifact.open(made.directory)
        read = predictions.read(found, "test")
        assert any(file.name == "test.weights.npy" for file in found.manifest.files) == weighted
        if not weighted:
            assert read.weights is None
            continue
        np.testing.assert_array_equal(read.weights, splits["val"].weights)
        scored = evaluation.score(read.labels, read.values, "accuracy", {"half": 0.5}, weights=read.weights)
        plain = evaluation.score(read.labels, read.values, "accuracy", {"half": 0.5})
        expected = names.get("accuracy")(read.labels, read.values, read.weights)
        assert scored.at[0].metrics["accuracy"] == expected != plain.at[0].metrics["accuracy"]
        assert scored.without_threshold["brier"] == names.get("brier")(read.labels, read.values, read.weights)
        assert (scored.at[0].tp, scored.at[0].tn) == (plain.at[0].tp, plain.at[0].tn)
        values = evaluation.metrics_of(read.labels, read.values, "values", read.weights)
        expected = names.get("mean_absolute_error")(read.labels, read.values, read.weights)
        assert values["metrics"]["mean_absolute_error"] == expected


def test_a_split_whose_samples_all_weigh_nothing_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for name, weight in (("train", 1), ("val", 0)):
        rows = "\n".join(f"{one},{one % 2},{weight}" for one in range(20))
        (tmp_path / "raw" / f"{name}.csv").write_text(f"a,y,w\n{rows}\n")
    (tmp_path / "my_model.py").write_text("def build(data): ...\n")
    file = tmp_path / "weighted.toml"
    file.write_text(
        TOML.replace("[data]", '[data]\nweights = "w"')
        .replace('path = "raw"\n', "")
        .replace(
            "{ train = 70, val = 30, calibration = 48, test = 52 }", '{ train = "raw/train.csv", val = "raw/val.csv" }'
        )
    )
    with pytest.raises(DataError, match=r"data.weights: all 20 samples of the val split weigh 0, so no metric"):
        Trainer.from_experiment(file)
