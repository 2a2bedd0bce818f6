"""The metrics that somebody chose, by name, as tables of an experiment or as functions, ready to be called."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from deeptrain import user_code
from deeptrain.errors import SettingsError
from deeptrain.metrics import names, of_output, own, scikit
from deeptrain.metrics.metric import Kind, Metric
from deeptrain.metrics.of_output import MetricOfOutput
from deeptrain.metrics.settings import MetricUse
from deeptrain.settings import Use

Named = str | Use | Metric | Callable[..., Any]

Adapter = Callable[[Any, Mapping[str, Any]], Callable[..., Any] | None]
"""Turns a metric of a framework, given by its bare name or as the object found under "module:name", into a plain
function (y_true, y_pred[, sample_weight]), its arguments applied; None for what is none of the framework's.

`training` gives the one for Keras: this room imports no framework.
"""


def of(
    named: Iterable[Named],
    kind: Kind | Mapping[str, Kind],
    beside: Path | None = None,
    framework: Adapter | None = None,
) -> tuple[Metric, ...] | tuple[MetricOfOutput, ...]:
    """The metrics, in order; of several outputs each of the one it names.

    Args:
        named: names, tables, metrics, or functions of (y_true, y_pred[, sample_weight][, threshold]).
        kind: of the task they must fit, by output where there are several.
        beside: where "module:function" is found first; None to take installed modules only.
        framework: makes functions of a framework's metrics.

    Raises:
        SettingsError: one line for each that is unknown, does not fit, or has the name of another.
        UserCodeError: when a function is not found, or is none that can be called so.
    """
    if not isinstance(kind, Mapping):
        return _of_one(named, kind, beside, framework)
    found: list[MetricOfOutput] = []
    mistakes = []
    for one in named:
        output, metric = of_output.split(one) if isinstance(one, str | Use) else ("", one)
        if output not in kind:
            mistakes.append(f"metric {getattr(one, 'name', one)}: say which output it is of: {', '.join(kind)}")
            continue
        try:
            found += [MetricOfOutput(output, of) for of in _of_one([metric], kind[output], beside, framework)]
        except SettingsError as error:
            mistakes.append(f"output {output}: {error}")
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return tuple(found)


def _of_one(named: Iterable[Named], kind: Kind, beside: Path | None, framework: Adapter | None) -> tuple[Metric, ...]:
    found: dict[str, Metric] = {}
    mistakes = []
    for one in named:
        try:
            metric = _fitting(_made(one, beside, framework), one, kind)
        except SettingsError as error:
            mistakes.append(str(error))
            continue
        if metric.name in found or metric.name == "loss":
            taken = "the training's own loss" if metric.name == "loss" else "another metric"
            mistakes.append(f"metric {metric.name}: has the name of {taken}; give it one of its own, name = ...")
        found[metric.name] = metric
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return tuple(found.values())


def maximizes(named: str | Use, beside: Path | None) -> bool:
    """Whether more is better of a metric that an experiment names; loads no framework that its code does not.

    Raises:
        SettingsError: when it is unknown.
        UserCodeError: when its function is not found.
    """
    if isinstance(named, MetricUse) and named.maximize is not None:
        return named.maximize
    use = Use.of(named).use
    return bool(getattr(user_code.find(use, beside), "maximize", False)) if ":" in use else names.get(use).maximize


def _made(named: Named, beside: Path | None, framework: Adapter | None) -> Metric:
    if isinstance(named, Metric):
        return named
    if not isinstance(named, str | Use):
        return own.of(named)
    use = MetricUse.of(named) if isinstance(named, str) else named
    maximize, name = (use.maximize, use.name) if isinstance(use, MetricUse) else (None, None)
    if ":" in use.use:
        function: Any = user_code.find(use.use, beside)
        adapted = None if framework is None else framework(function, use.arguments)
        arguments = use.arguments if adapted is None else {}
        return own.of(
            function if adapted is None else adapted,
            maximize=maximize,
            name=name or names.called(use),
            called=use.use,
            arguments=arguments,
        )
    metric = names.with_arguments(names.get(use.use), use.arguments)
    if maximize is not None:
        raise SettingsError(f"metric {metric.name}: its direction is known; leave maximize out")
    if metric.source == "scikit-learn" and metric.arguments:
        scikit.check(metric.computation, metric.arguments)
    if metric.source == "keras" and framework is not None:
        metric = _of_framework(metric, framework)
    return metric if name is None else _renamed(metric, name)


def _of_framework(metric: Metric, framework: Adapter) -> Metric:
    function = framework(metric.name, metric.arguments)
    if function is None:
        raise SettingsError(f"metric {metric.name}: is not known to the installed framework")
    made = own.of(function, maximize=metric.maximize, name=metric.name, source=metric.source)
    return replace(made, kinds=metric.kinds, arguments=metric.arguments)


def _renamed(metric: Metric, name: str) -> Metric:
    return replace(metric, name=name, by=metric.computation, aliases=())


def _fitting(metric: Metric, named: Named, kind: Kind) -> Metric:
    if kind not in metric.kinds:
        shown = named if isinstance(named, str) else metric.name
        if kind == "classes" and metric.name in names.AVERAGED:
            cures = " or ".join(f"{metric.name}_{average}" for average in names.AVERAGES)
            raise SettingsError(f"metric {shown} is of two classes; for more say {cures}")
        raise SettingsError(
            f"metric {shown} does not fit a task of kind {kind}; those that do are {names.fitting(kind)}"
        )
    if kind == "classes" and metric.of_counts and metric.computation != "accuracy":
        # The counts of an epoch's batches are of right and wrong there, which only accuracy is made of.
        return replace(metric, of_counts=False, ratio=None)
    return metric
