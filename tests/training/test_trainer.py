"""The trainer: what it records, when it stops, and what its callbacks may do."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deeptrain import lineage
from deeptrain.errors import DataError, LockedError, SettingsError, TrainingError, UserCodeError
from deeptrain.loading.position import Position
from deeptrain.metrics import names
from deeptrain.training import Trainer, history
from deeptrain.training.callbacks.early_stopping import EarlyStopping
from deeptrain.training.callbacks.memory import memory_of
from deeptrain.training.outputs import interpret
from deeptrain.training.record import Record
from deeptrain.training.results import Results
from deeptrain.training.settings import TrainingSettings
from deeptrain.training.state import TrainState
from deeptrain.training.tally import Tally, confusion
from tests.conftest import BUILDER, TOML

STOPPING = TOML.replace("threads = 1", 'threads = 1\ncallbacks = ["my_model:Stopper"]')
STOPPER = (
    BUILDER
    + '''

class Stopper:
    """Remembers how many epochs it saw, halves the learning rate, and stops after two."""

    def __init__(self):
        self.seen = 0

    def epoch_end(self, trainer, results):
        self.seen += 1
        trainer.learner.learning_rate = trainer.learner.learning_rate / 2
        if self.seen == 2:
            trainer.stop("two are enough")

    def state(self):
        return {"seen": self.seen}

    def restore(self, state):
        self.seen = state["seen"]
'''
)


def test_histories_hold_every_iteration_and_results_every_epoch(experiment: Path) -> None:
    trainer = Trainer.from_experiment(experiment, store=experiment.parent / "runs")
    trainer.train()
    trainer.close()
    plan = lineage.read(experiment, store=experiment.parent / "runs")
    found = [plan.training.published(number) for number in (1, 2, 3)]
    rows = history.History.joined(
        [history.decode(epoch.verified("history.parquet"), epoch.directory) for epoch in found]
    )
    assert rows.iteration.tolist() == list(range(15))
    assert rows.batch.tolist() == [0, 1, 2, 3, 4] * 3
    assert rows.samples.tolist() == [16, 16, 16, 16, 6] * 3
    for number, results in enumerate(trainer.results):
        part = slice(5 * number, 5 * number + 5)
        mean = np.average(rows.loss[part].astype(np.float64), weights=rows.samples[part])
        assert results.train["loss"] == pytest.approx(mean, rel=1e-12)
        assert results.validation.keys() == {"loss", "f1_score", "accuracy"}
    best = min(range(3), key=lambda number: trainer.results[number].validation["loss"])
    assert trainer.state.best is not None
    assert trainer.state.best.epoch == best + 1
    assert trainer.state.results is trainer.results  # a copy would cost more with every epoch


def test_results_are_added_to_and_who_looks_keeps_what_was_seen() -> None:
    record = Record(None)
    seen = []
    for epoch in (1, 2, 3):
        judged = {"loss": 1 / epoch} if epoch != 2 else {}
        record.end_epoch(
            TrainState(position=Position(epoch=epoch + 1, iteration=5 * epoch)),
            Results(epoch, 5 * epoch, {"loss": 2 / epoch}, judged, 0.1, 3 / epoch, is_best=False),
            {},
        )
        seen.append((record.results, record.curves))
    assert [[one.epoch for one in results] for results, _ in seen] == [[1], [1, 2], [1, 2, 3]]
    assert [curves["losses"] for _, curves in seen] == [(2,), (2, 1), (2, 1, 2 / 3)]
    assert [curves["validation_losses"] for _, curves in seen] == [(1,), (1,), (1, 1 / 3)]
    assert [curves["key_values"] for _, curves in seen] == [(3,), (3, 1.5), (3, 1.5, 1)]


def test_validation_metrics_are_those_of_the_whole_split(experiment: Path) -> None:
    trainer = Trainer.from_experiment(experiment, epochs=1)
    trainer.train()
    assert trainer.val_data is not None
    outputs = np.concatenate([trainer.learner.predict(batch.x) for batch in trainer.val_data.batches])
    probabilities = interpret(outputs, "binary", "probabilities")
    for name in ("f1_score", "accuracy"):
        value = names.get(name)(trainer.val_data.split.labels, probabilities)
        assert trainer.results[0].validation[name] == value


@pytest.mark.parametrize("cut", [None, 1])
def test_a_callbacks_memory_and_what_it_changed_are_part_of_the_checkpoint(
    cut: int | None, make_experiment: Callable[..., Path]
) -> None:
    file = make_experiment(toml=STOPPING, builder=STOPPER)
    store = file.parent / "runs"
    if cut is not None:
        trainer = Trainer.from_experiment(file, store=store)
        trainer.train(cut)
        trainer.close()
    trainer = Trainer.from_experiment(file, store=store)
    trainer.train()
    before = trainer.position
    assert trainer.train().position == before
    trainer.close()
    assert trainer.state.stopped == "two are enough"
    assert [results.epoch for results in trainer.results] == [1, 2]
    assert trainer.results[1].learning_rate == pytest.approx(0.001 / 4)
    plan = lineage.read(file, store=store)
    assert plan.training.last(3) == 2
    assert plan.trained()


@pytest.mark.parametrize(
    ("values", "expected"), [([3, 2, 1, 1, 1], 5), ([3, 2, 2.5, 2.1], 4), ([3, float("nan"), float("nan")], 3)]
)
def test_early_stopping_waits_as_long_as_it_was_told(values: list[float], expected: int) -> None:
    class Trained:
        maximize = False
        key_metric = "loss"
        val_data = None
        stopped = 0

        def stop(self, reason: str) -> None:
            assert reason == "loss was no better for 2 epochs"
            self.stopped = epoch

    class Result:
        key_value = 0.0
        validation = ("loss",)

    trained, stopping = Trained(), EarlyStopping(patience=2)
    for epoch, value in enumerate(values, 1):  # noqa: B007 - read by the stop above
        result = Result()
        result.key_value = value
        again = EarlyStopping(patience=2)
        again.restore(stopping.state())
        stopping = again
        stopping.epoch_end(trained, result)  # type: ignore[arg-type]
    assert trained.stopped == expected


@pytest.mark.parametrize(
    ("arguments", "message"), [({"patience": 0}, "patience must be an integer of at least 1, got 0"),
                               ({"min_delta": -1}, "min_delta must be a number of at least 0, got -1")]
)  # fmt: skip
def test_early_stopping_checks_its_rule(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(Exception, match=message):
        EarlyStopping(**arguments)  # type: ignore[arg-type]


def test_a_loss_that_is_not_finite_is_told_with_epoch_iteration_and_sets(make_experiment: Callable[..., Path]) -> None:
    huge = 'threads = 1\noptimizer = { use = "sgd", arguments = { learning_rate = 1e38 } }'
    file = make_experiment(toml=TOML.replace("threads = 1", huge))
    trainer = Trainer.from_experiment(file, store=file.parent / "runs")
    message = (
        r"the loss became (nan|inf) in epoch 1, iteration \d \(counted from 0\), batch b\d{4} \(\d sets\), sets \d"
    )
    with pytest.raises(TrainingError, match=message):
        trainer.train()
    trainer.close()
    assert not list((file.parent / "runs").rglob("epochs/0001"))


def test_a_second_writer_is_refused_while_the_first_lives(experiment: Path) -> None:
    store = experiment.parent / "runs"
    first = Trainer.from_experiment(experiment, store=store)
    with pytest.raises(LockedError, match=r"training-\w+ is being written by process \d+"):
        Trainer.from_experiment(experiment, store=store)
    first.close()
    Trainer.from_experiment(experiment, store=store).close()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("batch_size = 16", "batch_size = 71", "batch_size must be (at most|between 1 and) the 70 samples"),
        ("threads = 1", 'threads = 1\ncallbacks = ["nothing"]', r"callback nothing: neither ready-made \(.*early_st"),
        ("threads = 1", 'threads = 1\ncallbacks = ["my_model:build"]', "my_model:build: raised TypeError"),
        (
            '["normalise"]',
            '["nothing"]',
            r"preprocessor nothing: not ready-made \(noise, normalise, one_hot, random_crop, random_flip\)",
        ),
        ('["normalise"]', '["my_model:nothing"]', "my_model:nothing|defines no nothing"),
        (
            "threads = 1",
            'threads = 1\noptimizer = "adamm"',
            r"adamm: no optimizer of Keras has this name; did you mean",
        ),
        ("threads = 1", 'threads = 1\noptimizer = { use = "adam", arguments = { lr = 1 } }', "adam: raised"),
    ],
)
def test_what_an_experiment_names_and_is_not_there_is_told(
    old: str, new: str, message: str, make_experiment: Callable[..., Path]
) -> None:
    with pytest.raises((DataError, UserCodeError), match=message):
        Trainer.from_experiment(make_experiment(toml=TOML.replace(old, new)))


# ruff: noqa: E501 - a case is a line
BUILDERS = {
    "def build(data):\n    raise RuntimeError('no idea')": "my_model:build: raised RuntimeError: no idea",
    "def build(data):\n    return 5": "my_model:build: must return a keras.Model, got int",
    "def build(data, depth):\n    return 5": "my_model:build: raised TypeError: .*'depth'",
    "import nonsense_that_is_not_there\n\ndef build(data):\n    return 5": "importing my_model failed: ModuleNotFoundError",
    """
