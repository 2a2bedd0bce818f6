"""A validation: the loss, every metric and the predictions of a split."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deeptrain.errors import TrainingError
from deeptrain.loading.feed import Feed
from deeptrain.metrics.metric import Kind, Metric
from deeptrain.training import judging
from deeptrain.training.judging import Told
from deeptrain.training.learner import Learner
from deeptrain.training.outputs import OutputKind, as_labels, interpret


@dataclass(frozen=True)
class Validated:
    """What a validation found.

    Attributes:
        metrics: "loss" and the metrics by name.
        labels: as the feed orders them, (samples, ...).
        outputs: binary: (samples,) probabilities; classes: (samples, classes) probabilities; values: as the labels.
        sets: (samples,) set numbers.
    """

    metrics: dict[str, float]
    labels: np.ndarray
    outputs: np.ndarray
    sets: np.ndarray


def validate(
    learner: Learner,
    data: Feed,
    kind: Kind,
    outputs: OutputKind,
    metrics: Sequence[Metric],
    threshold: float,
    told: Told,
) -> Validated:
    """Judge a learner on a split; nothing that training sees changes.

    Args:
        learner: what is judged.
        data: the split.
        kind: of the task.
        outputs: what the model's outputs are.
        metrics: computed over the whole split.
        threshold: from which probability on a sample counts as positive.
        told: of every batch and iteration.

    Raises:
        TrainingError: when outputs or the loss are not finite.
    """
    loss, raw = judging.evaluate(learner, data, told)
    probabilities = interpret(raw, kind, outputs)
    if not (np.isfinite(probabilities).all() and np.isfinite(loss)):
        raise TrainingError(
            f"the model's outputs for the {data.split.name} split, or its loss, are not finite: training stops and the "
            "last good checkpoint stays"
        )
    labels = data.labels
    said = as_labels(probabilities, labels, kind)
    found = {"loss": loss} | {metric.name: metric(labels, said, threshold=threshold) for metric in metrics}
    return Validated(found, labels, said, data.label_sets)
