"""The health of every layer as a table: what its numbers are, a verdict, and what to try."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from deeptrain.drawing import wording
from deeptrain.introspection import health

HEALTHY = "healthy"


@dataclass(frozen=True)
class LayerHealth:
    """One layer.

    Attributes:
        layer: its name.
        numbers: how many it has.
        rms: root mean square of its weights.
        gradients: that of what the optimizer keeps of their gradients; NaN where it keeps nothing.
        dead: share of its weights that are next to nothing, 0 to 1.
        large: share of its weights that are large.
        verdict: what is wrong, or "healthy".
        advice: what to try; "" for a healthy one.
        serious: whether training does not recover from it by itself.
    """

    layer: str
    numbers: int
    rms: float
    gradients: float
    dead: float
    large: float
    verdict: str
    advice: str
    serious: bool

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.verdict == HEALTHY

    @property
    def cells(self) -> tuple[str, ...]:
        """As the table shows it, without name and verdict."""
        return (
            wording.count(self.numbers),
            wording.score(self.rms),
            wording.score(None if np.isnan(self.gradients) else self.gradients),
            wording.share(self.dead, 1.0),
            wording.share(self.large, 1.0),
        )


def of(variables: Mapping[str, np.ndarray]) -> tuple[LayerHealth, ...]:
    """The health of what each layer has learnt, in the model's order.

    Args:
        variables: of a learner, by name; see `introspection.health.measure`.
    """
    return tuple(_rows(variables))


def verdict(found: tuple[LayerHealth, ...]) -> str:
    """All layers in one sentence."""
    ill = [one for one in found if not one.healthy]
    if not ill:
        return f"All {len(found)} layers are healthy." if len(found) > 1 else "The layer is healthy."
    grave = sum(one.serious for one in ill)
    told = f", {grave} seriously" if grave else ""
    return f"{len(ill)} of {wording.plural(len(found), 'layer')} could be healthier{told}."


def _of_data(name: str) -> bool:
    """Whether a variable holds what the data left in it, recurrent states and moving statistics, which may be large."""
    return name.startswith("recurrent/") or name.rpartition("/")[2] in {"moving_mean", "moving_variance"}


def _rows(variables: Mapping[str, np.ndarray]) -> Iterator[LayerHealth]:
    learnt = {name: value for name, value in variables.items() if not _of_data(name)}
    layers = {name: layer for name, layer in health.measure(learnt).items() if layer.weights.size}
    findings: dict[str, list[health.Finding]] = {}
    for one in health.check(None, layers):
        findings.setdefault(one.layer, []).append(one)
    for name, layer in layers.items():
        found, weights = findings.get(name, []), layer.weights
        yield LayerHealth(
            layer=name,
            numbers=weights.size,
            rms=weights.rms,
            gradients=layer.gradients.rms if layer.gradients.size else float("nan"),
            dead=weights.dead / weights.size,
            large=weights.large / weights.size,
            verdict="; ".join(one.rule for one in found) or HEALTHY,
            advice=found[0].advice if found else "",
            serious=any(one.serious for one in found),
        )
