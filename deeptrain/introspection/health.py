"""Whether the numbers inside a model are healthy: NaN, Inf, dead, large and exploding weights and gradients, by layer.

Any learner's `variables()` do: their names tell the layer, and what an optimizer keeps of each weight (Adam's means of
gradients and of their squares) stands in for gradients. NumPy is loaded when something is measured.
"""

import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from deeptrain.errors import SettingsError

if TYPE_CHECKING:
    import numpy as np

    from deeptrain.introspection.distribution import Counts

Kind = Literal["nan", "inf", "exploding", "dead", "large"]

SERIOUS: frozenset[Kind] = frozenset({"nan", "inf", "exploding"})
"""What training does not recover from by itself."""

WHAT_TO_TRY: dict[Kind, str] = {
    "nan": "a lower learning rate, gradient clipping, or a look at the data for what is not finite",
    "inf": "a lower learning rate or gradient clipping",
    "exploding": "a lower learning rate, gradient clipping or weight decay",
    "dead": "another activation or initialiser, a lower learning rate, or a check that the layer's output is used",
    "large": "weight decay, or inputs and labels scaled to about 1",
}

DEAD = 1e-7
"""A number below it in magnitude is dead, unless told otherwise."""

LARGE = 3.0
"""A number above it in magnitude is large, unless told otherwise."""

NUMBERED = ("model/", "recurrent/")
"""Groups of variables whose names go on with a number and their path."""

OF_DATA = frozenset({"moving_mean", "moving_variance", "mean", "variance"})
"""What layers call the statistics of their data that they keep, which are not learnt."""

OF_WEIGHTS = ("optimizer/", "average/")
"""Groups of variables that are kept for weights; their names end with the weight's path, joined by "_", and more."""


@dataclass(frozen=True)
class Rules:
    """From when on something is told.

    Attributes:
        dead: a weight below it in magnitude is dead; biases and other offsets are not, which begin at zero.
        large: a weight above it in magnitude is large.
        share: of a layer's weights, above which dead and large ones are told.
        growth: a layer explodes when the root mean square of its weights is above `large` and more than so many times
            that of the check before.
        gradient_growth: likewise of what the optimizer keeps of its gradients; great, since these may be squares that
            are averaged from zero.

    Raises:
        SettingsError: when one is out of range.
    """

    dead: float = DEAD
    large: float = LARGE
    share: float = 1e-3
    growth: float = 10.0
    gradient_growth: float = 1e4

    def __post_init__(self) -> None:
        """Check them."""
        for name, least in (("dead", 0.0), ("large", 0.0), ("share", 0.0), ("growth", 1.0), ("gradient_growth", 1.0)):
            if not least <= getattr(self, name) < math.inf:
                raise SettingsError(f"health: {name} must be a number of at least {least:g}, got {getattr(self, name)}")


@dataclass(frozen=True)
class Layer:
    """What a layer holds.

    Attributes:
        weights: what it learns. None of an offset is counted as dead.
        states: what data left in it, moving statistics and recurrent states: only what is not finite is told of them.
        gradients: what the optimizer keeps for its weights, all zero where it keeps nothing.
        unreached: those of its weights of which all that the optimizer keeps is zero after a step: no gradient came to
            them.
    """

    weights: "Counts"
    states: "Counts"
    gradients: "Counts"
    unreached: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """What is wrong with a layer. `str(finding)` tells it in one line.

    Attributes:
        layer: its name.
        kind: "nan", "inf", "exploding", "dead" or "large".
        value: the share of its numbers, from 0 to 1; of "exploding" by which factor they grew.
        rule: what was found, in words.
        advice: what to try.
    """

    layer: str
    kind: Kind
    value: float
    rule: str
    advice: str

    def __str__(self) -> str:
        """In one line."""
        return f"{self.layer}: {self.rule}; try {self.advice}"

    @property
    def serious(self) -> bool:
        """Whether training does not recover from it by itself."""
        return self.kind in SERIOUS


def measure(variables: Mapping[str, "np.ndarray"], rules: Rules | None = None) -> dict[str, Layer]:
    """The numbers of each layer, by its name, in one pass.

    Args:
        variables: by name; "model/0003/dense/kernel" and "dense/kernel" are of the layer "dense", and
            "optimizer/0005/adam/dense_kernel_velocity" is what an optimizer keeps for it. Integers are left out.
        rules: what counts as dead and large.
    """
    rules = rules or Rules()
    weights: dict[str, list[tuple[str, np.ndarray]]] = {}
    states: dict[str, list[tuple[str, np.ndarray]]] = {}
    gradients: dict[str, list[tuple[str, np.ndarray]]] = {}
    of: dict[str, tuple[str, str]] = {}
    floats = {name: value for name, value in variables.items() if value.dtype.kind == "f" and not _of_metric(name)}
    for name, value in floats.items():
        if not name.startswith(OF_WEIGHTS):
            path = name.split("/", 2)[2] if name.startswith(NUMBERED) else name
            layer, _, weight = path.rpartition("/")
            of[path.replace("/", "_")] = layer or path, weight
            group = states if name.startswith("recurrent/") or weight in OF_DATA else weights
            group.setdefault(layer or path, []).append((weight, value))
    for name, value in floats.items():
        if name.startswith(OF_WEIGHTS):
            layer, weight = of.get(weight_and_kind(name, of)[0], (name.rpartition("/")[2], ""))
            kept = gradients if name.startswith("optimizer/") else states if weight in OF_DATA else weights
            kept.setdefault(layer, []).append((weight, value))
    steps = [value for name, value in variables.items() if _counts_steps(name)]
    stepped = not steps or any(one.any() for one in steps)
    return {
        layer: Layer(
            _counts(weights.get(layer, ()), rules),
            _counts(states.get(layer, ()), rules),
            _counts(gradients.get(layer, ()), rules),
            _unreached(gradients.get(layer, ())) if stepped else (),
        )
        for layer in {**weights, **states, **gradients}
    }


