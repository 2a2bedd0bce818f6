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
    given: Sequence[Named | MetricOfOutput], key_metric: str, kind: Kind | Mapping[str, Kind]
) -> tuple[tuple[AnyMetric, ...], str, bool]:
    """The metrics, the key metric's own name, and whether more of it is better.

    Args:
        given: names, metrics or functions; the key metric is added if it is not among them.
        key_metric: "loss", of several outputs the loss of one ("OUTPUT.loss"), or the name of a metric.
        kind: of the task, by output where there are several.

    Raises:
        SettingsError: for metrics that are unknown or do not fit.
    """
    found: list[AnyMetric] = [one for one in given if isinstance(one, MetricOfOutput)] or list(_made(given, kind))
    if key_metric == "loss" or (isinstance(kind, Mapping) and key_metric in {f"{output}.loss" for output in kind}):
        return tuple(found), key_metric, False
    known = {name: metric for metric in found for name in (metric.name, *getattr(metric, "aliases", ()))}
    meant = names.find(key_metric)
    key = known.get(key_metric) or known.get("" if meant is None else meant.name)
    if key is None:
        found += _made([key_metric], kind)
        key = found[-1]
    return tuple(found), key.name, key.maximize


def check_names(chosen: Sequence[AnyMetric], learner: Learner) -> None:
    """Check that no metric has the name of one that the model computes itself.

    Raises:
        SettingsError: naming it.
    """
    names_of_model = learner.metric_names if isinstance(learner, Measuring) else ()
    for metric in chosen:
        if metric.name in names_of_model:
            raise SettingsError(
                f"metric {metric.name}: has the name of one that the model computes itself; leave one of them out, or "
                "give it a name of its own, name = ..."
            )


def _made(given: Sequence[Named | MetricOfOutput], kind: Kind | Mapping[str, Kind]) -> Sequence[AnyMetric]:
    return chosen.of(given, kind, framework=keras_metric.function_of)
