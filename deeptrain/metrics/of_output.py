"""Metrics of one of several outputs: "OUTPUT.METRIC", or a table with `output`. Loads no NumPy until called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from deeptrain.metrics import names
from deeptrain.metrics.settings import MetricUse

if TYPE_CHECKING:
    from deeptrain.metrics.metric import Metric
    from deeptrain.settings import Use


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

    def __call__(self, labels: Any, outputs: Any, weights: Any = None, threshold: Any = None) -> float:
        """The metric's value over all samples.

        Args:
            labels: by output, as `Metric` takes them.
            outputs: likewise.
            weights: of the samples, as `Metric` takes them.
            threshold: likewise.

        Raises:
            DataError: as of the metric.
        """
        return self.metric(labels[self.output], outputs[self.output], weights, threshold)


def split(named: str | Use) -> tuple[str, str | Use]:
    """Output and metric: "sick.f1" is ("sick", "f1"), and "f1" of an only output ("", "f1")."""
    if isinstance(named, MetricUse) and named.output is not None:
        return named.output, msgspec.structs.replace(named, output=None)
    if isinstance(named, str) and ":" not in named and names.find(named) is None:
        output, dot, metric = named.partition(".")
        if dot:
            return output, metric
    return "", named


def plain(named: str | Use) -> Any:
    """A metric that an experiment names, in one spelling: see `names.plain`."""
    output, metric = split(named)
    told = names.plain(metric)
    if not output:
        return told
    return f"{output}.{told}" if isinstance(told, str) else {**told, "output": output}


def called(named: str | Use) -> str | None:
    """What results call a metric that an experiment names: see `names.called`."""
    output, metric = split(named)
    return _prefixed(output, names.called(metric))


def answering(name: str, among: Iterable[str | Use]) -> str | None:
    """What results call the one of several metrics that is meant by a name: see `names.answering`."""
    output, metric = split(name)
    if not isinstance(metric, str):
        return None
    return _prefixed(output, names.answering(metric, by_output(among).get(output, ())))


def mistakes(named: Iterable[str | Use]) -> Iterator[tuple[str, Any]]:
    """What is wrong with the metrics an experiment names: see `names.mistakes`."""
    for metrics in by_output(named).values():
        yield from names.mistakes(metrics)


def by_output(named: Iterable[str | Use]) -> dict[str, list[str | Use]]:
    """The metrics of each output, "" for those that name none, in their order."""
    found: dict[str, list[str | Use]] = {}
    for one in named:
        output, metric = split(one)
        found.setdefault(output, []).append(metric)
    return found


def _prefixed(output: str, name: str | None) -> str | None:
    return f"{output}.{name}" if output and name is not None else name
