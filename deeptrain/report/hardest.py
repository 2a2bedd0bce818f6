"""The samples that a model finds hardest as the page draws them, and those that it gave again with what it made."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.drawing import wording
from deeptrain.introspection.hardest import HardSample, losses
from deeptrain.report import samples
from deeptrain.report.examples import by_input
from deeptrain.report.samples import Sample, Samples
from deeptrain.shards.info import DataInfo
from deeptrain.shards.reading import Split

MOST = 8


def of(found: Sequence[HardSample], info: DataInfo) -> tuple[Samples, ...]:
    """Hard samples in their order, of each input; where samples are their own labels with what was made of them.

    Args:
        found: at least one.
        info: of the data they are of.
    """
    drawn = []
    for one in info.inputs:
        group = []
        for hard in found:
            values = np.asarray(hard.x[one.name] if isinstance(hard.x, dict) else hard.x)
            made = np.asarray(hard.output).reshape(values.shape) if info.labels_are_input else None
            group.append(Sample(values, _words(hard), hard.set_number, hard.file, hard.row, made))
        drawn.append(samples.of_input(one, len(info.inputs) == 1, info.columns, [("", tuple(group))]))
    return tuple(drawn)


def reconstructed(split: Split, values: NDArray[np.float64], labels: NDArray[Any]) -> tuple[Samples, ...]:
    """Eight samples with what was made of them, from the one that came out best to the one that came out worst.

    Args:
        split: of the shards, whose labels are the input, in the order of the values.
        values: (samples, ...) what the model gave.
        labels: (samples, ...) what it was given.
    """
    found = losses(labels, values, "values")
    ranked = np.argsort(found, kind="stable")
    order = ranked[np.unique(np.linspace(0, len(ranked) - 1, MOST).round().astype(np.int64))]
    (one,) = split.info.inputs
    taken = by_input(split, order)[one.name]
    group = []
    for place, index in enumerate(order.tolist()):
        file, row = split.raw(index)
        given = np.asarray(taken[place])
        words = (f"squared error {wording.score(found[index])}",)
        group.append(Sample(given, words, int(split.sets[index]), file, row, values[index].reshape(given.shape)))
    return (samples.of_input(one, True, split.info.columns, [("", tuple(group))]),)


def _words(hard: HardSample) -> tuple[str, ...]:
    name = "squared error" if hard.kind == "values" else "log loss"
    judgement = (f"is {hard.judgement}",) if hard.judgement else ()
    return (f"{name} {wording.score(hard.loss)}", *judgement)
