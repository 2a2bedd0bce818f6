"""The last stage of a conversion: what joins the parts, `shards-IDENTITY/whole/`; see `writing.write_whole`."""

from collections.abc import Sequence

import numpy as np

from deeptrain.errors import DataError
from deeptrain.formats.cells import shown
from deeptrain.shards import moments, outputs, parts, writing
from deeptrain.shards.arrangement import Arrangement
from deeptrain.shards.info import DataInfo, InputInfo, Lengths
from deeptrain.shards.layout import Layout, Shard, SplitLayout, part_name
from deeptrain.shards.parts import ShardSums
from deeptrain.shards.samples import Samples, StoredInput
from deeptrain.shards.settings import SPLITS, DataSettings
from deeptrain.shards.splits import Indices
from deeptrain.shards.writing import SplitArrays, Writer
from deeptrain.store.artifact import Artifact


def write(
    writer: Writer, samples: Samples, arranged: Arrangement, made: Sequence[Artifact], settings: DataSettings
) -> DataInfo:
    """Write what joins the parts.

    Args:
        writer: of the whole.
        samples: what is known of all samples.
        arranged: where they went.
        made: all parts, in the order of their numbers.
        settings: `[data]`.

    Returns:
        What is known of the data now.

    Raises:
        AlteredError: when a part's record is not what it was.
        DataError: when all of an input or a column is missing in the train split.
    """
    described = samples.described
    inputs = [one.name for one in described.inputs]
    sums = {shard.name: shard for artifact in made for shard in parts.open(artifact).shards}
    checks = {shard.name: parts.checks(made[shard.part - 1], shard.name, inputs) for shard in arranged.shards}
    train = [sums[shard.name] for shard in arranged.shards if shard.split == "train"]
    info = DataInfo(
        inputs=tuple(_input(one, train, samples, arranged.splits["train"]) for one in described.inputs),
        kind=described.kind,
        classes=described.classes,
        samples={name: len(arranged.splits.get(name, ())) for name in SPLITS},
        label_counts={name: outputs.whole(_label_counts(samples, arranged.splits.get(name))) for name in SPLITS},
        columns=described.columns,
        labels_are_input=described.labels_are_input,
        weighted=samples.weights is not None,
        numbered=arranged.numbered,
        per_step=described.per_step,
    )
    layouts = {
        name: SplitLayout(
            shards=tuple(
                Shard(name=shard.name, part=part_name(shard.part), samples=shard.stop - shard.start)
                for shard in arranged.shards
                if shard.split == name
            ),
            sets=arranged.runs(name),
        )
        for name in arranged.splits
    }
    alone = len(described.sources) == 1
    layout = Layout(
        info=info,
        raw=tuple(file if alone else f"{source.name}/{file}" for source in described.sources for file in source.files),
        inputs=parts.layout_of(described.inputs),
        block_bytes=settings.block_bytes,
        compression=settings.compression,
        splits=layouts,
    )
    arrays = {
        name: SplitArrays(
            labels=outputs.whole(
                {output: labels[samples.label_places(indices)] for output, labels in samples.labels.items()}
            ),
            origin=_origin(samples, indices, arranged.sets[name]),
            checks=[checks[shard.name] for shard in arranged.shards if shard.split == name],
            lengths={one: lengths[indices] for one, lengths in samples.lengths.items()},
            weights=None if samples.weights is None else samples.weights[indices],
        )
        for name, indices in arranged.splits.items()
    }
    return writing.write_whole(writer, layout, arrays).info


def _origin(samples: Samples, indices: Indices, sets: Indices) -> Indices:
    origin = samples.origin[indices].astype(np.int64)
    origin[:, 0] = sets
    return origin


def _input(one: StoredInput, train: Sequence[ShardSums], samples: Samples, indices: Indices) -> InputInfo:
    columns = [moments.joined(of) for of in zip(*(shard.sums[one.name] for shard in train), strict=True)]
    for column, sums in enumerate(columns):
        if not sums.count:
            what = f"column {shown(samples.described.columns[column])}" if len(columns) > 1 else f"input {one.name}"
            raise DataError(f"the train split has no value of {what}: all are missing; leave it out by reading.ignored")
    lengths = samples.lengths[one.name][indices] if one.sequence else None
    return InputInfo(
        name=one.name,
        shape=one.shape,
        dtype=one.dtype,
        statistics=moments.statistics(moments.joined(columns)),
        features=tuple(map(moments.statistics, columns)) if len(columns) > 1 else (),
        lengths=None
        if lengths is None
        else Lengths(min=int(lengths.min()), max=int(lengths.max()), mean=int(lengths.sum()) / len(lengths)),
    )


def _label_counts(samples: Samples, indices: Indices | None) -> dict[str, tuple[int, ...]]:
    """By output how many labels of a split are of each class."""
    counts = {}
    for output, classes in samples.classes.items():
        found = (0,) * len(classes)
        if indices is not None and classes:
            labels = samples.labels[output][samples.label_places(indices)]
            found = tuple(np.bincount(labels.astype(np.int64), minlength=len(classes)).tolist())
        counts[output] = found
    return counts