def weight_and_kind(name: str, weights: Container[str]) -> tuple[str, str]:
    """Which weight a variable of an optimizer is kept for, and what it is: "" for a weight where it is of none.

    Args:
        name: of the variable: "optimizer/0005/adam/block_dense_kernel_velocity" keeps a "velocity".
        weights: the paths of the weights there are, joined by "_": "block_dense_kernel".
    """
    weight, kind = name.rpartition("/")[2], ""
    while weight and weight not in weights:
        weight, _, last = weight.rpartition("_")
        kind = f"{last}_{kind}" if kind else last
    return weight, kind


def magnitudes(layers: Mapping[str, Layer]) -> dict[str, list[float]]:
    """By layer the root mean squares of its weights and of its gradients: what the next check compares with."""
    return {name: [layer.weights.rms, layer.gradients.rms] for name, layer in layers.items()}


def check(
    before: Mapping[str, list[float]] | None, now: Mapping[str, Layer], rules: Rules | None = None
) -> tuple[Finding, ...]:
    """What is wrong, layer by layer, what is serious first within a layer.

    Args:
        before: the `magnitudes` of the check before; without them nothing is found to explode.
        now: what `measure` found.
        rules: from when on something is told.
    """
    rules = rules or Rules()
    return tuple(
        Finding(name, kind, value, rule, WHAT_TO_TRY[kind])
        for name, layer in now.items()
        for kind, value, rule in _found(layer, None if before is None else before.get(name), rules)
    )


def _found(layer: Layer, before: list[float] | None, rules: Rules) -> Iterable[tuple[Kind, float, str]]:
    for what, numbers in (("weights", layer.weights), ("states", layer.states), ("gradients", layer.gradients)):
        for kind, count, said in (("nan", numbers.nan, "NaN"), ("inf", numbers.inf, "infinite")):
            if count:
                yield cast("Kind", kind), count / numbers.size, f"{_percent(count, numbers)} of its {what} are {said}"
    for what, numbers, then, most in (
        ("weights", layer.weights, None if before is None else before[0], rules.growth),
        ("gradients", layer.gradients, None if before is None else before[1] or None, rules.gradient_growth),
    ):
        if then is not None and numbers.rms > max(rules.large, most * then):
            grown = numbers.rms / then if then else math.inf
            yield "exploding", grown, f"its {what} grew {grown:.3g} times since the check before, to {numbers.rms:.3g}"
    weights = layer.weights
    if weights.dead > rules.share * weights.size:
        share = weights.dead / weights.size
        yield "dead", share, f"{_percent(weights.dead, weights)} of its weights are below {rules.dead:g}"
    if layer.unreached:
        yield "dead", 1.0, f"no gradient has come to its {', '.join(layer.unreached)}"
    if weights.large > rules.share * weights.size:
        share = weights.large / weights.size
        yield "large", share, f"{_percent(weights.large, weights)} of its weights are above {rules.large:g}"


def _percent(count: int, of: "Counts") -> str:
    return f"{100 * count / of.size:.3g} %"


def _of_metric(name: str) -> bool:
    """Whether a variable is the state of a metric, which is no weight."""
    return name.startswith("metrics/")


def _is_offset(weight: str) -> bool:
    """Whether a weight is added, not multiplied with: such begin at zero, and let signals through when they are."""
    return "bias" in weight or weight == "beta"


def _counts_steps(name: str) -> bool:
    """Whether a variable is the count of an optimizer's steps."""
    return name.startswith("optimizer/") and name.endswith("/iteration")


def _unreached(kept: Iterable[tuple[str, "np.ndarray"]]) -> tuple[str, ...]:
    reached: dict[str, bool] = {}
    for weight, value in kept:
        reached[weight] = reached.get(weight, False) or bool(value.any())
    return tuple(weight for weight, has in reached.items() if weight and not has)


def _counts(arrays: Iterable[tuple[str, "np.ndarray"]], rules: Rules) -> "Counts":
    from deeptrain.introspection.distribution import Counts, counted

    found = Counts()
    for weight, array in arrays:
        counts = counted(array, 0.0 if _is_offset(weight) else rules.dead, rules.large)
        # a single number, such as a learning rate, is neither dead nor large
        found += counts if array.ndim else Counts(counts.size, counts.nan, counts.inf)
    return found
