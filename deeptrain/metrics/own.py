"""A metric of one's own: a plain function (y_true, y_pred[, sample_weight][, threshold]) that returns one number.

What it takes beside labels and predictions is found from its signature, once. It says whether more is better by an
attribute, `my_metric.maximize = True`, unless who names it does.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_args

import numpy as np

from deeptrain.errors import DeeptrainError, UserCodeError, in_one_line
from deeptrain.metrics import checks
from deeptrain.metrics.checks import Scores
from deeptrain.metrics.metric import Kind, Metric, Source

EVERY_KIND: frozenset[Kind] = frozenset(get_args(Kind))
FORM = "(y_true, y_pred[, sample_weight][, threshold])"


def of(
    function: Callable[..., Any],
    *,
    maximize: bool | None = None,
    name: str | None = None,
    called: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    source: Source = "own",
) -> Metric:
    """A function as a metric, whatever the kind of the task.

    It gets labels and predictions as `Metric` takes them, as read-only arrays; `sample_weight` is (n,) or None, and
    `threshold` a number, where it has a parameter of that name. nan says that it is undefined.

    Args:
        function: of (y_true, y_pred[, sample_weight][, threshold]), and further arguments by name.
        maximize: whether more is better; by default its attribute `maximize` says so.
        name: what results call it; by default its own.
        called: what messages call it; by default `name`.
        arguments: what it is called with beside.
        source: who made it.

    Raises:
        UserCodeError: when it does not say whether more is better, cannot be called so, or its arguments do not fit;
            named.
    """
    given = dict(arguments or {})
    name = name or str(getattr(function, "__name__", type(function).__name__))
    told = called or name
    if not callable(function):
        raise UserCodeError(f"metric {told}: must be a function of {FORM}, got {type(function).__name__}")
    better = getattr(function, "maximize", None) if maximize is None else maximize
    if not isinstance(better, bool):
        raise UserCodeError(
            f"metric {told}: must say whether more is better: maximize = true or false in its table, or an attribute "
            f"`{name}.maximize = True`, got {better!r}"
        )
    takes = _extras(function, told, given)

    def compute(labels: Any, outputs: Any, weights: Scores | None, threshold: Any) -> float:
        y_true, y_pred = checks.finite(labels, "labels"), checks.finite(outputs, "outputs")
        checks.equally_many(y_true, y_pred)
        extras: dict[str, Any] = dict(given)
        if "sample_weight" in takes:
            extras["sample_weight"] = None if weights is None else _read_only(weights)
        elif weights is not None and (weights != weights[0]).any():
            raise UserCodeError(
                f"metric {told}: takes no sample_weight, and these samples have weights: give it the parameter"
            )
        if "threshold" in takes:
            extras["threshold"] = threshold
        try:
            found = function(_read_only(y_true), _read_only(y_pred), **extras)
        except DeeptrainError:
            raise
        except Exception as error:
            raise UserCodeError(f"metric {told}: raised {in_one_line(error)}") from error
        return _number(found, told)

    return Metric(
        name, maximize=better, kinds=EVERY_KIND, needs="nothing", source=source, arguments=given, function=compute
    )


def _extras(function: Callable[..., Any], told: str, given: Mapping[str, Any]) -> frozenset[str]:
    """Which of `sample_weight` and `threshold` a function takes."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise UserCodeError(f"metric {told}: must be a function of {FORM}: {in_one_line(error)}") from error
    anything = any(one.kind is one.VAR_KEYWORD for one in parameters)
    places = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    if len(places) < 2 and not any(one.kind is one.VAR_POSITIONAL for one in parameters):
        raise UserCodeError(f"metric {told}: must take {FORM}, takes {inspect.signature(function)}")
    first = {one.name for one in places[:2]}
    named = {one.name: one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    extras = frozenset({"sample_weight", "threshold"} & named.keys() - first - given.keys())
    for name in given:
        if name in first or (name not in named and not anything):
            rest = sorted(named.keys() - first - {"sample_weight", "threshold"})
            raise UserCodeError(
                f"metric {told}: takes no argument {name}; it takes {', '.join(rest) if rest else 'none'}"
            )
    lacking = [
        name for name, one in named.items() if one.default is one.empty and name not in first | extras | given.keys()
    ]
    if lacking:
        raise UserCodeError(f"metric {told}: needs {', '.join(lacking)}: give it in arguments")
    return extras


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def _number(found: Any, told: str) -> float:
    try:
        array = np.asarray(found)
        if array.size == 1 and array.dtype.kind in "biuf":
            return float(array.reshape(()))
    except (TypeError, ValueError):
        pass
    shown = f"an array of shape {array.shape}" if np.ndim(found) else f"{found!r:.60}"
    raise UserCodeError(f"metric {told}: must return one number, got {shown}")
