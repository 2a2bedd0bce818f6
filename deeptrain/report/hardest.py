"""The samples that a model was most wrong about, and of a model that gives its input again what it made of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.drawing import wording
from deeptrain.formats.cells import shown
from deeptrain.report import samples
from deeptrain.report.examples import by_input
from deeptrain.report.samples import Sample, Samples
from deeptrain.shards.reading import Split

MOST = 8
LEAST_PROBABILITY = 1e-7
"""What Keras takes for 0 in a cross-entropy."""


def losses(kind: str, values: NDArray[np.float64], labels: NDArray[Any]) -> NDArray[np.float64]:
    """How wrong each sample is: minus the logarithm of the probability of what it is, or the mean squared error.

    Args:
        kind: "binary", "classes" or "values".
        values: (samples,) probabilities of the positive class, (samples, classes), or (samples, ...) values.
        labels: (samples,), or like the values.

    Returns:
        (samples,), in nats or in squared units of the labels; NaN where a value is.
    """
    if kind == "values":
        errors = np.square(np.asarray(values, np.float64) - np.asarray(labels, np.float64))
        return np.asarray(errors.reshape(len(errors), -1).mean(axis=1))
    if kind == "classes":
        true = values[np.arange(len(labels)), labels.astype(np.int64)]
    else:
        true = np.where(labels > 0, values, 1 - values)
    return np.asarray(-np.log(np.maximum(true, LEAST_PROBABILITY)))


def measure(kind: str) -> str:
    """What `losses` are, in words."""
    return "squared error" if kind == "values" else "log loss"


def of(
    split: Split, kind: str, values: NDArray[np.float64], labels: NDArray[Any], classes: Sequence[str]
) -> tuple[Samples, ...]:
    """The eight samples of greatest loss, the greatest first, of each input; those that are no number before all.

    Args:
        split: of the shards, in the order of the values.
        kind: "binary", "classes" or "values".
        values: as `losses` takes them.
        labels: likewise.
        classes: names of the classes.
    """
    found = losses(kind, values, labels)
    order = np.argsort(-np.where(np.isnan(found), np.inf, found), kind="stable")[:MOST]
    said = [(f"{measure(kind)} {wording.score(found[index])}", *_said(kind, values[index], labels[index], classes))
            for index in order]  # fmt: skip
    return _of(split, order, said, values if split.info.labels_are_input else None)


def reconstructed(split: Split, values: NDArray[np.float64], labels: NDArray[Any]) -> tuple[Samples, ...]:
    """Eight samples with what was made of them, from the one that came out best to the one that came out worst.

    Args:
        split: of the shards, whose labels are the input.
        values: (samples, ...) what the model gave.
        labels: (samples, ...) what it was given.
    """
    found = losses("values", values, labels)
    ranked = np.argsort(found, kind="stable")
    order = ranked[np.unique(np.linspace(0, len(ranked) - 1, MOST).round().astype(np.int64))]
    return _of(split, order, [(f"error {wording.score(found[index])}",) for index in order], values)


def _of(
    split: Split, order: NDArray[np.int64], said: Sequence[tuple[str, ...]], made: NDArray[np.float64] | None
) -> tuple[Samples, ...]:
    info = split.info
    taken = by_input(split, order)
    drawn = []
    for one in info.inputs:
        group = []
        for place, index in enumerate(order.tolist()):
            file, row = split.raw(index)
            given = np.asarray(taken[one.name][place])
            again = None if made is None else made[index].reshape(given.shape)
            group.append(Sample(given, said[place], int(split.sets[index]), file, row, again))
        drawn.append(samples.of_input(one, len(info.inputs) == 1, info.columns, [("", tuple(group))]))
    return tuple(drawn)


def _said(kind: str, value: NDArray[np.float64], label: Any, classes: Sequence[str]) -> tuple[str, ...]:
    """What a sample is, and what the model said."""
    if kind == "values":
        return () if np.ndim(label) else (f"is {wording.score(label)}", f"said {wording.score(value)}")
    names = [shown(one, quoted=False) for one in classes]
    if kind == "binary":
        return f"is {names[int(label > 0)]}", f"said {_percent(value)} {names[1]}"
    top = int(np.argmax(value))
    return f"is {names[int(label)]} ({_percent(value[int(label)])})", f"said {names[top]} ({_percent(value[top])})"


def _percent(value: Any) -> str:
    return f"{100 * float(value):.3g}\N{NO-BREAK SPACE}%"
