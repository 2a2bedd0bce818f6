"""Over a data set: what one batch after the other says, in one pass."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain.errors import IntrospectionError
from deeptrain.introspection import gradients, gradients_over, outputs, outputs_over
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.batches import Batches
from deeptrain.training import runtime
from deeptrain.training.keras_globals import fresh_names_and_seeds
from deeptrain.training.keras_learner import KerasLearner
from tests import shard_files

RNG = np.random.Generator(np.random.Philox(7))
DATA = [
    (RNG.normal(size=(size, 4)).astype(np.float32), RNG.normal(size=size).astype(np.float32)) for size in (5, 5, 3, 4)
]


@pytest.fixture(scope="module")
def model() -> Any:
    import keras
    from keras import layers

    runtime.start(1, True)
    with fresh_names_and_seeds(5):
        model = keras.Sequential(
            [
                keras.Input((4,)),
                layers.Dense(3, "tanh", name="hidden", kernel_regularizer=keras.regularizers.L2(0.1)),
                layers.Dropout(0.5, name="drop"),
                layers.BatchNormalization(name="norm"),
                layers.Dense(1, name="said"),
            ]
        )
        model.compile("adam", "mean_squared_error")
    return model


def test_gradients_are_those_of_the_batches_summed_and_their_norms(model: Any) -> None:
    told: list[tuple[int, int | None]] = []
    before = [one.numpy().tobytes() for one in model.variables]
    found = gradients_over(model, DATA, progress=lambda done, of: told.append((done, of)), class_weights={0: 2.0})
    each = [gradients(model, x, y, class_weights={0: 2.0}) for x, y in DATA]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (found.batches, found.samples) == (4, 17)
    assert list(found.sums) == list(each[0])
    for name, total in found.sums.items():
        values = np.stack([one[name] for one in each]).astype(np.float64)
        np.testing.assert_allclose(total, values.sum(0), rtol=1e-5, atol=1e-6)
        norms = np.sqrt((values.reshape(4, -1) ** 2).sum(1))
        np.testing.assert_allclose(found.norms[name], norms, rtol=1e-5, atol=1e-6)
        assert found.statistics[name].size == values.size
        assert found.statistics[name].mean == pytest.approx(values.mean(), rel=1e-4, abs=1e-6)
    whole = np.sqrt(sum(norm**2 for norm in found.norms.values()))
    np.testing.assert_allclose(found.global_norms, whole)
    assert found.norm_quantiles([0.5, 1.0]) == {0.5: pytest.approx(np.median(whole)), 1.0: whole.max()}
    assert found.norm_quantiles([1.0], "said/bias") == {1.0: found.norms["said/bias"].max()}
    losses = [model.compute_loss(x, y[:, None], model(x), training=False) for x, y in DATA]
    np.testing.assert_allclose(found.losses, [float(one) for one in losses], rtol=1e-5)
    assert [one.numpy().tobytes() for one in model.variables] == before


def test_in_training_mode_each_batch_draws_anew_and_nothing_changes(model: Any) -> None:
    before = [one.numpy().tobytes() for one in model.variables]
    first = gradients_over(model, [DATA[0]] * 3, by="outputs", training=True)
    again = gradients_over(model, [DATA[0]] * 3, by="outputs", training=True)
    assert len(set(first.norms["norm"])) == 3
    assert np.array_equal(first.norms["norm"], again.norms["norm"])
    assert [one.numpy().tobytes() for one in model.variables] == before


def test_outputs_are_those_of_the_batches_summed_over_samples(model: Any) -> None:
    found = outputs_over(model, (x for x, _ in DATA), ["hidden", "said"], most=3)
    values = [outputs(model, x, ["hidden", "said"]) for x, _ in DATA[:3]]
    assert (found.batches, found.samples, found.losses.shape) == (3, 13, (0,))
    for name in ("hidden", "said"):
        joined = np.concatenate([one[name] for one in values]).astype(np.float64)
        np.testing.assert_allclose(found.sums[name], joined.sum(0), rtol=1e-5, atol=1e-6)
        assert found.statistics[name].exact
        assert found.statistics[name].median == pytest.approx(np.median(joined), rel=1e-5)


def test_what_is_not_finite_in_one_batch_poisons_no_sum(model: Any) -> None:
    x, y = DATA[1]
    broken = [DATA[0], (np.where(np.arange(4) == 1, np.nan, x).astype(np.float32), y), DATA[2]]
    found = gradients_over(model, broken, "said/bias")
    assert np.isnan(found.norms["said/bias"]).tolist() == [False, True, False]
    sums = gradients_over(model, [DATA[0], DATA[2]], "said/bias").sums
    assert np.array_equal(found.sums["said/bias"], sums["said/bias"])
    assert found.statistics["said/bias"].nan == 1
    assert found.norm_quantiles([1.0])[1.0] == np.nanmax(found.global_norms)


def test_batches_of_shards_and_a_trainers_data_are_taken(tmp_path: Path, model: Any) -> None:
    import keras

    x, y = np.concatenate([x for x, _ in DATA]), (np.concatenate([y for _, y in DATA]) > 0).astype(np.uint8)
    split = shard_files.split(tmp_path / "shards", x, y)
    by_loading = gradients_over(model, Batches(split, 5), loss="mean_squared_error")
    cut = [(x[at : at + 5], y[at : at + 5]) for at in range(0, len(x), 5)]
    expected = gradients_over(model, cut)
    for name, total in expected.sums.items():
        np.testing.assert_allclose(by_loading.sums[name], total, rtol=1e-4, atol=1e-5)
    learner = KerasLearner(
        keras.models.clone_model(model), keras.optimizers.Adam(), keras.losses.MeanSquaredError(), "binary"
    )
    learner.model.set_weights(model.get_weights())
    by_learner = gradients_over(learner, BatchFeed(Batches(split, 5)))
    for name, total in expected.sums.items():
        np.testing.assert_allclose(by_learner.sums[name], total, rtol=1e-4, atol=1e-5)


def test_data_without_batches_or_labels_is_refused(model: Any) -> None:
    with pytest.raises(IntrospectionError, match="there is no batch to look at"):
        outputs_over(model, [])
    with pytest.raises(IntrospectionError, match=r"gradients need labels: give batches of \(x, y\) or"):
        gradients_over(model, [DATA[0][0]])
    with pytest.raises(IntrospectionError, match=r"a batch is x, \(x, y\) or \(x, y, weights\), got 4 parts"):
        outputs_over(model, [(*DATA[0], None, None)])
    with pytest.raises(IntrospectionError, match=r"takes x of shape \[None, 4\], got a batch of shape \[5, 3\]"):
        outputs_over(model, [DATA[0][0][:, :3]])
