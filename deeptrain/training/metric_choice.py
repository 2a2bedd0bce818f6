"""Which metrics a trainer computes, and which of them tells the best epoch."""

from collections.abc import Mapping, Sequence

from deeptrain.errors import SettingsError
from deeptrain.metrics import chosen, names
from deeptrain.metrics.chosen import Named
from deeptrain.metrics.metric import Kind, Metric
from deeptrain.metrics.of_output import MetricOfOutput
from deeptrain.training import keras_metric
from deeptrain.training.learner import Learner, Measuring

AnyMetric = Metric | MetricOfOutput


def choose(
    given: Sequence[Named | MetricOfOutput],
    key_metric: str,
    kind: Kind | Mapping[str, Kind],
    learner: Learner,
    maximize: bool | None,
) -> tuple[tuple[AnyMetric, ...], str, bool]:
    """The metrics, the key metric's own name, and whether more of it is better.

    Args:
        given: names, metrics or functions; the key metric is added if it is not among them.
        key_metric: "loss", of several outputs the loss of one ("OUTPUT.loss"), the name of a metric, or of one that the
            model computes itself.
        kind: of the task, by output where there are several.
        learner: may compute metrics itself.
        maximize: said of a key metric that the model computes itself, which does not tell it; None of others.

    Raises:
        SettingsError: for metrics that are unknown or do not fit, or that have the name of one of the model's.
    """
    of_model = tuple(learner.metric_names) if isinstance(learner, Measuring) else ()
    if key_metric in of_model and maximize is None:
        raise SettingsError(f"key_metric {key_metric}: the model computes it, so say whether more is better: maximize")
    if key_metric not in of_model and maximize is not None:
        raise SettingsError(
            f"key_metric {key_metric}: maximize is said only of a metric that the model computes itself "
            f"({', '.join(of_model) or 'this one computes none'}); leave it out"
        )
    found: list[AnyMetric] = [one for one in given if isinstance(one, MetricOfOutput)] or list(_made(given, kind))
    if maximize is not None:
        key, better = key_metric, maximize
    elif key_metric == "loss" or (isinstance(kind, Mapping) and key_metric in {f"{output}.loss" for output in kind}):
        key, better = key_metric, False
    else:
        known = {name: metric for metric in found for name in (metric.name, *getattr(metric, "aliases", ()))}
        meant = names.find(key_metric)
        metric = known.get(key_metric) or known.get("" if meant is None else meant.name)
        if metric is None:
            found += _made([key_metric], kind)
            metric = found[-1]
        key, better = metric.name, metric.maximize
    for metric in found:
        if metric.name in of_model:
            raise SettingsError(
                f"metric {metric.name}: has the name of one that the model computes itself; leave one of them out, or "
                "give it a name of its own, name = ..."
            )
    return tuple(found), key, better


def _made(given: Sequence[Named | MetricOfOutput], kind: Kind | Mapping[str, Kind]) -> Sequence[AnyMetric]:
    return chosen.of(given, kind, framework=keras_metric.function_of)
