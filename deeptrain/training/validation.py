"""A validation: the loss, every metric and the predictions of a split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deeptrain.errors import UnhealthyError
from deeptrain.loading import arrays
from deeptrain.loading.feed import Feed
from deeptrain.metrics.metric import Kind, Metric
from deeptrain.metrics.of_output import MetricOfOutput
from deeptrain.training import judging
from deeptrain.training.judging import Told
from deeptrain.training.learner import Learner, measured
from deeptrain.training.outputs import OutputKind, as_labels, interpret


@dataclass(frozen=True)
class Validated:
    """What a validation found; labels and outputs by name where there are several outputs.

    Attributes:
        metrics: "loss" and the metrics by name, also those that the model computes itself.
        labels: as the feed orders them, (samples, ...).
        outputs: binary: (samples,) probabilities; classes: (samples, classes) probabilities; values: as the labels.
        sets: (samples,) set numbers.
        weights: (samples,) float32 what each counts for in the metrics, or None.
    """

    metrics: dict[str, float]
    labels: Any
    outputs: Any
    sets: np.ndarray
    weights: np.ndarray | None = None


def validate(
    learner: Learner,
    data: Feed,
    kind: Kind | Mapping[str, Kind],
    outputs: OutputKind,
    metrics: Sequence[Metric | MetricOfOutput],
    threshold: float,
    told: Told,
) -> Validated:
    """Judge a learner on a split; nothing that training sees changes.

    Args:
        learner: what is judged.
        data: the split.
        kind: of the task, by output where there are several.
        outputs: what the model's outputs are.
        metrics: computed over the whole split.
        threshold: above which probability a sample counts as positive.
        told: of every batch and iteration.

    Raises:
        UnhealthyError: when outputs or the loss are not finite.
    """
    with measured(learner) as metrics_of_model:
        found, raw = judging.evaluate(learner, data, told)
        found |= metrics_of_model()
    probabilities = interpret(raw, kind, outputs)
    if not (arrays.finite(probabilities) and np.isfinite(found["loss"])):
        raise UnhealthyError(f"the model's outputs for the {data.split.name} split, or its loss, are not finite")
    labels: Any = data.labels
    said: Any = as_labels(probabilities, labels, kind)
    weights = data.label_weights
    found = found | {metric.name: metric(labels, said, weights, threshold) for metric in metrics}
    return Validated(found, labels, said, data.label_sets, weights)
