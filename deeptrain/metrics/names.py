"""Every metric by name, found without loading NumPy, so that settings can be checked while planning a run."""

import difflib
from collections.abc import Iterable

from deeptrain.errors import SettingsError
from deeptrain.metrics.metric import Kind, Metric, Ratio

_BINARY: frozenset[Kind] = frozenset({"binary"})
_CLASSES: frozenset[Kind] = frozenset({"binary", "classes"})
_VALUES: frozenset[Kind] = frozenset({"values"})


def _of_counts(name: str, *aliases: str, ratio: Ratio | None = None, kinds: frozenset[Kind] = _BINARY) -> Metric:
    return Metric(name, maximize=True, kinds=kinds, of_counts=True, ratio=ratio, aliases=aliases)


_ALL = (
    _of_counts(
        "accuracy",
        "acc",
        "binary_accuracy",
        "categorical_accuracy",
        "sparse_categorical_accuracy",
        ratio=Ratio((1, 0, 0, 1), (1, 1, 1, 1)),
        kinds=_CLASSES,
    ),
    _of_counts("f1_score", "f1", "f1-score", ratio=Ratio((2, 0, 0, 0), (2, 1, 1, 0))),
    _of_counts("precision", ratio=Ratio((1, 0, 0, 0), (1, 1, 0, 0))),
    _of_counts("recall", "tpr", "sensitivity", ratio=Ratio((1, 0, 0, 0), (1, 0, 1, 0))),
    _of_counts("specificity", "tnr", ratio=Ratio((0, 0, 0, 1), (0, 1, 0, 1))),
    _of_counts("jaccard", "jaccard_score", ratio=Ratio((1, 0, 0, 0), (1, 1, 1, 0))),
    _of_counts("balanced_accuracy", "balanced_accuracy_score"),
    _of_counts("informedness", "binary_informedness"),
    _of_counts("mcc", "matthews_corrcoef"),
    Metric("roc_auc", maximize=True, kinds=_BINARY, aliases=("auc", "roc_auc_score")),
    Metric("average_precision", maximize=True, kinds=_BINARY, aliases=("average_precision_score",)),
    Metric("log_loss", maximize=False, kinds=_CLASSES),
    Metric("brier", maximize=False, kinds=_BINARY, aliases=("brier_score_loss",)),
    Metric("mean_absolute_error", maximize=False, kinds=_VALUES, aliases=("mae",)),
    Metric("mean_squared_error", maximize=False, kinds=_VALUES, aliases=("mse",)),
)
_BY_NAME = {name: metric for metric in _ALL for name in (metric.name, *metric.aliases)}


def known() -> tuple[Metric, ...]:
    """All metrics, each once, in the order tables show them."""
    return _ALL


def of_counts() -> tuple[Metric, ...]:
    """The metrics that a threshold or a subset can be chosen for: functions of (tp, fp, fn, tn)."""
    return tuple(metric for metric in _ALL if metric.of_counts)


def of_kind(kind: Kind) -> tuple[Metric, ...]:
    """The metrics that fit a kind of task."""
    return tuple(metric for metric in _ALL if kind in metric.kinds)


def find(name: str) -> Metric | None:
    """The metric of that name or alias, or None."""
    return _BY_NAME.get(name)


def hint(name: str) -> str:
    """What to write instead of an unknown name: the nearest known one, or all of them."""
    near = difflib.get_close_matches(name, _BY_NAME, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {_listed(_ALL)}"


def get(name: str) -> Metric:
    """The metric of that name or alias.

    Raises:
        SettingsError: when there is none, with the nearest known name.
    """
    metric = find(name)
    if metric is None:
        raise SettingsError(f"unknown metric {name!r}; {hint(name)}")
    return metric


def count_metric(name: str) -> Metric:
    """The metric of that name, which is a function of confusion counts.

    Raises:
        SettingsError: when there is none, or it has no threshold.
    """
    metric = get(name)
    if not metric.of_counts:
        raise SettingsError(f"metric {name} does not depend on a threshold; those that do are {_listed(of_counts())}")
    return metric


def checked(names: Iterable[str], kind: Kind) -> tuple[Metric, ...]:
    """The metrics of those names, in order, each once, all fit for a kind of task.

    Raises:
        SettingsError: one line for each name that is unknown or does not fit, with the ones that do.
    """
    metrics: dict[str, Metric] = {}
    mistakes = []
    for name in names:
        metric = find(name)
        if metric is None:
            mistakes.append(f"unknown metric {name!r}; {hint(name)}")
        elif kind not in metric.kinds:
            mistakes.append(f"metric {name} does not fit a task of kind {kind}; those that do are {fitting(kind)}")
        else:
            metrics[metric.name] = metric
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return tuple(metrics.values())


def fitting(kind: Kind) -> str:
    """The names of the metrics that fit a kind of task, for a sentence."""
    return _listed(of_kind(kind))


def _listed(metrics: Iterable[Metric]) -> str:
    return ", ".join(metric.name for metric in metrics)
