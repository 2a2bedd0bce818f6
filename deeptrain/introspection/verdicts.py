"""The health of a model as a table: the checks that training uses, with a verdict for each layer and what to try."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deeptrain.introspection import health
from deeptrain.introspection.arrays import current, view
from deeptrain.introspection.health import Finding, Layer, Rules
from deeptrain.introspection.held import has_keras
from deeptrain.introspection.selection import keras_model, weight_names

HEAD = ("layer", "numbers", "rms", "NaN", "inf", "dead", "large", "gradients", "verdict")
HEALTHY = "healthy"


@dataclass(frozen=True)
class Row:
    """A layer and what is found of it.

    Attributes:
        layer: its name.
        numbers: what it holds, as training's health counts it.
        findings: what is wrong, what is serious first; none where it is healthy.
    """

    layer: str
    numbers: Layer
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """What is wrong, in words, or "healthy"."""
        return "; ".join(one.rule for one in self.findings) or HEALTHY

    @property
    def advice(self) -> str:
        """What to try; empty where it is healthy."""
        return "; ".join(dict.fromkeys(one.advice for one in self.findings))

    @property
    def serious(self) -> bool:
        """Whether training does not recover from it by itself."""
        return any(one.serious for one in self.findings)


@dataclass(frozen=True, repr=False)
class HealthTable:
    """A verdict by layer. `print(table)`, or the table alone in a notebook, shows it.

    Attributes:
        rows: one a layer, in the model's order.
    """

    rows: tuple[Row, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that is wrong."""
        return tuple(one for row in self.rows for one in row.findings)

    def __str__(self) -> str:
        """As text: a line a layer, columns in line, and under it what to try."""
        cells = [HEAD, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD) - 1)]
        lines = [_line(cells[0], widths)]
        for row, line in zip(self.rows, cells[1:], strict=True):
            lines.append(_line(line, widths))
            if row.advice:
                lines.append(f"{'':{widths[0]}}  try {row.advice}")
        return "\n".join(lines)

    __repr__ = __str__


def health_table(
    model: Any, *, gradients: Mapping[str, np.ndarray] | None = None, rules: Rules | None = None
) -> HealthTable:
    """The health of a model, layer by layer: NaN, Inf, dead and large weights, and layers that no gradient comes to.

    Gradients are judged by what the optimizer keeps for each weight, as in training, or by those that are given.

    Args:
        model: a built `keras.Model`, or any learner.
        gradients: by the weights' names, as `gradients` or the sums of `gradients_over` have them; of a Keras model.
        rules: from when on something is told.

    Raises:
        IntrospectionError: when the model is not built.
    """
    return judged(_variables(model, gradients), rules)


def judged(variables: Mapping[str, np.ndarray], rules: Rules | None = None) -> HealthTable:
    """The health of every layer that learns, and of others where something is wrong.

    Args:
        variables: of a learner, by name; see `health.measure`.
        rules: from when on something is told.
    """
    measured = health.measure(variables, rules)
    findings: dict[str, list[Finding]] = {}
    for one in health.check(None, measured, rules):
        findings.setdefault(one.layer, []).append(one)
    return HealthTable(
        tuple(
            Row(name, layer, tuple(findings.get(name, ())))
            for name, layer in measured.items()
            if layer.weights.size or name in findings
        )
    )


def _variables(model: Any, gradients: Mapping[str, np.ndarray] | None) -> Mapping[str, np.ndarray]:
    """As `Learner.variables` names them, those of a Keras model by our names."""
    if not has_keras(model) and gradients is None:
        found: Mapping[str, np.ndarray] = model.variables()
        return found
    model = keras_model(model)
    named = weight_names(model)
    kept = _kept(model, {one.path: name for name, one in named.items()}) if gradients is None else gradients.items()
    return {f"model/{number:04d}/{name}": view(current(one)) for number, (name, one) in enumerate(named.items())} | {
        f"optimizer/{number:04d}/kept/{name.replace('/', '_')}": np.asarray(value)
        for number, (name, value) in enumerate(kept)
    }


def _kept(model: Any, names: Mapping[str, str]) -> Iterator[tuple[str, np.ndarray]]:
    """What the optimizer keeps of each weight, by the weight's name and the kind, and the number of its steps.

    It knows weights by their paths.
    """
    by_path = {path.replace("/", "_"): name for path, name in names.items()}
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return
    for variable in optimizer.variables:
        if variable is optimizer.iterations:
            yield "iteration", view(current(variable))
        path, kind = health.weight_and_kind(variable.path, by_path)
        if path and len(variable.shape):
            yield f"{by_path[path]}_{kind}", view(current(variable))


def _cells(row: Row) -> tuple[str, ...]:
    weights, gradients = row.numbers.weights, row.numbers.gradients
    shares = (_share(count, weights.size) for count in (weights.nan, weights.inf, weights.dead, weights.large))
    told = f"{gradients.rms:.3g}" if gradients.size else ""
    return row.layer, f"{weights.size:,}", f"{weights.rms:.3g}", *shares, told, row.verdict


def _share(count: int, of: int) -> str:
    return f"{100 * count / of:.3g} %" if count else ""


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    name, *numbers = (
        cell.ljust(width) if not at else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(cells[:-1], widths, strict=True))
    )
    return "  ".join([name, *numbers, cells[-1]])
