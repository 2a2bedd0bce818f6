"""Some samples of every class, to see what the data are."""

from typing import Any

import numpy as np

from deeptrain.formats.cells import shown
from deeptrain.report import samples
from deeptrain.report.samples import Sample, Samples
from deeptrain.shards.outputs import parts
from deeptrain.shards.reading import Split

MOST_CLASSES = 12
MANY, FEW, ROWS = 8, 5, 3
"""Of each class: of up to four, of more, and of a table."""


def of(split: Split, output: str | None = None) -> tuple[Samples, ...]:
    """The first samples of each class of a split in the order they are stored, of each input; of no more than 12.

    Args:
        split: of the shards.
        output: of several outputs the one whose classes are told.

    Returns:
        One an input.
    """
    info = split.info
    groups = _groups(split, output)
    forms = {one.name: samples.form_of(one.shape, info.columns) for one in info.inputs}
    most = ROWS if set(forms.values()) == {"row"} else MANY if len(groups) <= 4 else FEW
    if len(groups) == 1:
        most = MANY
    chosen = [(name, indices[:most]) for name, indices in groups if len(indices)]
    taken = [(name, indices, by_input(split, indices)) for name, indices in chosen]
    return tuple(
        samples.of_input(
            one,
            len(info.inputs) == 1,
            info.columns,
            [
                (name, tuple(_sample(split, index, values[one.name][place]) for place, index in enumerate(indices)))
                for name, indices, values in taken
            ],
        )
        for one in info.inputs
    )


def by_input(split: Split, indices: np.ndarray) -> dict[str, Any]:
    """The samples at some indices, by input: an array, or a list of arrays where they are sequences."""
    found = split.take(indices)
    return found if isinstance(found, dict) else {split.inputs[0].name: found}


def _groups(split: Split, output: str | None) -> list[tuple[str, np.ndarray]]:
    info = split.info
    everything = [("", np.arange(min(len(split), MANY)))]
    if info.labels_are_input or info.per_step:
        return everything
    classes, labels = parts(info.classes), parts(split.labels)
    name = output if output in classes else next((one for one in classes if classes[one]), None)
    if name is None or not classes[name]:
        return everything
    return [
        (shown(one, quoted=False), np.flatnonzero(labels[name] == number)[:MANY])
        for number, one in enumerate(classes[name][:MOST_CLASSES])
    ]


def _sample(split: Split, index: int, values: np.ndarray) -> Sample:
    file, row = split.raw(int(index))
    return Sample(np.asarray(values), (), int(split.sets[index]), file, row)