def build(data):
    import keras
    return keras.Sequential([keras.Input(data.shape), keras.layers.Dense(3)])
""": r"the model's output does not fit the labels: binary labels, one a sample need an output of shape \[None, 1\], got",
    """
def build(data):
    import keras
    return keras.Sequential([keras.Input((9,)), keras.layers.Dense(1)])
""": r"its model does not take samples of shape \[4\]",
}


@pytest.mark.parametrize("builder", BUILDERS)
def test_a_builder_that_does_not_build_is_told(builder: str, make_experiment: Callable[..., Path]) -> None:
    with pytest.raises(UserCodeError, match=BUILDERS[builder]):
        Trainer.from_experiment(make_experiment(builder=builder))


def test_a_state_survives_json_to_the_bit() -> None:
    tally = Tally(0.1 + 0.2, 7, (1, 2, 3, 1))
    state = TrainState(tally=tally, callbacks={"a": {"best": float("inf")}})
    assert TrainState.from_plain(state.plain()).tally == tally


def test_a_tally_does_not_depend_on_how_iterations_are_grouped() -> None:
    rng = np.random.Generator(np.random.Philox(2))
    losses = rng.random(50).astype(np.float32)
    labels, said = rng.integers(0, 2, (50, 8)), rng.random((50, 8))
    whole = Tally().plus(losses, confusion(labels, said, "binary"), labels)
    parts = Tally()
    for first, last in [(0, 1), (1, 20), (20, 50)]:
        parts = parts.plus(
            losses[first:last], confusion(labels[first:last], said[first:last], "binary"), labels[first:last]
        )
    assert parts == whole
    assert sum(whole.counts) == whole.samples == 400
    assert whole.results([names.get("accuracy")])["accuracy"] == np.mean((said > 0.5) == labels)


@pytest.mark.parametrize("kind", ["binary", "classes"])
def test_padding_is_neither_right_nor_wrong(kind: str) -> None:
    rng = np.random.Generator(np.random.Philox(4))
    labels = rng.integers(0, 2, (3, 8))
    said = rng.random((3, 8) if kind == "binary" else (3, 8, 2))
    real = rng.random((3, 8)) < 0.6
    counts = confusion(labels, said, kind, real)[""]  # type: ignore[arg-type]
    for row in range(3):
        kept = real[row]
        alone = confusion(labels[row : row + 1, kept], said[row : row + 1, kept], kind)[""]  # type: ignore[arg-type]
        np.testing.assert_array_equal(counts[row : row + 1], alone)
    assert counts.sum() == real.sum()


def test_logits_become_probabilities_without_overflow() -> None:
    logits = np.array([[-1e4], [-1.0], [0.0], [1e4]], np.float32)
    np.testing.assert_allclose(interpret(logits, "binary", "logits"), [0, 1 / (1 + np.e), 0.5, 1])
    np.testing.assert_allclose(interpret(np.array([[1e4, 0.0]]), "classes", "logits"), [[1, 0]])


class Remembering:
    def __init__(self, kept: object) -> None:
        self.kept = kept

    def epoch_end(self, *_: object) -> None: ...

    def state(self) -> object:
        return self.kept

    def restore(self, _: object) -> None: ...


@pytest.mark.parametrize("kept", [{"a": [1, 2.5, float("inf"), None]}, {"nested": {"x": float("nan")}}, {}])
def test_what_json_keeps_a_callback_may_remember(kept: dict[str, object]) -> None:
    again = memory_of("mine", Remembering(kept))  # type: ignore[arg-type]
    assert repr(again) == repr(kept)
    assert repr(TrainState.from_plain(TrainState(callbacks={"mine": again}).plain()).callbacks["mine"]) == repr(kept)


@pytest.mark.parametrize("kept", [{"a": (1, 2)}, {1: 2}, {"a": "nan"}, {"a": {"b": {3: 4}}}, {"a": object()}, [1]])
def test_what_json_does_not_keep_is_told_at_once(kept: object) -> None:
    with pytest.raises(UserCodeError, match=r"mine: its state\(\) (does not survive|cannot be kept in) JSON"):
        memory_of("mine", Remembering(kept))  # type: ignore[arg-type]


def test_weights_that_are_not_finite_are_in_no_checkpoint(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from deeptrain.training.keras_learner import KerasLearner

    trainer = Trainer.from_experiment(experiment, store=experiment.parent / "runs")
    variables = KerasLearner.variables

    def spoilt(self: KerasLearner) -> dict[str, np.ndarray]:
        found = variables(self)
        name = next(iter(found))
        return {**found, name: np.full_like(found[name], np.nan)}

    monkeypatch.setattr(KerasLearner, "variables", spoilt)
    with pytest.raises(TrainingError, match=r"model/0000/.* holds a number that is not finite in epoch 1 after 5"):
        trainer.train()
    assert not list((experiment.parent / "runs").rglob("state.safetensors"))


@pytest.mark.parametrize(
    ("table", "numbered", "order"),
    [
        ({}, False, "blocks"),
        ({}, True, "sets"),
        ({"order": "none"}, True, "none"),
        ({"sampling": "balanced"}, True, "samples"),
    ],
)
def test_the_order_fits_the_data_unless_one_is_asked_for(table: dict[str, str], numbered: bool, order: str) -> None:
    assert TrainingSettings(epochs=1, **table).order_of(numbered) == order  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{"sampling": "balanced"}, {"last": "fill"}, {"class_weights": {"1": 3.0}}])
def test_sampling_filling_and_class_weights_train_and_are_another_training(
    changes: dict[str, object], experiment: Path
) -> None:
    plain = Trainer.from_experiment(experiment, epochs=1)
    settings = {f"training.{key}": value for key, value in changes.items()}
    changed = Trainer.from_experiment(experiment, epochs=1, settings=settings)
    for trainer in (plain, changed):
        trainer.train()
    assert changed.results[0].train["loss"] != plain.results[0].train["loss"]
    plans = [lineage.read(experiment, settings=given) for given in ({}, settings)]
    assert plans[0].training.specification.identity != plans[1].training.specification.identity


def test_what_is_held_in_memory_changes_no_identity_and_drawing_asks_for_its_order(experiment: Path) -> None:
    plans = [lineage.read(experiment, settings={"training.superbatch_bytes": size}) for size in (1, 1 << 30)]
    assert plans[0].training.specification.identity == plans[1].training.specification.identity
    with pytest.raises(
        SettingsError, match=r"training.order: expected samples, or none given, where samples are drawn"
    ):
        lineage.read(experiment, settings={"training.sampling": "balanced", "training.order": "sets"})
