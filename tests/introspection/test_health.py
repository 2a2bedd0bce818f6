"""Health: what is found in a model's numbers, whatever they are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from deeptrain.errors import SettingsError
from deeptrain.introspection import health
from deeptrain.introspection.health import Rules

WELL = np.linspace(-1, 1, 200, dtype=np.float32).reshape(20, 10)


def adam(momentum: Any, velocity: Any) -> dict[str, Any]:
    return {
        "optimizer/0000/adam/iteration": np.array(7),
        "optimizer/0001/adam/learning_rate": np.float32(1e-9).reshape(()),
        "optimizer/0002/adam/block_dense_kernel_momentum": momentum,
        "optimizer/0003/adam/block_dense_kernel_velocity": velocity,
    }


def with_one(value: float) -> Any:
    changed = WELL.copy()
    changed[3, 4] = value
    return changed


def found(variables: dict[str, Any], before: Any = None, **rules: float) -> list[tuple[str, str]]:
    return [(one.layer, one.kind) for one in health.check(before, health.measure(variables), Rules(**rules))]


def test_a_well_model_has_no_finding() -> None:
    model = {"model/0000/block/dense/kernel": WELL, **adam(WELL, WELL)}
    assert found(model, health.magnitudes(health.measure(model))) == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"model/0000/block/dense/kernel": with_one(np.nan)}, ("block/dense", "nan")),
        ({"model/0000/block/dense/kernel": with_one(-np.inf)}, ("block/dense", "inf")),
        ({"model/0000/block/dense/kernel": with_one(1e-8)}, ("block/dense", "dead")),
        ({"model/0000/block/dense/kernel": with_one(-3.5)}, ("block/dense", "large")),
        ({"model/0000/block/dense/kernel": WELL, **adam(WELL, with_one(np.nan))}, ("block/dense", "nan")),
        ({"model/0000/block/dense/kernel": WELL, **adam(0 * WELL, 0 * WELL)}, ("block/dense", "dead")),
        ({"weights": with_one(np.nan)}, ("weights", "nan")),
        ({"layers/1/weights": with_one(np.nan), "rate": np.array(0.0), "drawn": np.array(3)}, ("layers/1", "nan")),
        ({"rate": np.array(np.inf)}, ("rate", "inf")),
        ({"recurrent/0000/lstm/state": with_one(np.nan)}, ("lstm", "nan")),
        ({"model/0001/norm/moving_variance": with_one(np.inf)}, ("norm", "inf")),
    ],
)
def test_what_is_wrong_is_told_of_its_layer(variables: dict[str, Any], expected: tuple[str, str]) -> None:
    assert found(variables) == [expected]


@pytest.mark.parametrize(
    "variables",
    [
        {"model/0000/dense/kernel": WELL, "model/0001/dense/bias": np.zeros(10, np.float32)},
        {"model/0000/lstm/kernel": WELL, "model/0001/lstm/bias": np.repeat([0, 1, 0, 0], 10).astype(np.float32)},
        {"model/0000/gru/kernel": WELL, "model/0001/gru/bias": np.zeros((2, 30), np.float32)},
        {"model/0000/norm/gamma": 2 + WELL[0], "model/0001/norm/beta": np.zeros(10, np.float32)},
        {"net/0/attention/in_proj_weight": WELL, "net/0/attention/in_proj_bias": np.zeros(10, np.float32)},
    ],
)
def test_offsets_that_are_zero_as_they_begin_are_no_finding(variables: dict[str, Any]) -> None:
    assert found(variables) == []


def test_statistics_of_the_data_are_no_weights_however_great_they_grow() -> None:
    def model(times: float) -> dict[str, Any]:
        kept = {
            "norm/moving_mean": times * WELL,
            "norm/moving_variance": times * (1 + WELL),
            "scale/mean": times * WELL,
        }
        return {
            **{f"model/{number:04}/{name}": value for number, (name, value) in enumerate(kept.items())},
            "recurrent/0000/lstm/state": times * WELL,
            "average/0000/adam/norm_moving_mean": times * WELL,
            "model/0009/block/dense/kernel": WELL,
        }

    before = health.magnitudes(health.measure(model(1)))
    for times in (0.0, 1e6):
        assert found(model(times), before) == []
    assert health.measure(model(1e6))["norm"].weights.size == 0


def test_before_the_first_step_no_layer_is_called_unreached() -> None:
    model = {"model/0000/block/dense/kernel": WELL, **adam(0 * WELL, 0 * WELL)}
    assert found({**model, "optimizer/0000/adam/iteration": np.array(0)}) == []
    assert found(model) == [("block/dense", "dead")]


def test_a_layer_explodes_when_it_is_great_and_grew_since_the_check_before() -> None:
    def model(weights: float, gradients: float) -> dict[str, Any]:
        return {"model/0000/block/dense/kernel": weights * WELL, **adam(gradients * WELL, gradients**2 * WELL)}

    before = health.magnitudes(health.measure(model(1, 1)))
    assert ("block/dense", "exploding") not in found(model(5, 90), before)
    assert ("block/dense", "exploding") not in found(model(11, 1), before, large=100)
    assert ("block/dense", "exploding") in found(model(11, 1), before)
    assert ("block/dense", "exploding") in found(model(1, 200), before)
    assert ("block/dense", "exploding") not in found(model(1e6, 1e6))
    (told,) = (one for one in health.check(before, health.measure(model(11, 1))) if one.kind == "exploding")
    assert str(told) == (
        "block/dense: its weights grew 11 times since the check before, to 6.38; try a lower learning rate, gradient "
        "clipping or weight decay"
    )
    assert told.serious


@given(
    value=arrays.arrays(np.float32, st.integers(0, 70), elements=st.floats(width=32)),
    times=st.sampled_from([1, 2000]),
)
def test_every_number_is_counted_once(value: Any, times: int) -> None:
    value = np.tile(value, times)
    (layer,) = health.measure({"layer/kernel": value}).values()
    numbers = layer.weights
    finite = value[np.isfinite(value)].astype(np.float64)
    assert numbers.size == value.size
    assert numbers.nan == np.isnan(value).sum()
    assert numbers.inf == np.isinf(value).sum()
    assert numbers.dead == (np.abs(finite) < 1e-7).sum()
    assert numbers.large == (np.abs(finite) > 3).sum()
    assert numbers.rms == pytest.approx(np.sqrt(np.mean(finite**2)) if len(finite) else 0)


@pytest.mark.parametrize(("name", "value"), [("dead", -1.0), ("growth", 0.5), ("large", float("nan"))])
def test_a_rule_out_of_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=f"health: {name} must be a number of at least [01], got {value}"):
        Rules(**{name: value})
