"""Every metric by name, found without loading NumPy, so that settings can be checked while planning a run."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeAlias, get_args

from deeptrain.errors import SettingsError, did_you_mean
from deeptrain.metrics.metric import Average, Kind, Metric, Needs, Parameter, Ratio
from deeptrain.metrics.settings import MetricUse
from deeptrain.settings import Use

Named: TypeAlias = str | Use | Metric
"""A metric by its name, with arguments, or itself."""

_BINARY: frozenset[Kind] = frozenset({"binary"})
_SEVERAL: frozenset[Kind] = frozenset({"classes"})
_CLASSES: frozenset[Kind] = frozenset({"binary", "classes"})
_VALUES: frozenset[Kind] = frozenset({"values"})
_BINARY_VALUES: frozenset[Kind] = frozenset({"binary", "values"})
_CLASSES_VALUES: frozenset[Kind] = frozenset({"classes", "values"})
_NONE: frozenset[Kind] = frozenset()
AVERAGES: tuple[Average, ...] = get_args(Average)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_ABOVE_0 = Parameter("a finite number above 0", lambda value: _number(value) and value > 0)
_AT_LEAST_0 = Parameter("a finite number, at least 0", lambda value: _number(value) and value >= 0)
_WHOLE = Parameter("a whole number, at least 1", lambda value: isinstance(value, int) and _number(value) and value >= 1)


def _of_counts(
    name: str,
    *aliases: str,
    needs: Needs,
    ratio: Ratio | None = None,
    kinds: frozenset[Kind] = _BINARY,
    standard: frozenset[Kind] = _BINARY,
    maximize: bool = True,
    parameters: Mapping[str, Parameter] | None = None,
) -> Metric:
    return Metric(
        name,
        maximize=maximize,
        kinds=kinds,
        of_counts=True,
        ratio=ratio,
        aliases=aliases,
        needs=needs,
        standard=standard,
        parameters=parameters or {},
    )


def _loss(name: str, *aliases: str, kinds: frozenset[Kind] = _VALUES, **parameters: Parameter) -> Metric:
    return Metric(name, maximize=False, kinds=kinds, aliases=aliases, parameters=parameters)


_STANDARD = (
    _of_counts(
        "accuracy",
        "acc",
        "accuracy_score",
        "binary_accuracy",
        "categorical_accuracy",
        "sparse_categorical_accuracy",
        needs="samples",
        ratio=Ratio((1, 0, 0, 1), (1, 1, 1, 1)),
        kinds=_CLASSES,
        standard=_CLASSES,
    ),
    _of_counts("f1_score", "f1", "f1-score", needs="a positive or a call", ratio=Ratio((2, 0, 0, 0), (2, 1, 1, 0))),
    _of_counts("precision", "precision_score", needs="nothing", ratio=Ratio((1, 0, 0, 0), (1, 1, 0, 0))),
    _of_counts(
        "recall", "recall_score", "tpr", "sensitivity", needs="positives", ratio=Ratio((1, 0, 0, 0), (1, 0, 1, 0))
    ),
    _of_counts("specificity", "tnr", needs="negatives", ratio=Ratio((0, 0, 0, 1), (0, 1, 0, 1))),
    _of_counts("jaccard", "jaccard_score", needs="a positive or a call", ratio=Ratio((1, 0, 0, 0), (1, 1, 1, 0))),
    _of_counts("balanced_accuracy", "balanced_accuracy_score", needs="both classes", kinds=_CLASSES),
    _of_counts("informedness", "binary_informedness", needs="both classes"),
    _of_counts("mcc", "matthews_corrcoef", needs="both classes", kinds=_CLASSES),
    Metric(
        "roc_auc",
        maximize=True,
        kinds=_BINARY,
        aliases=("auc", "roc_auc_score"),
        needs="both classes",
        standard=_BINARY,
    ),
    Metric(
        "average_precision",
        maximize=True,
        kinds=_BINARY,
        aliases=("average_precision_score",),
        needs="positives",
        standard=_BINARY,
    ),
    Metric("log_loss", maximize=False, kinds=_CLASSES, standard=_CLASSES),
    Metric("brier", maximize=False, kinds=_BINARY, aliases=("brier_score_loss",), standard=_BINARY),
    Metric("mean_absolute_error", maximize=False, kinds=_VALUES, aliases=("mae",), standard=_VALUES),
    Metric("mean_squared_error", maximize=False, kinds=_VALUES, aliases=("mse",), standard=_VALUES),
)
_FURTHER = (
    _of_counts(
        "f_beta",
        "fbeta_score",
        needs="a positive or a call",
        ratio=Ratio((2, 0, 0, 0), (2, 1, 1, 0)),
        standard=_NONE,
        parameters={"beta": _ABOVE_0},
    ),
    _of_counts("kappa", "cohen_kappa_score", needs="both classes", kinds=_CLASSES, standard=_NONE),
    _of_counts(
        "cost",
        needs="samples",
        standard=_NONE,
        maximize=False,
        parameters={"false_positive": _AT_LEAST_0, "false_negative": _AT_LEAST_0},
    ),
    _loss("binary_crossentropy", "bce", kinds=_BINARY_VALUES),
    _loss("categorical_crossentropy", "sparse_categorical_crossentropy", kinds=_SEVERAL),
    _loss("kullback_leibler_divergence", "kl_divergence", "kld", kinds=_CLASSES_VALUES),
    _loss("hinge", kinds=_BINARY_VALUES),
    _loss("squared_hinge", kinds=_BINARY_VALUES),
    _loss("categorical_hinge", kinds=_CLASSES_VALUES),
    _loss("mean_absolute_percentage_error", "mape"),
    _loss("mean_squared_logarithmic_error", "msle"),
    _loss("log_cosh", "logcosh"),
    _loss("huber", delta=_ABOVE_0),
    _loss("poisson"),
    _loss("cosine_similarity", "cosine"),
    Metric(
        "top_k_categorical_accuracy",
        maximize=True,
        kinds=_SEVERAL,
        aliases=("sparse_top_k_categorical_accuracy",),
        parameters={"k": _WHOLE},
    ),
)


def _scikit(name: str, kinds: frozenset[Kind], maximize: bool) -> Metric:
    return Metric(name, maximize=maximize, kinds=kinds, source="scikit-learn", parameters=None)


_SCIKIT = (
    *(_scikit(name, _CLASSES, maximize=False) for name in ("zero_one_loss", "hamming_loss")),
    _scikit("d2_log_loss_score", _CLASSES, maximize=True),
    _scikit("top_k_accuracy_score", _SEVERAL, maximize=True),
    *(
        _scikit(name, _VALUES, maximize=True)
        for name in (
            "r2_score",
            "explained_variance_score",
            "d2_absolute_error_score",
            "d2_pinball_score",
            "d2_tweedie_score",
        )
    ),
    *(
        _scikit(name, _VALUES, maximize=False)
        for name in (
            "root_mean_squared_error",
            "mean_squared_log_error",
            "root_mean_squared_log_error",
            "median_absolute_error",
            "max_error",
            "mean_pinball_loss",
            "mean_poisson_deviance",
            "mean_gamma_deviance",
            "mean_tweedie_deviance",
        )
    ),
)


def _keras(name: str, kinds: frozenset[Kind], maximize: bool = False) -> Metric:
    return Metric(name, maximize=maximize, kinds=kinds, source="keras", parameters=None)


_KERAS = (
    _keras("binary_focal_crossentropy", _BINARY_VALUES),
    _keras("categorical_focal_crossentropy", _SEVERAL),
    _keras("dice", _BINARY_VALUES),
    _keras("tversky", _BINARY_VALUES),
    *(
        _keras(name, _BINARY, maximize=True)
        for name in (
            "precision_at_recall",
            "recall_at_precision",
            "sensitivity_at_specificity",
            "specificity_at_sensitivity",
        )
    ),
)

AVERAGED = (
    *("f1_score", "f_beta", "precision", "recall", "specificity", "jaccard", "informedness"),
    *("roc_auc", "average_precision"),
)
"""What is also computed for each class against the others, or for each of several labels, and averaged."""


def _averaged(metric: Metric, average: Average) -> Metric:
    aliases = [f"{alias}_{average}" for alias in metric.aliases]
    if metric.name == "roc_auc" and average != "micro":
        aliases.append("roc_auc_ovr" if average == "macro" else "roc_auc_ovr_weighted")
    return replace(
        metric,
        name=f"{metric.name}_{average}",
        aliases=tuple(aliases),
        kinds=_SEVERAL,
        of_counts=False,
        ratio=None,
        standard=_NONE,
        by=metric.name,
        average=average,
    )


_PLAIN = (*_STANDARD, *_FURTHER)
_ALL = (
    *_PLAIN,
    *(_averaged(metric, average) for metric in _PLAIN if metric.name in AVERAGED for average in AVERAGES),
    *_SCIKIT,
    *_KERAS,
)
_BY_NAME = {name: metric for metric in _ALL for name in (metric.name, *metric.aliases)}


def _spelling(name: str) -> str:
    """A name without what spellings differ in: "MeanSquaredError" and "mean_squared_error" are one."""
    return re.sub(r"[-_ ]", "", name.lower())


_BY_SPELLING = {_spelling(name): metric for name, metric in _BY_NAME.items()}


def known() -> tuple[Metric, ...]:
    """All metrics, each once, in the order tables show them."""
    return _ALL


def of_counts() -> tuple[Metric, ...]:
    """The metrics that a threshold or a subset can be chosen for: functions of (tp, fp, fn, tn)."""
    return tuple(metric for metric in _ALL if metric.of_counts)


def of_kind(kind: Kind) -> tuple[Metric, ...]:
    """The metrics that fit a kind of task."""
    return tuple(metric for metric in _ALL if kind in metric.kinds)


def standard(kind: Kind) -> tuple[Metric, ...]:
    """The metrics that an evaluation of a kind of task tells unasked: the same for every experiment."""
    return tuple(metric for metric in _ALL if kind in metric.standard)


def find(name: str) -> Metric | None:
    """The metric of that name or alias, in any spelling ("mse", "MSE", "MeanSquaredError"), or None."""
    return _BY_NAME.get(name) or _BY_SPELLING.get(_spelling(name))


def hint(name: str) -> str:
    """What to write instead of an unknown name: the nearest known one, or the usual ones."""
    return did_you_mean(name, _BY_NAME, f"known are {_listed(_PLAIN)} and those of docs/metrics.md")


def get(name: str) -> Metric:
    """The metric of that name or alias.

    Raises:
        SettingsError: when there is none, with the nearest known name.
    """
    metric = find(name)
    if metric is None:
        raise SettingsError(f"unknown metric {name!r}; {hint(name)}")
    return metric


def count_metric(named: Named) -> Metric:
    """The metric of that name, with its arguments if it has some, which is a function of confusion counts.

    Raises:
        SettingsError: when there is none, it does not take the arguments, or it has no threshold.
    """
    if isinstance(named, Use):
        metric = with_arguments(get(named.use), named.arguments)
    else:
        metric = get(named) if isinstance(named, str) else named
    if not metric.of_counts:
        name = named if isinstance(named, str) else metric.name
        raise SettingsError(f"metric {name} does not depend on a threshold; those that do are {_listed(of_counts())}")
    return metric


def with_arguments(metric: Metric, arguments: Mapping[str, Any]) -> Metric:
    """The metric with arguments: `average`, or what it takes itself, such as the `beta` of `f_beta`.

    Raises:
        SettingsError: for an argument it does not take, or a value that breaks its rule.
    """
    given = dict(arguments)
    average = given.pop("average", None)
    if average is not None:
        if metric.name not in AVERAGED:
            raise SettingsError(
                f"metric {metric.name} is not averaged over classes; those that are: {', '.join(AVERAGED)}"
            )
        if average not in AVERAGES:
            raise SettingsError(f"metric {metric.name}: average must be {' or '.join(AVERAGES)}, got {average!r}")
        metric = _BY_NAME[f"{metric.name}_{average}"]
    if not given:
        return metric
    if metric.parameters is not None:
        for name, value in given.items():
            if name not in metric.parameters:
                takes = [*metric.parameters, *(["average"] if metric.name in AVERAGED else [])]
                told = f"it takes {', '.join(takes)}" if takes else "it takes none"
                raise SettingsError(f"metric {metric.name} takes no argument {name}; {told}")
            if not metric.parameters[name].fits(value):
                raise SettingsError(
                    f"metric {metric.name}: {name} must be {metric.parameters[name].rule}, got {value!r}"
                )
    ratio = _ratio_of_f_beta(given["beta"]) if metric.name == "f_beta" else metric.ratio
    return replace(metric, arguments=given, ratio=ratio)


def _ratio_of_f_beta(beta: float) -> Ratio | None:
    """(1 + b²) tp / ((1 + b²) tp + b² fn + fp) in integers, if b² has small ones."""
    square = Fraction(beta) ** 2
    over, under = square.numerator, square.denominator
    if max(over, under) > 1000:
        return None
    return Ratio((under + over, 0, 0, 0), (under + over, under, over, 0))


def called(named: str | Use) -> str | None:
    """What results call a metric that an experiment names; None when there is none of that name."""
    use = Use.of(named)
    if isinstance(named, MetricUse) and named.name is not None:
        return named.name
    if ":" in use.use:
        return use.use.partition(":")[2].rpartition(".")[2]
    metric = find(use.use)
    if metric is None or use.arguments.get("average") not in AVERAGES or metric.name not in AVERAGED:
        return None if metric is None else metric.name
    return f"{metric.name}_{use.arguments['average']}"


def plain(named: str | Use) -> Any:
    """A metric that an experiment names, in one spelling: its own name, or a table where that does not say all."""
    metric = find(named) if isinstance(named, str) else None
    if metric is not None:
        return metric.name
    if isinstance(named, str):
        return MetricUse(use=named).plain()
    found = find(named.use)
    return named.plain() if found is None else {**named.plain(), "use": found.name}


def answering(name: str, among: Iterable[str | Use]) -> str | None:
    """What results call the one of several metrics that is meant by a name, an alias or "module:function"."""
    metric = find(name)
    for named in among:
        own = called(named)
        if own is not None and (name in (own, Use.of(named).use) or (metric is not None and metric.name == own)):
            return own
    return None


def mistakes(named: Iterable[str | Use]) -> Iterator[tuple[str, Any]]:
    """What is wrong with the metrics an experiment names, as far as it shows without their code: (rule, value)."""
    named = list(named)
    for one in named:
        use = Use.of(one)
        metric = find(use.use)
        if ":" in use.use:
            continue
        if metric is None:
            yield f"unknown metric; {hint(use.use)}", use.use
            continue
        try:
            with_arguments(metric, use.arguments)
        except SettingsError as error:
            yield str(error), use.arguments
        if isinstance(one, MetricUse) and one.maximize is not None:
            yield f"expected no maximize for {metric.name}, whose direction is known", one.maximize
    names = [name for name in map(called, named) if name is not None]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        yield f"expected each metric once ({twice} is there twice: give one a name of its own, name = ...)", names
    if "loss" in names:
        yield "expected no metric called loss, which is the training's own", names


def fitting(kind: Kind) -> str:
    """The names of the metrics that fit a kind of task, for a sentence."""
    fit = [metric for metric in of_kind(kind) if metric.source == "here" and metric.average in (None, "macro")]
    return _listed(fit)


def _listed(metrics: Iterable[Metric]) -> str:
    return ", ".join(metric.name for metric in metrics)
