"""Which data a model finds hard: the samples of a split that lose most, and the iterations of highest loss, opened."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import ArtifactError
from deeptrain.introspection import hardest as pure
from deeptrain.introspection.hardest import HardSample
from deeptrain.lineage import Lineage
from deeptrain.shards import reading
from deeptrain.shards.outputs import parts
from deeptrain.shards.reading import Split
from deeptrain.shards.settings import ONLY
from deeptrain.training import predictions


def samples(plan: Lineage, split: str, count: int = 12, output: str | None = None) -> list[HardSample]:
    """The samples of a split that were predicted worst, the hardest first, each opened.

    Args:
        plan: a run whose predictions are done.
        split: one that was predicted, such as "val" or "test".
        count: how many; all where there are fewer.
        output: of several outputs, by which; by default the one that is calibrated, or the first.

    Raises:
        ArtifactError: when predictions or shards are not there or damaged, or the split was not predicted.
        SettingsError: when `count` is no integer of at least 1.
    """
    made = plan.artifact("predictions")
    told = predictions.index(made)
    if split not in told["splits"]:
        raise ArtifactError(f"{made.directory}: has no predictions of {split!r}; there are {', '.join(told['splits'])}")
    kinds = parts(told["kind"])
    name = output if output is not None else plan.output if plan.output in kinds else next(iter(kinds), ONLY)
    found = predictions.read(made, split, name)
    data = reading.open(plan.conversion.directory).split(split)
    lost = pure.losses(found.labels, found.values, kinds[name])
    first = _firsts(data, len(lost))
    if len(lost) != len(data):
        lost = np.add.reduceat(lost, first[:-1]) / np.diff(first)
    places = pure.hardest(lost, count)
    classes = tuple(parts(told["classes"]).get(name, ()))
    opened = data.take(places)
    return [
        HardSample(
            split=split,
            index=int(place),
            loss=float(lost[place]),
            label=_of(found.labels, first, place),
            output=_of(found.values, first, place),
            kind=kinds[name],
            classes=classes,
            set_number=int(data.sets[place]),
            file=data.raw(int(place))[0],
            row=data.raw(int(place))[1],
            x=_one(opened, number),
        )
        for number, place in enumerate(places)
    ]


def _firsts(data: Split, rows: int) -> NDArray[np.int64]:
    """(samples + 1,) the first row of each sample's labels: one each, or one a step."""
    if rows == len(data):
        return np.arange(rows + 1)
    for lengths in data.lengths.values():
        if lengths.sum() == rows:
            return np.concatenate([[0], np.cumsum(lengths)])
    raise ArtifactError(f"{data.name}: {rows:,} predictions are neither one a sample ({len(data):,}) nor one a step")


def _of(rows: NDArray[Any], first: NDArray[np.int64], place: int) -> NDArray[Any]:
    of_sample = rows[first[place] : first[place + 1]]
    return np.asarray(of_sample[0] if len(first) == len(rows) + 1 else of_sample)


def _one(opened: Any, number: int) -> Any:
    if isinstance(opened, Mapping):
        return {name: part[number] for name, part in opened.items()}
    return opened[number]
