"""A learner judged on the data of a split: its loss and its outputs, batch by batch and window by window."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from deeptrain.loading.arrays import Arrays, joined, mapped
from deeptrain.loading.feed import Feed, Group
from deeptrain.training.learner import Learner


@dataclass(frozen=True)
class Judged:
    """A batch of a split, or a window of one, that was judged.

    Attributes:
        number: of the batch in its split, from 0.
        group: the one iteration.
        loss: the mean over its labels.
        outputs: (batch, ...) as the model gives them.
    """

    number: int
    group: Group
    loss: float
    outputs: Arrays


Told = Callable[[str, Judged | None], None]
"""Told of each stage of a validation, and with the end of an iteration what was judged."""


def evaluate(learner: Learner, feed: Feed, told: Told) -> tuple[dict[str, float], Arrays]:
    """The mean loss over all labels as "loss", and the outputs for all samples as `feed.labels` orders them.

    Of several outputs the loss of each as "NAME.loss" too, and the outputs by name.

    Args:
        learner: changes nothing that training sees.
        feed: of a split that is not shuffled.
        told: of every batch and iteration.
    """
    losses: list[Mapping[str, float]] = []
    counts, outputs = [], []
    for number in range(len(feed)):
        parts = []
        told("validation_batch_begin", None)
        with learner.sequence():
            for group in feed.judged(number):
                told("validation_iteration_begin", None)
                x, y, weights, mask = _one(group)
                loss, output = learner.evaluate(x, y, weights=weights, mask=mask)
                losses.append(loss if isinstance(loss, Mapping) else {"loss": loss})
                counts.append(int(group.counted[0]))
                parts.append(output)
                told("validation_iteration_end", Judged(number, group, losses[-1]["loss"], output))
        outputs.append(feed.combined(number, parts))
        told("validation_batch_end", None)
    means = {name: float(np.average([loss[name] for loss in losses], weights=counts)) for name in losses[0]}
    return means, joined(outputs)


def predict(learner: Learner, feed: Feed) -> Arrays:
    """Raw outputs for all samples as `feed.labels` orders them: (samples, ...), or (steps, ...) of all of them."""
    outputs = []
    for number in range(len(feed)):
        with learner.sequence():
            parts = [learner.predict(x, mask=mask) for x, _, _, mask in map(_one, feed.judged(number))]
        outputs.append(feed.combined(number, parts))
    return joined(outputs)


def _one(group: Group) -> tuple[Arrays, Arrays, np.ndarray | None, Arrays | None]:
    """The only iteration of a group: inputs, labels, weights, mask."""
    weights = None if group.weights is None else group.weights[0]
    mask = None if group.mask is None else mapped(_first, group.mask)
    return mapped(_first, group.x), mapped(_first, group.y), weights, mask


def _first(array: np.ndarray) -> np.ndarray:
    return np.asarray(array[0])
