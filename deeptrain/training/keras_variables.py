"""Every variable of a Keras model, its optimizer and its random layers: what a checkpoint must hold."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from deeptrain.errors import TrainingError
from deeptrain.introspection.still import recurrent_states

_COUNTED = re.compile(r"^([^/]*?)_\d+/")
"""An optimizer's name with the number Keras gives to the second of a kind in a process."""


def snapshot(variable: Any) -> np.ndarray:
    """The value of a variable; on the CPU a view of memory that TensorFlow copies before it writes to it again."""
    tensor = variable.value.read_value()
    on_host = "CPU" in (tensor.device or "CPU").upper()
    return np.asarray(memoryview(tensor)) if on_host else np.asarray(tensor.numpy())


def named_variables(model: Any, optimizer: Any, global_seeds: Any, metrics: Sequence[Any] = ()) -> dict[str, Any]:
    """Every variable that a run depends on, by a name of group, order and path.

    Order alone would not say which it is, and paths alone are not unique. The groups are "model" (weights and
    statistics), "seeds" (generators of random layers and the global one), "optimizer", "average" (the optimizer's
    moving averages, in the order of the weights it was built for), "recurrent" (states) and "metrics" (states of the
    metrics that the model computes itself).
    """
    named: dict[str, Any] = {}
    counts: dict[str, int] = {}
    grouped = [*_grouped(model, optimizer, global_seeds), *(("metrics", variable) for variable in metrics)]
    for group, variable in grouped:
        number = counts[group] = counts.get(group, -1) + 1
        path = variable.path
        if group in {"optimizer", "average"}:
            path = _COUNTED.sub(r"\1/", path)
        named[f"{group}/{number:04d}/{path}"] = variable
    return named


def averages_of(optimizer: Any) -> list[Any]:
    """The moving averages that an optimizer with `use_ema` keeps of the weights it was built for, in their order."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return list(inner._model_variables_moving_average) if inner.use_ema else []


def predicting(
    named: Mapping[str, Any], learnable: Sequence[Any], values: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """What the model's variables are in a state, leaving out optimizer and seeds: what it predicts with.

    They are the moving averages if the optimizer of that state kept some.

    Args:
        named: every variable that there is, by name.
        learnable: those that the optimizer was built for.
        values: the state.

    Raises:
        TrainingError: when the model's variables are not all there in the same shapes.
    """
    weights = {name: variable for name, variable in named.items() if name.startswith("model/")}
    missing = sorted(weights.keys() - values.keys())
    if missing:
        raise TrainingError(f"the initial weights are of another model: they lack {', '.join(missing[:3])}")
    check_fit(weights, values)
    found = {name: values[name] for name in weights}
    averages = [values[name] for name in sorted(values) if name.startswith("average/")]
    if any(value.any() for value in averages):
        names = {id(variable): name for name, variable in weights.items()}
        found |= {names[id(variable)]: value for variable, value in zip(learnable, averages, strict=True)}
    return found


def check_names(named: Mapping[str, Any], values: Mapping[str, np.ndarray], apart: Collection[str] = ()) -> None:
    """Check that values are of the variables that there are, but for those that are taken care of apart.

    Raises:
        TrainingError: naming the first that are missing, and too many.
    """
    missing = sorted(named.keys() - values.keys() - set(apart))
    extra = sorted(values.keys() - named.keys() - set(apart))
    if missing or extra:
        groups = {name.split("/")[0] for name in [*missing, *extra]}
        whole = "optimizer" if groups <= {"optimizer", "average", "learning_rate"} else "model"
        raise TrainingError(
            f"the state is of another {whole}: it lacks {', '.join(missing[:3]) or 'nothing'} "
            f"and has {', '.join(extra[:3]) or 'nothing'} too many"
        )


def check_fit(named: Mapping[str, Any], values: Mapping[str, np.ndarray]) -> None:
    """Check that values have the shapes and dtypes of the variables.

    Raises:
        TrainingError: naming the first that has not.
    """
    for name, variable in named.items():
        expected = (tuple(variable.shape), np.dtype(variable.dtype))
        got = (values[name].shape, values[name].dtype)
        if expected != got:
            raise TrainingError(
                f"the state is of another model: {name} is {expected[1]}{list(expected[0])}, "
                f"the state has {got[1]}{list(got[0])}"
            )


def _grouped(model: Any, optimizer: Any, global_seeds: Any) -> Iterator[tuple[str, Any]]:
    weights = {id(variable) for variable in model.weights}
    for variable in model.variables:
        yield ("model" if id(variable) in weights else "seeds"), variable
    averages = {id(variable) for variable in averages_of(optimizer)}
    for variable in optimizer.variables:
        yield ("average" if id(variable) in averages else "optimizer"), variable
    yield "seeds", global_seeds.state
    known = {id(variable) for variable in [*model.variables, *optimizer.variables]}
    for variable in recurrent_states(model):
        if id(variable) not in known:
            known.add(id(variable))
            yield "recurrent", variable
