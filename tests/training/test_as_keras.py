"""Our callbacks inside `model.fit`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain.calibration import optimum
from deeptrain.errors import UserCodeError
from deeptrain.training import EarlyStopping, Every, as_keras, on, runtime
from deeptrain.training.callbacks.best_subset import BestSubset
from deeptrain.training.callbacks.dynamic_threshold import DynamicThreshold
from deeptrain.training.callbacks.layer_histograms import LayerHistograms
from deeptrain.training.callbacks.prediction_pictures import PredictionPictures
from deeptrain.training.callbacks.seed_setter import SeedSetter

RNG = np.random.Generator(np.random.Philox(4))
X = RNG.normal(size=(40, 3)).astype(np.float32)
Y = (X.sum(1) + RNG.normal(size=40) > 0.5).astype(np.float32)[:, None]


def fit(*callbacks: Any, epochs: int = 3, rate: float = 0.1) -> Any:
    import keras

    runtime.start(1, True)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid", name="only")])
    model.compile(keras.optimizers.SGD(rate), "binary_crossentropy", metrics=["accuracy"])
    split = {"validation_data": (X[20:], Y[20:]), "batch_size": 5, "epochs": epochs, "verbose": 0, "shuffle": False}
    model.fit(X[:20], Y[:20], callbacks=list(callbacks), **split)
    return model


def test_stages_come_as_in_a_trainer() -> None:
    notes: list[str] = []

    class Noted:
        every = Every(iterations=3, epochs=1)

        def __getattr__(self, stage: str) -> Any:
            if stage in {"state", "restore"} or stage.startswith("_"):
                raise AttributeError(stage)
            return lambda trainer, *_: notes.append(f"{stage} {trainer.position.epoch} {trainer.state.iteration}")

    fit(as_keras(Noted()), epochs=1)
    iterations = [
        [f"batch_begin 1 {at}", f"iteration_begin 1 {at}", f"iteration_end 1 {at + 1}", f"batch_end 1 {at + 1}"]
        for at in range(4)
    ]
    assert notes == [
        *["init 1 0", "epoch_begin 1 0", *iterations[0], *iterations[1], *iterations[2], "act 1 3", *iterations[3]],
        *["validation_end 1 4", "epoch_end 1 4", "act 1 4", "end 1 4"],
    ]


def test_early_stopping_stops_it() -> None:
    ended: list[int] = []
    told = on("epoch_end")(lambda _, results: ended.append(results.epoch))
    fit(as_keras(EarlyStopping(2), key_metric="accuracy"), as_keras(told), epochs=20, rate=0.0)
    assert ended == [1, 2, 3]


def test_threshold_and_subset_are_of_the_validation_given() -> None:
    best, chosen, sets = DynamicThreshold("f1_score"), BestSubset(2, "f1_score"), np.repeat([3, 4, 5, 6], 5)
    one, two = (as_keras(callback, validation=(X[20:], Y[20:], sets)) for callback in (best, chosen))
    model = fit(one, two)
    said = model.predict_on_batch(X[20:])[:, 0].astype(np.float64)
    assert best.value == optimum.of(Y[20:, 0], said, "f1_score").in_sample
    assert len(chosen.sets) == 2
    assert set(chosen.sets) < {3, 4, 5, 6}


def test_pictures_and_numbers_are_written_where_one_says(tmp_path: Path) -> None:
    looks = LayerHistograms(every=Every(epochs=3))
    fit(
        as_keras(looks, directory=tmp_path),
        as_keras(PredictionPictures(), validation=(X[20:], Y[20:]), directory=tmp_path),
        as_keras(SeedSetter()),
    )
    assert list(looks.numbers["weights"]) == ["only/kernel", "only/bias"]
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert found == [
        "layer_histograms/0000012.png",
        *[f"prediction_pictures/{number:07}.png" for number in (4, 8, 12)],
    ]


def test_it_may_change_the_learning_rate_and_fails_with_its_name() -> None:
    @on(Every(iterations=4))
    def halved(trainer: Any) -> None:
        trainer.learner.learning_rate /= 2

    assert float(fit(as_keras(halved)).optimizer.learning_rate.numpy()) == pytest.approx(0.1 / 8)

    @on("batch_end")
    def asks(trainer: Any) -> None:
        trainer.train_data  # noqa: B018

    with pytest.raises(
        UserCodeError, match=r"callback asks: batch_end\(\) failed .*'Fit' object has no attribute 'tra"
    ):
        fit(as_keras(asks))
