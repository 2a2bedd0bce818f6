"""Windows as iterations: a batch of sequences is fed window after window, and states go on from one to the next."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain import seeds
from deeptrain.errors import DataError
from deeptrain.loading import weights
from deeptrain.loading.arrays import Arrays, joined, mapped, nbytes, samples, stacked
from deeptrain.loading.batch import Batch
from deeptrain.loading.batches import Batches
from deeptrain.loading.feed import Group
from deeptrain.loading.position import Position
from deeptrain.loading.preprocessing import Preprocessor, processed
from deeptrain.loading.settings import WindowSettings
from deeptrain.loading.windows import Cut, counts


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
            augment: whether preprocessors get a generator, and so may change windows at random.
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
        self._batches = batches
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
        self.iteration_bytes = batch_size * settings.size * _step_bytes(one)
        self._read = functools.lru_cache(maxsize=2)(self._read_batch)
        self._before = functools.lru_cache(maxsize=2)(self._windows_before)

    @property
    def per_step(self) -> bool:
        """Whether there is a label for every step, and not for every series."""
        return self._per_step or self._labels_are_input

    def __len__(self) -> int:
        """Batches of sequences in an epoch."""
        return len(self._batches)

    def iterations(self, epoch: int) -> int:
        """Windows of all batches of an epoch."""
        return int(self._before(epoch)[-1])

    def done(self, at: Position) -> int:
        """Windows before a position."""
        return int(self._before(at.epoch)[at.batch]) + at.window

    def group(self, at: Position, most: int) -> Group:
        """The windows from a position on, of one batch of sequences."""
        cut = self._cut(at.epoch, at.batch)
        last = min(at.window + most, cut.windows)
        return self._group(at.epoch, at.batch, range(at.window, last))

    def after(self, at: Position, iterations: int) -> Position:
        """The position behind as many windows: the next window, or the first of the next batch."""
        window, batch = at.window + iterations, at.batch
        if window >= self._cut(at.epoch, batch).windows:
            window, batch = 0, batch + 1
        return Position(at.epoch, batch, at.iteration + iterations, window)

    def name(self, at: Position) -> str:
        """What the batch at a position is called, and which of its windows it is, from 1: "12+13 window 2 of 9"."""
        windows = self._cut(at.epoch, at.batch).windows
        return f"{self._batches.name(at.epoch, at.batch)} window {at.window + 1} of {windows}"

    def sets(self, at: Position) -> list[int]:
        """The set numbers that the batch at a position holds, ascending."""
        return self._batches.sets(at.epoch, at.batch)

    def judged(self, number: int) -> Iterator[Group]:
        """The windows of a batch, one after the other."""
        for window in range(self._cut(1, number).windows):
            yield self._group(1, number, range(window, window + 1))

    def combined(self, number: int, outputs: Sequence[Arrays]) -> Arrays:
        """The weighted mean over the windows: for each series of the batch, or for each step of them."""
        cut = self._cut(1, number)
        mean = cut.mean_by_step if self.per_step else cut.mean
        first = outputs[0]
        if isinstance(first, Mapping):
            return {name: mean([part[name][: len(cut.lengths)] for part in outputs]) for name in first}
        return mean([part[: len(cut.lengths)] for part in outputs])  # type: ignore[index]

    def close(self) -> None:
        """Nothing is read ahead: the sequences of a batch are read with its first window."""

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

    def _group(self, epoch: int, number: int, windows: range) -> Group:
        parts = [self._window(epoch, number, window) for window in windows]
        real = np.stack([part[2] for part in parts])
        weight = np.stack([part[3] for part in parts])
        mask = None
        if self._settings.remainder == "pad":
            seen = np.stack([part[4] for part in parts])
            mask = self._masks(parts[0][0], seen)
        return Group(
            x=stacked([part[0] for part in parts]),
            y=stacked([part[1] for part in parts]),
            weights=weight,
            real=real,
            mask=mask,
            begins=np.array([window == 0 for window in windows]),
        )

    def _window(self, epoch: int, number: int, window: int) -> tuple[Arrays, Arrays, Any, Any, Any]:
        """Inputs, labels, which labels are real, their weights, and which steps are: each with `batch_size` rows."""
        cut, series, indices = self._cut(epoch, number), self._read(epoch, number), self._indices(epoch, number)
        valid = cut.valid(window)
        x = _each(lambda one: cut.steps(one, window) if isinstance(one, list) else one, series)
        y: Any = x if self._labels_are_input else self._labels_of(cut, indices, window)
        key = ("preprocessor", self._batches.seed, epoch, number, window)
        fed = processed(
            Batch(x, y, indices, self.split.sets[indices], number),
            self.preprocessors,
            lambda place: seeds.generator(*key, place) if self._augment else None,
        )
        self._refuse_other_steps(series, fed)
        names = self._sequences(series)
        inputs = _zeroed(fed.x, valid, names)
        labels = _zeroed(fed.y, valid, names) if self._labels_are_input else fed.y
        real: NDArray[np.bool_] = valid if self.per_step else np.asarray(valid.any(axis=1))
        rows = self._batch_size
        # What is real weighs more by as much as padding takes: the mean over all is then the mean over what is real.
        share = rows * real[0].size / max(int(real.sum()), 1)
        given = (self._weights(cut, indices, window, real) * share).astype(np.float32)
        return (
            mapped(lambda part: _filled(part, rows), inputs),
            mapped(lambda part: _filled(part, rows), labels),
            _filled(real, rows),
            _filled(given, rows),
            _filled(valid, rows),
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

    def _masks(self, x: Arrays, seen: NDArray[np.bool_]) -> Arrays:
        if not isinstance(x, Mapping):
            return seen
        names = self._sequences(self.split.take(np.zeros(1, np.int64)))
        return {name: seen for name in x if name in names}

    def _refuse_other_steps(self, series: Any, fed: Batch) -> None:
        for name in self._sequences(series):
            part: Any = fed.x[name] if name else fed.x
            if part.shape[1:2] != (self._settings.size,):
                raise DataError(
                    f"preprocessors must keep the steps of a window: expected {self._settings.size}, "
                    f"got {list(part.shape)}"
                )

    @staticmethod
    def _sequences(series: Any) -> list[str]:
        """Names of the inputs that are sequences; "" where there is one input only."""
        if isinstance(series, Mapping):
            return [name for name, part in series.items() if isinstance(part, list)]
        return [""]

    def _indices(self, epoch: int, number: int) -> NDArray[np.int64]:
        return self._batches.indices(epoch, number)

    def _start(self, epoch: int) -> int:
        increments = self._settings.start_increments
        return increments[(epoch - 1) % len(increments)] if self._training else 0

    def _cut(self, epoch: int, number: int) -> Cut:
        return Cut(self._settings, self._start(epoch), self._lengths[self._indices(epoch, number)])

    def _read_batch(self, epoch: int, number: int) -> Any:
        return self.split.take(self._indices(epoch, number))

    def _windows_before(self, epoch: int) -> NDArray[np.int64]:
        """(batches + 1,): windows of an epoch before each batch, and all of them."""
        found = [self._cut(epoch, number).windows for number in range(len(self))]
        return np.concatenate([[0], np.cumsum(found)])


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


def _each(change: Any, series: Any) -> Any:
    return {name: change(part) for name, part in series.items()} if isinstance(series, Mapping) else change(series)


def _zeroed(arrays: Arrays, valid: NDArray[np.bool_], names: Sequence[str]) -> Arrays:
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
