"""Windows as iterations: a batch of sequences is fed window after window, and states go on from one to the next."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain import seeds
from deeptrain.errors import DataError
from deeptrain.loading import weights
from deeptrain.loading.arrays import Arrays, joined, mapped, nbytes, samples, stacked
from deeptrain.loading.batch import Batch
from deeptrain.loading.batches import Batches
from deeptrain.loading.feed import Group, estimated
from deeptrain.loading.position import Position
from deeptrain.loading.preprocessing import Preprocessor, pieces, piecewise, processed, remembering, unmoved
from deeptrain.loading.settings import WindowSettings
from deeptrain.loading.walk import Walk
from deeptrain.loading.windows import Cut, counts


@dataclass(frozen=True, eq=False)
class _Series:
    """The series of a batch, and how they are cut.

    Attributes:
        epoch: of the batch.
        number: of the batch.
        indices: (series,) int64 in the split.
        cut: where their windows lie.
        x: by input where there are several: a list of arrays (steps, *shape), or (series, *shape) of no sequence.
    """

    epoch: int
    number: int
    indices: NDArray[np.int64]
    cut: Cut
    x: Any


@dataclass(frozen=True, eq=False)
class _Window:
    """An iteration, with rows up to the batch size.

    Attributes:
        x: (batch, size, ...), by input where there are several.
        y: (batch, ...).
        real: (batch,) or (batch, size) bool: which labels are.
        weights: likewise float32.
        valid: (batch, size) bool: which steps are.
        begins: whether states are reset before it.
        own: (batch,) float32: the samples' own weights, or None.
    """

    x: Arrays
    y: Arrays
    real: NDArray[np.bool_]
    weights: NDArray[np.float32]
    valid: NDArray[np.bool_]
    begins: bool
    own: NDArray[np.float32] | None


class WindowFeed:
    """A split of sequences as windows; see `Feed`.

    Every iteration has the full batch size and the full window, so that one compiled step and one set of recurrent
    states serve them all: series that have ended, steps behind the end, and rows that the last batch of an epoch lacks
    are zeros that weigh nothing.
    """

    def __init__(
        self,
        batches: Batches,
        settings: WindowSettings,
        batch_size: int,
        *,
        preprocessors: Sequence[Preprocessor] = (),
        augment: bool = False,
        training: bool = False,
        class_weights: NDArray[np.float32] | None = None,
        labels_are_input: bool = False,
        own_weights: bool = True,
        per_step: bool | None = None,
    ) -> None:
        """Cut the sequences of batches.

        Args:
            batches: of a split of sequences, without preprocessors of their own.
            settings: how they are cut.
            batch_size: rows of every iteration, at least that of `batches`.
            preprocessors: applied to every window, one after the other; padding is set to zero again behind them.
            augment: whether preprocessors get a generator, and so may change windows at random, or make several
                iterations of one.
            training: whether series begin at the increment of their epoch and windows weigh as they do in training;
                otherwise at 0, and 1 each.
            class_weights: (classes,), multiplied with the samples' own weights and those of the windows.
            labels_are_input: whether a window's labels are its own steps.
            own_weights: whether the samples' own weights count in the loss.
            per_step: whether there is a label for every step, and not for every series; None tells it by how many
                labels there are.

        Raises:
            DataError: when the split holds no sequences, or a window is longer than its series.
        """
        self.split = batches.split
        self.preprocessors = tuple(preprocessors)
        self.batches = batches
        self._settings = settings
        self._batch_size = batch_size
        self._augment = augment
        self._training = training
        self._class_weights = class_weights
        self._own_weights = batches.split.weights if own_weights else None
        self._labels_are_input = labels_are_input
        self._lengths = _lengths(batches.split)
        count = 0 if labels_are_input else samples(self.split.labels)
        self._per_step = not labels_are_input and (count != len(self._lengths) if per_step is None else per_step)
        _refuse(self.split.name, self._lengths, settings, training=training, per_step=self.per_step)
        if self._per_step and count != self._lengths.sum():
            raise DataError(
                f"labels of the {self.split.name} split must be one a sequence ({len(self._lengths)}) or one a step "
                f"({self._lengths.sum()}), got {count}"
            )
        self._starts = np.concatenate([[0], np.cumsum(self._lengths)])
        one = self.split.take(np.zeros(1, np.int64))
        self._names = _sequences(one)
        self.iteration_bytes = batch_size * settings.size * _step_bytes(one)
        self.in_parts = True
        self.estimates = augment and bool(piecewise(preprocessors))
        self._before = functools.lru_cache(maxsize=2)(self._windows_before)
        self._read: _Series | None = None
        self._walk = Walk(self._made, lambda *_: True, self.preprocessors)
        self._remembering = remembering(preprocessors)

    @property
    def per_step(self) -> bool:
        """Whether there is a label for every step, and not for every series."""
        return self._per_step or self._labels_are_input

    def __len__(self) -> int:
        """Batches of sequences in an epoch."""
        return len(self.batches)

    def left(self, at: Position, done: int) -> int:
        """Windows from a position on; with `estimates`, if the batches to come are like those before."""
        if self.estimates:
            return estimated(at, done, len(self))
        before = self._before(at.epoch)
        return int(before[-1] - before[at.batch]) - at.window

    def group(self, at: Position, most: int) -> Group | None:
        """The windows from a position on, of one batch of sequences."""
        found = self._walk.take(at.epoch, at.batch, at.window, most)
        return self._group(found) if found else None

    def after(self, at: Position, iterations: int) -> Position:
        """The position behind as many windows: the next window, or the first of the next batch."""
        window, batch = at.window + iterations, at.batch
        if self._ends(at.epoch, batch, window):
            window, batch = 0, batch + 1
        return Position(at.epoch, batch, at.iteration + iterations, window)

    def name(self, at: Position) -> str:
        """What the batch at a position is called, and which of its windows it is, from 1: "12+13 window 2 of 9".

        With `estimates`, which of its iterations: "12+13 piece 2".
        """
        name = self.batches.name(at.epoch, at.batch)
        if self.estimates:
            return f"{name} piece {at.window + 1}"
        return f"{name} window {at.window + 1} of {self._windows(at.epoch, at.batch)}"

    def sets(self, at: Position) -> list[int]:
        """The set numbers that the batch at a position holds, ascending."""
        return self.batches.sets(at.epoch, at.batch)

    def judged(self, number: int) -> Iterator[Group]:
        """The windows of a batch, one after the other."""
        series = self._series(1, number)
        for window in range(series.cut.windows):
            with unmoved(self._remembering):
                made = self._processed(series, window, chance=False)
            yield self._group([made])

    def combined(self, number: int, outputs: Sequence[Arrays]) -> Arrays:
        """The weighted mean over the windows: for each series of the batch, or for each step of them."""
        cut = self._cut(1, self.batches.indices(1, number))
        mean = cut.mean_by_step if self.per_step else cut.mean
        first = outputs[0]
        if isinstance(first, Mapping):
            return {name: mean([part[name][: len(cut.lengths)] for part in outputs]) for name in first}
        return mean([part[: len(cut.lengths)] for part in outputs])  # type: ignore[index]

    def close(self) -> None:
        """End reading ahead, and preprocessors that keep something stand where the batch began."""
        self._walk.close()
        self._read = None
        self.batches.close()

    @property
    def began_with(self) -> Mapping[str, Mapping[str, Any]]:
        """What preprocessors that keep something kept when the batch of the newest iteration of `group` began."""
        return self._walk.began_with

    @property
    def labels(self) -> Arrays:
        """(samples,) labels, or (steps, ...) of all samples one after the other; by output where there are several."""
        if not self._labels_are_input:
            labels: Arrays = self.split.labels
            return labels
        steps = [[group.y[0] for group in self.judged(number)] for number in range(len(self))]  # type: ignore[index]
        return joined([self.combined(number, part) for number, part in enumerate(steps)])

    @property
    def label_sets(self) -> NDArray[np.int64]:
        """The set number of each of the labels."""
        return np.repeat(self.split.sets, self._lengths) if self.per_step else self.split.sets

    @property
    def label_weights(self) -> NDArray[np.float32] | None:
        """What each of the labels counts for in metrics: the weight of its series in the data; None without."""
        weights = self.split.weights
        return weights if weights is None or not self.per_step else np.repeat(weights, self._lengths)

    def _group(self, found: Sequence[_Window]) -> Group:
        mask = None
        if self._settings.remainder == "pad":
            seen = _stacked([window.valid for window in found])
            mask = dict.fromkeys(self._names, seen) if isinstance(found[0].x, Mapping) else seen
        own = [window.own for window in found if window.own is not None]
        return Group(
            x=_together([window.x for window in found]),
            y=_together([window.y for window in found]),
            weights=_stacked([window.weights for window in found]),
            real=_stacked([window.real for window in found]),
            mask=mask,
            begins=np.array([window.begins for window in found]),
            counts_as=_stacked(own) if own else None,
        )

    def _made(self, epoch: int, number: int, first: int) -> Iterator[_Window]:
        """The iterations of a batch from one on; with `estimates`, from its first one."""
        series = self._series(epoch, number)
        begins = True
        for window in range(first, series.cut.windows):
            if not self.estimates:
                yield self._processed(series, window, chance=self._augment)
                continue
            for piece in self._pieces(series, window):
                yield self._window(series, window, piece, begins=begins)
                begins = False

    def _processed(self, series: _Series, window: int, *, chance: bool) -> _Window:
        fed = processed(
            self._given(series, window),
            self.preprocessors,
            lambda place: seeds.generator(*self._key(series), window, place) if chance else None,
        )
        return self._window(series, window, fed, begins=window == 0)

    def _pieces(self, series: _Series, window: int) -> Iterator[Batch]:
        found = pieces(
            self._given(series, window),
            self.preprocessors,
            lambda place, count: seeds.generator(*self._key(series), window, place, count),
        )
        for piece in found:
            if not np.array_equal(piece.indices, series.indices):
                raise DataError(
                    f"{' and '.join(piecewise(self.preprocessors))}.pieces: a piece of a window must have each of its "
                    f"series in their order, which states follow: expected {len(series.indices)}, got samples "
                    f"{piece.indices.tolist()[:8]} instead of {series.indices.tolist()[:8]}"
                )
            yield piece

    def _key(self, series: _Series) -> tuple[int | str, ...]:
        return ("preprocessor", self.batches.seed, series.epoch, series.number)

    def _given(self, series: _Series, window: int) -> Batch:
        """A window as preprocessors get it."""
        cut, indices = series.cut, series.indices
        x = _each(lambda one: cut.steps(one, window) if isinstance(one, list) else one, series.x)
        y: Any = x if self._labels_are_input else self._labels_of(cut, indices, window)
        return Batch(x, y, indices, self.split.sets[indices], series.number)

    def _window(self, series: _Series, window: int, fed: Batch, *, begins: bool) -> _Window:
        cut = series.cut
        valid = cut.valid(window)
        self._refuse_other_steps(fed)
        inputs, labels = fed.x, fed.y
        if self.preprocessors:  # what was cut is zero there
            inputs = _zeroed(inputs, valid, self._names)
            labels = _zeroed(labels, valid, self._names) if self._labels_are_input else labels
        real: NDArray[np.bool_] = valid if self.per_step else np.asarray(valid.any(axis=1))
        rows = self._batch_size
        # What is real weighs more by as much as padding takes: the mean over all is then the mean over what is real.
        share = rows * real[0].size / max(int(real.sum()), 1)
        given = (self._weights(cut, series.indices, window, real) * share).astype(np.float32)
        return _Window(
            mapped(lambda part: _filled(part, rows), inputs),
            mapped(lambda part: _filled(part, rows), labels),
            _filled(real, rows),
            _filled(given, rows),
            _filled(valid, rows),
            begins,
            None if self._own_weights is None else _filled(self._own_weights[series.indices], rows),
        )

    def _weights(
        self, cut: Cut, indices: NDArray[np.int64], window: int, real: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        own = None if self._own_weights is None else self._own_weights[indices]
        labels = None if self._class_weights is None else self._labels_of(cut, indices, window)
        given = weights.of_samples(labels, own, self._class_weights)
        of_window = cut.weights(self._settings.weights if self._training else None, window)
        product: NDArray[np.float64] = real * of_window.reshape(-1, *[1] * (real.ndim - 1))
        return product if given is None else product * given.reshape(*given.shape, *[1] * (real.ndim - given.ndim))

    def _labels_of(self, cut: Cut, indices: NDArray[np.int64], window: int) -> Any:
        if not self._per_step:
            return mapped(lambda labels: labels[indices], self.split.labels)
        starts = self._starts
        return mapped(
            lambda labels: cut.steps([labels[starts[index] : starts[index + 1]] for index in indices], window),
            self.split.labels,
        )

    def _refuse_other_steps(self, fed: Batch) -> None:
        for name in self._names:
            part: Any = fed.x[name] if name else fed.x
            if part.shape[1:2] != (self._settings.size,):
                raise DataError(
                    f"preprocessors must keep the steps of a window: expected {self._settings.size}, "
                    f"got {list(part.shape)}"
                )

    def _start(self, epoch: int) -> int:
        increments = self._settings.start_increments
        return increments[(epoch - 1) % len(increments)] if self._training else 0

    def _cut(self, epoch: int, indices: NDArray[np.int64]) -> Cut:
        return Cut(self._settings, self._start(epoch), self._lengths[indices])

    def _ends(self, epoch: int, number: int, window: int) -> bool:
        if self.estimates:
            return self._walk.ends(epoch, number, window)
        return window >= self._windows(epoch, number)

    def _windows(self, epoch: int, number: int) -> int:
        before = self._before(epoch)
        return int(before[number + 1] - before[number])

    def _series(self, epoch: int, number: int) -> _Series:
        """A batch of series: the one that is fed, or what was read ahead, or read now and the next ones ahead."""
        fed = self._read
        if fed is not None and (fed.epoch, fed.number) == (epoch, number):
            return fed
        self._read = None  # its memory may serve the batch that comes
        indices = self.batches.indices(epoch, number)
        if fed is not None and (fed.epoch, fed.number + 1) == (epoch, number) and self.split.columns:
            x = self.batches.batch(epoch, number).x
        else:
            # Where reading begins, nothing waits for more than the batch: what lies ahead may be read in large windows
            x = self.split.take(indices)
            if self.split.columns and number + 1 < len(self):  # what is in memory has no columns
                self.batches.begin(epoch, number + 1)
        self._read = _Series(epoch, number, indices, self._cut(epoch, indices), x)
        return self._read

    def _windows_before(self, epoch: int) -> NDArray[np.int64]:
        """(batches + 1,): windows of an epoch before each batch, and all of them."""
        indices = self.batches.indices(epoch, 0, len(self))
        found = counts(self._lengths[indices], self._start(epoch), self._settings)
        most = np.maximum.reduceat(found, np.arange(0, len(indices), self.batches.batch_size))
        return np.concatenate([[0], np.cumsum(most)])


def _lengths(split: Any) -> NDArray[np.int64]:
    """(samples,) steps of each sample."""
    given = getattr(split, "lengths", None)
    if isinstance(given, Mapping):
        parts = list(given.values())
        if any(not np.array_equal(part, parts[0]) for part in parts[1:]):
            raise DataError(
                f"training.windows: the sequences of a sample must have as many steps in each of {', '.join(given)}"
            )
        given = parts[0] if parts else None
    if given is None:
        raise DataError(f"training.windows: the samples of the {split.name} split are no sequences; leave it out")
    return np.asarray(given, np.int64)


def _refuse(name: str, lengths: NDArray[np.int64], settings: WindowSettings, *, training: bool, per_step: bool) -> None:
    shortest, longest = int(lengths.min()), int(lengths.max())
    start = max(settings.start_increments) if training else 0
    if settings.size > longest:
        raise DataError(
            f"training.windows.size must be at most the {longest} steps of the longest series of the {name} split, "
            f"got {settings.size}"
        )
    if (counts(lengths, start, settings) == 0).any():
        needed = f"{settings.size} + {start}" if settings.remainder == "drop" else f"1 + {start}"
        raise DataError(
            f"training.windows: series {int(np.argmin(lengths))} of the {name} split has {shortest} steps, fewer than "
            f'one window (size and largest start increment: {needed}); lower them, or set remainder = "pad"'
        )
    if per_step and not training and (settings.remainder == "drop" or settings.step > settings.size):
        raise DataError(
            'training.windows: labels for every step need remainder = "pad" and a slide of at most size '
            f'({settings.size}), so that every step is predicted; got "{settings.remainder}" and {settings.step}'
        )


def _sequences(taken: Any) -> list[str]:
    """Names of the inputs that are sequences; "" where there is one input only."""
    return [name for name, part in taken.items() if isinstance(part, list)] if isinstance(taken, Mapping) else [""]


def _stacked(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return parts[0][None] if len(parts) == 1 else np.stack(parts)


def _together(parts: list[Arrays]) -> Arrays:
    """Arrays of one structure on a new first axis; a copy where there are several."""
    return mapped(lambda part: part[None], parts[0]) if len(parts) == 1 else stacked(parts)


def _each(change: Any, series: Any) -> Any:
    return {name: change(part) for name, part in series.items()} if isinstance(series, Mapping) else change(series)


def _zeroed(arrays: Arrays, valid: NDArray[np.bool_], names: Sequence[str]) -> Arrays:
    if valid.all():
        return arrays
    if not isinstance(arrays, Mapping):
        return np.where(valid.reshape(*valid.shape, *[1] * (arrays.ndim - 2)), arrays, np.zeros((), arrays.dtype))
    return {name: _zeroed(part, valid, names) if name in names else part for name, part in arrays.items()}  # type: ignore[misc]


def _filled(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """With rows of zeros up to as many."""
    if len(array) == rows:
        return array
    return np.concatenate([array, np.zeros((rows - len(array), *array.shape[1:]), array.dtype)])


def _step_bytes(taken: Any) -> int:
    parts = list(taken.values()) if isinstance(taken, Mapping) else [taken]
    return sum(part[0][:1].nbytes if isinstance(part, list) else nbytes(part) for part in parts)
