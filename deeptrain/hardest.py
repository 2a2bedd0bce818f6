"""Which data a model finds hard: the samples of a split that lose most, and the iterations of highest loss, opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from deeptrain import brief, session
from deeptrain.drawing import wording
from deeptrain.errors import ArtifactError, SettingsError, did_you_mean
from deeptrain.introspection import hardest as pure
from deeptrain.introspection.hardest import HardSample
from deeptrain.lineage import Lineage
from deeptrain.loading.position import Position
from deeptrain.metrics.metric import Kind
from deeptrain.shards import reading
from deeptrain.shards.info import DataInfo
from deeptrain.shards.outputs import each, parts
from deeptrain.shards.reading import Split
from deeptrain.shards.settings import ONLY
from deeptrain.store.artifact import Artifact
from deeptrain.training import history, predictions
from deeptrain.training.history import History
from deeptrain.training.run import HISTORY

if TYPE_CHECKING:
    from deeptrain.drawing.canvas import Picture, Theme
    from deeptrain.loading.feed import Feed
    from deeptrain.training.trainer import Trainer


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
    if output is None and plan.output in parts(predictions.index(made)["kind"]):
        output = plan.output
    return predicted(made, plan.conversion.directory, split, count, output)


def predicted(made: Artifact, shards: Path, split: str, count: int = 12, output: str | None = None) -> list[HardSample]:
    """The samples of a split that some predictions are most wrong about, without the experiment they belong to.

    Args:
        made: the predictions.
        shards: the directory of the shards they were made of.
        split: see `samples`.
        count: see `samples`.
        output: of several outputs, by which; by default the first.

    Raises:
        ArtifactError: see `samples`.
        SettingsError: see `samples`.
    """
    told = predictions.index(made)
    if split not in told["splits"]:
        raise ArtifactError(f"{made.directory}: has no predictions of {split!r}; there are {', '.join(told['splits'])}")
    kinds = parts(told["kind"])
    name = output if output is not None else next(iter(kinds), ONLY)
    found = predictions.read(made, split, name)
    data = reading.open(shards).split(split)
    lost = pure.losses(found.labels, found.values, kinds[name])
    first = _firsts(data, len(lost))
    classes = tuple(parts(told["classes"]).get(name, ()))
    return _opened(data, lost, first, found.labels, found.values, kinds[name], classes, count)


def validated(trainer: "Trainer", count: int = 12, output: str | None = None) -> list[HardSample]:
    """The samples of the validation split that the model is most wrong about as it is now, the hardest first.

    It is judged as by `trainer.validate()`: nothing of training changes. Nothing has to be on disk.

    Args:
        trainer: with validation data.
        count: how many; all where there are fewer.
        output: of several outputs, by which; by default the first.

    Raises:
        TrainingError: when there is no validation data, or outputs are not finite.
        SettingsError: when `count` is no integer of at least 1, or no output has the name.
    """
    found, kinds = trainer.judge(), parts(trainer.kind)
    name = output if output is not None else next(iter(kinds))
    if name not in kinds:
        raise SettingsError(f"hardest: no output is called {name!r}; {did_you_mean(name, list(kinds))}")
    data = cast("Feed", trainer.val_data).split
    labels, values = parts(found.labels)[name], parts(found.outputs)[name]
    lost = pure.losses(labels, values, kinds[name])
    classes = tuple(parts(data.info.classes).get(name, ()))
    return _opened(data, lost, _firsts(data, len(lost)), labels, values, kinds[name], classes, count)


def _opened(
    data: Split,
    lost: NDArray[np.float64],
    first: NDArray[np.int64],
    labels: Any,
    values: Any,
    kind: Kind,
    classes: tuple[str, ...],
    count: int,
) -> list[HardSample]:
    """The samples that lose most; losses, labels and values are of a label each, those of a sample from `first` on."""
    if len(lost) != len(data):
        lost = np.add.reduceat(lost, first[:-1]) / np.diff(first)
    places = pure.hardest(lost, count)
    opened = data.take(places)
    return [
        HardSample(
            split=data.name,
            index=int(place),
            loss=float(lost[place]),
            label=_of(labels, first, place),
            output=_of(values, first, place),
            kind=kind,
            classes=classes,
            set_number=int(data.sets[place]),
            file=data.raw(int(place))[0],
            row=data.raw(int(place))[1],
            x=_one(opened, number),
            columns=_columns(data.info),
        )
        for number, place in enumerate(places)
    ]


@dataclass(frozen=True, eq=False, repr=False)
class WorstIteration:
    """An iteration of high loss, and the samples that were fit in it.

    Attributes:
        epoch: from 1.
        iteration: from 0 since the training began.
        batch: its number in the epoch, from 0.
        window: of the batch, from 0; 0 where a batch is one iteration.
        loss: before the update, as training has it; NaN and infinite ones count as the greatest.
        name: what the batch is called.
        sets: the numbers of the sets it held, ascending.
        indices: (samples,) of its samples in the train split, in the order they were fit.
        places: raw file and row in it of each.
        x: the samples as the shards hold them, before preprocessors: (samples, *shape), of sequences a list of whole
            series (steps, *shape); by input where there are several.
        labels: (samples, ...) of each, by output where there are several; None where each is its own, or has one a
            step.
        classes: the names of the classes that labels are of; empty for values, and of several outputs.
        columns: by name the least and the greatest value in the training split, of what the numbers of a row of a
            table are; empty of other data.
    """

    epoch: int
    iteration: int
    batch: int
    window: int
    loss: float
    name: str
    sets: tuple[int, ...]
    indices: NDArray[np.int64]
    places: tuple[tuple[str, int], ...]
    x: Any
    labels: Any
    classes: tuple[str, ...]
    columns: Mapping[str, tuple[float, float]]

    __repr__ = brief.of_fields


def worst_iterations(plan: Lineage, count: int = 5, epochs: Sequence[int] | None = None) -> list[WorstIteration]:
    """The iterations of highest loss, the worst first, each with its samples.

    Nothing is trained: which samples were in a batch follows from the seed and the epoch.

    Args:
        plan: a run of which an epoch is done at least; for an epoch that was rolled back or changed by hand its batches
            are those that counted in the end.
        count: how many; all where there are fewer.
        epochs: among which, from 1; by default all that are done.

    Raises:
        ArtifactError: when an epoch is not done, or an artifact is damaged.
        SettingsError: when `count` is no integer of at least 1.
    """
    done = plan.training.done()
    asked = list(range(1, done + 1)) if epochs is None else list(epochs)
    wrong = [one for one in asked if not 1 <= one <= done]
    if wrong or not asked:
        told = f"got {wrong[0]}" if wrong else "none is"
        raise ArtifactError(f"{plan.training.directory}: expected epochs from 1 to {done}, which are done, {told}")
    histories = [_history(plan, number) for number in asked]
    whole = History.joined(histories)
    numbers = np.repeat(asked, [len(one) for one in histories])
    opened = session.open_data(plan)
    found = []
    for row in pure.hardest(whole.loss, count):
        feed = opened.fit_in(int(numbers[row]))
        at = Position(int(numbers[row]), int(whole.batch[row]), int(whole.iteration[row]), int(whole.window[row]))
        split, indices = feed.split, feed.batches.indices(at.epoch, at.batch)
        found.append(
            WorstIteration(
                epoch=at.epoch,
                iteration=at.iteration,
                batch=at.batch,
                window=at.window,
                loss=float(whole.loss[row]),
                name=feed.name(at),
                sets=tuple(feed.sets(at)),
                indices=indices,
                places=tuple(split.raw(int(index)) for index in indices),
                x=split.take(indices),
                labels=_labels(split, indices),
                classes=() if split.info.named else tuple(split.info.classes),
                columns=_columns(split.info),
            )
        )
        feed.close()
    return found


def picture(
    found: Sequence[HardSample] | WorstIteration, *, title: str = "", theme: "Theme | None" = None
) -> "Picture":
    """Samples as one looks at them, each with its loss, what it is, what the model said, and where it is from.

    Of several inputs the first is drawn, of a worst iteration its samples in their order. See `pictures.samples`.

    Args:
        found: what `samples` gave, or one of what `worst_iterations` gave.
        title: of the picture; by default what it shows.
        theme: colours; by default the light ones.

    Raises:
        DataError: when there is none.
    """
    from deeptrain.drawing.canvas import LIGHT  # matplotlib is loaded when something is drawn
    from deeptrain.introspection.pictures.samples import Sample, draw

    if isinstance(found, WorstIteration):
        labels = found.labels if isinstance(found.labels, np.ndarray) and found.labels.ndim == 1 else None
        at = f"Iteration {found.iteration} of epoch {found.epoch}, batch {found.name}"
        title = title or f"{at}, loss {wording.score(found.loss)}"

        def named(label: Any) -> str:
            return found.classes[int(label)] if found.classes else wording.score(label)

        shown = [
            Sample(
                f"sample {found.indices[number]}" if labels is None else f"label {named(labels[number])}",
                (f"{file} row {row}",),
                _first_input(_one(found.x, number)),
                found.columns,
            )
            for number, (file, row) in enumerate(found.places)
        ]
    else:
        title = title or "Hardest samples"
        shown = [
            Sample(f"loss {wording.score(one.loss)}", (one.judgement, one.place), _first_input(one.x), one.columns)
            for one in found
        ]
    return draw(shown, title=title, theme=theme or LIGHT)


def _columns(info: DataInfo) -> dict[str, tuple[float, float]]:
    found = info.inputs[0].features or (info.inputs[0].statistics,)
    if len(info.inputs) > 1 or len(found) != len(info.columns):
        return {}
    return {name: (one.min, one.max) for name, one in zip(info.columns, found, strict=True)}


def _first_input(x: Any) -> Any:
    return next(iter(x.values())) if isinstance(x, Mapping) else x


def _labels(split: Split, indices: NDArray[np.int64]) -> Any:
    if split.info.labels_are_input or split.info.per_step:
        return None
    return each(lambda labels: labels[indices], split.labels)


def _history(plan: Lineage, number: int) -> History:
    epoch = plan.training.published(number)
    return history.decode(epoch.verified(HISTORY), epoch.directory / HISTORY)


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
