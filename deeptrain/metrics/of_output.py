"""Metrics of one of several outputs: "OUTPUT.METRIC", such as "sick.f1_score". Loads no NumPy until called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deeptrain.errors import SettingsError
from deeptrain.metrics import names

if TYPE_CHECKING:
    from deeptrain.metrics.metric import Kind, Metric


@dataclass(frozen=True)
class MetricOfOutput:
    """A metric of one output; calling it takes labels and outputs by name."""

    output: str
    metric: Metric

    @property
    def name(self) -> str:
        """What results, tables and settings call it: "sick.f1_score"."""
        return f"{self.output}.{self.metric.name}"

    @property
    def maximize(self) -> bool:
        """Whether more is better."""
        return self.metric.maximize

    def __call__(self, labels: Any, outputs: Any) -> float:
        """The metric's value over all samples.

        Args:
            labels: by output, as `Metric` takes them.
            outputs: likewise.

        Raises:
            DataError: as of the metric.
        """
        return self.metric(labels[self.output], outputs[self.output])


def split(name: str) -> tuple[str, str]:
    """Output and metric in a name: "sick.f1" is ("sick", "f1"), and "f1" of an only output ("", "f1")."""
    output, dot, metric = name.partition(".")
    return (output, metric) if dot and names.find(name) is None else ("", name)


def canonical(name: str) -> str:
    """The name with the metric by its own name; as it is when there is no such metric."""
    output, metric = split(name)
    found = names.find(metric)
    if found is None:
        return name
    return f"{output}.{found.name}" if output else found.name


def checked(named: Iterable[str], kind: Kind | Mapping[str, Kind]) -> tuple[Metric, ...] | tuple[MetricOfOutput, ...]:
    """The metrics of those names, in order, each once, all fit for the kind of their output.

    Args:
        named: names of metrics; with several outputs each says which one it is of.
        kind: of the labels, by output where there are several.

    Raises:
        SettingsError: one line for each name that is unknown or does not fit, with the ones that do.
    """
    if not isinstance(kind, Mapping):
        return names.checked(named, kind)
    found: dict[str, MetricOfOutput] = {}
    mistakes = []
    for name in named:
        output, metric = split(name)
        if output not in kind:
            mistakes.append(f"metric {name}: say which output it is of: {', '.join(f'{of}.{metric}' for of in kind)}")
            continue
        try:
            (of,) = names.checked([metric], kind[output])
        except SettingsError as error:
            mistakes.append(f"output {output}: {error}")
        else:
            found[f"{output}.{of.name}"] = MetricOfOutput(output, of)
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return tuple(found.values())
