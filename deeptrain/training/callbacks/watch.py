"""Chosen numbers recorded while training: weights, gradients, outputs, optimizer, updates, learning rate, your own."""

import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from deeptrain import introspection
from deeptrain.errors import ArtifactError, SettingsError, UserCodeError, did_you_mean
from deeptrain.introspection import backward, distribution, selection, watched
from deeptrain.introspection.dataset import first_of
from deeptrain.introspection.distribution import Statistics
from deeptrain.introspection.health import weight_and_kind
from deeptrain.introspection.held import has_keras
from deeptrain.introspection.selection import Selection
from deeptrain.introspection.watched import Watched
from deeptrain.training.callbacks.files_beside import FilesBeside
from deeptrain.training.callbacks.newest import newest_of
from deeptrain.training.frequency import Every

if TYPE_CHECKING:
    import pyarrow as pa

    from deeptrain.loading.feed import Group
    from deeptrain.training.learner import Learner
    from deeptrain.training.results import Results
    from deeptrain.training.trainer import Trainer

log = logging.getLogger("deeptrain")

Quantity = Literal["weights", "gradients", "outputs", "optimizer", "updates", "learning_rate"]
QUANTILES = frozenset(f"q{share:g}" for share in distribution.QUANTILES)
COUNTED = ("size", "nan", "inf", "zeros", "dead", "large")
STATISTICS = ("norm", "mean", "std", "rms", "low", "high", *COUNTED, *sorted(QUANTILES))
"""What can be recorded of an array; see `introspection.Statistics`."""

Own = Callable[["Trainer"], float | Mapping[str, float]]
"""Takes the trainer and gives a number, or numbers by name."""


class Watch:
    """Records what is chosen, every so often; `introspection.history.watched` reads it.

    Rows go to `live/watch/` of the run, a Parquet file an epoch (see `introspection.watched`), with each checkpoint.
    Law: however often training was killed, there is neither gap nor repetition, and the rows are those of a training
    that was never stopped. Nothing of training changes, and it is in no identity.

    Gradients and outputs are those for the newest batch, or window of one, that was fit, by the weights after it;
    gradients as in training, outputs as in prediction. Recorded of "updates" is the ratio of two norms by weight: of
    the change that fitting this batch once more would make, and of the weight. "optimizer" is what the optimizer keeps
    of each weight, such as its momentum.

    Attributes:
        every: by default at the end of each epoch.
    """

    def __init__(
        self,
        of: Sequence[Quantity] = ("weights", "gradients", "updates", "learning_rate"),
        *,
        layers: Selection = "*",
        statistics: Sequence[str] = ("norm", "mean", "std", "low", "high"),
        histograms: int = 0,
        own: Mapping[str, Own] | None = None,
        every: Every | None = None,
    ) -> None:
        """Choose what is recorded.

        Args:
            of: quantities; outputs and gradients of layers are known of Keras models, updates of any learner.
            layers: of which layers or weights: names, patterns, "conv*", or indices.
            statistics: of each, of `STATISTICS`.
            histograms: bins of a histogram of each; 0 for none.
            own: functions by the name that is recorded; they only look.
            every: how often; not by the clock, which would make two runs differ.

        Raises:
            SettingsError: for an unknown quantity or statistic, with the nearest name, and numbers out of range.
        """
        self._own = dict(own or {})
        if not of and not self._own:
            raise SettingsError(f"watch: of must be some of {', '.join(get_args(Quantity))}, got none")
        for what, named, known in (
            ("quantity", of, get_args(Quantity)),
            ("statistic", statistics, STATISTICS),
        ):
            for one in named:
                if one not in known:
                    raise SettingsError(f"watch: unknown {what} {one!r}; {did_you_mean(one, known)}")
        if type(histograms) is not int or histograms < 0:
            raise SettingsError(f"watch: histograms must be a number of bins, or 0 for none, got {histograms!r}")
        twice = self._own.keys() & set(get_args(Quantity))
        if twice:
            raise SettingsError(f"watch: own: {min(twice)!r} is a quantity already; give it another name")
        self.every = Every(epochs=1) if every is None else every
        self._of, self._layers, self._bins = tuple(of), layers, histograms
        self._statistics = tuple(statistics)
        self._files = FilesBeside(watched.FOLDER)
        self._tables: list[pa.Table] = []
        self._newest: int | None = None
        self._ended = False
        self._begun = False  # a callback that is set between two calls is told of no checkpoint that was loaded

    def init(self, trainer: "Trainer") -> None:
        """Refuse what cannot be recorded, before hours are spent."""
        if self.every.seconds is not None:
            raise SettingsError("watch: a clock would make two runs differ; expected iterations, batches or epochs")
        for quantity in self._of:
            if quantity in {"weights", "optimizer", "updates"}:
                introspection.weights(trainer.learner, self._layers)
            elif quantity == "gradients":
                selection.chosen_weights(backward.check_known(trainer.learner), self._layers, trained=True)
            elif quantity == "outputs":
                selection.chosen_layers(selection.keras_model(trainer.learner), self._layers)

    def load(self, trainer: "Trainer") -> None:
        """Remember what was recorded up to where training stands now."""
        import pyarrow.compute as pc

        at, self._begun = trainer.position, True
        if trainer.live is not None:
            self._tables = [self._read(trainer, at.epoch)]
        rows = self.rows()
        rows = rows.filter(pc.less_equal(rows["iteration"], at.iteration))
        self._tables = [rows]
        self._newest = pc.max(rows["iteration"]).as_py()

    def epoch_begin(self, trainer: "Trainer") -> None:
        """Let go of the rows of the epoch before, which are on disk."""
        self._begun = True
        if trainer.live is not None:
            self._tables = []

    def act(self, trainer: "Trainer") -> None:
        """Record."""
        self._begin(trainer)
        at = trainer.position
        if at.iteration == self._newest:  # due for several reasons, or was before the checkpoint that was loaded
            return
        self._tables.append(watched.table(at.epoch, at.iteration, self._found(trainer)))
        self._newest = at.iteration

    def epoch_end(self, trainer: "Trainer", results: "Results") -> None:  # noqa: ARG002 - the protocol's
        """The next checkpoint is the epoch's own."""
        self._ended = True

    def save(self, trainer: "Trainer") -> None:
        """Write before the checkpoint: what it does not hold is recorded again."""
        self._begin(trainer)
        import pyarrow.compute as pc

        ended, self._ended = self._ended, False
        epoch, rows = trainer.position.epoch, self.rows()
        rows = rows.filter(pc.equal(rows["epoch"], epoch))  # between two epochs those of the one before are still there
        if ended or len(rows):
            self._files.write(trainer, watched.file(epoch, ended=ended), watched.encode(rows))
        if ended or not len(rows):
            self._files.remove(trainer, watched.file(epoch, ended=False))

    def rows(self) -> "pa.Table":
        """What was recorded in this epoch; where nothing of the run is written, since the training began."""
        self._tables = [watched.joined(self._tables)]
        return self._tables[0]

    def _begin(self, trainer: "Trainer") -> None:
        if not self._begun:
            self.init(trainer)
            self.load(trainer)

    def _read(self, trainer: "Trainer", epoch: int) -> "pa.Table":
        for ended in (False, True):
            data = self._files.read(trainer, name := watched.file(epoch, ended=ended))
            if data is not None:
                try:
                    return watched.decode(data, Path(name))
                except ArtifactError as error:
                    log.warning("watch: what was recorded of epoch %d before now is lost: %s", epoch, error)
        return watched.joined([])

    def _found(self, trainer: "Trainer") -> Iterator[Watched]:
        newest = functools.cache(lambda: newest_of(trainer))
        for quantity in self._of:
            if quantity == "learning_rate":
                yield Watched(quantity, "", "", "value", trainer.learner.learning_rate)
            elif quantity == "updates":
                for name, ratio in _updates(trainer, newest(), self._layers).items():
                    yield Watched(quantity, *_parts(name, quantity), "ratio", ratio)
            else:
                for name, values in _values(trainer, quantity, newest, self._layers).items():
                    yield from self._told(quantity, *_parts(name, quantity), values)
        for name, function in self._own.items():
            found = function(trainer)
            for part, value in (found if isinstance(found, Mapping) else {"": found}).items():
                try:
                    yield Watched(name, part, "", "value", float(value))
                except (TypeError, ValueError) as error:
                    raise UserCodeError(
                        f"watch: {name} must give a number, or numbers by name, got {value!r:.80}"
                    ) from error

    def _told(self, quantity: str, layer: str, weight: str, values: np.ndarray) -> Iterator[Watched]:
        told = _short(values, self._statistics)
        for statistic in self._statistics:
            yield Watched(quantity, layer, weight, statistic, float(told[statistic]))
        if self._bins:
            counts, edges = distribution.histogram(values, self._bins)
            yield Watched(quantity, layer, weight, "histogram", None, edges[0], edges[-1], counts)


def _short(values: np.ndarray, statistics: Sequence[str]) -> dict[str, float]:
    """Statistics by name; quantiles, which cost more than all others together, where one is asked for."""
    if not QUANTILES.isdisjoint(statistics):
        return Statistics.of(values).as_dict()
    return Statistics.counted(distribution.counted(values), {}).as_dict()


def _values(
    trainer: "Trainer", quantity: Quantity, newest: "Callable[[], Group]", layers: Selection
) -> dict[str, np.ndarray]:
    if quantity == "weights":
        return introspection.weights(trainer.learner, layers)
    if quantity == "optimizer":
        return _optimizer(trainer.learner, layers)
    x, y, weights = first_of(newest())
    if quantity == "outputs":
        return introspection.outputs(trainer.learner, x, layers)
    return introspection.gradients(trainer.learner, x, y, layers, training=True, weights=weights)


def _optimizer(learner: "Learner", layers: Selection) -> dict[str, np.ndarray]:
    """What an optimizer keeps of weights: "dense/kernel/velocity" by "optimizer/0005/adam/dense_kernel_velocity"."""
    if has_keras(learner):
        chosen = selection.chosen_weights(selection.keras_model(learner), layers)
        names = {variable.path.replace("/", "_"): name for name, variable in chosen.items()}
    else:
        names = {name.replace("/", "_"): name for name in introspection.weights(learner, layers)}
    found = {}
    for name, value in learner.variables().items():
        if name.startswith("optimizer/") and value.dtype.kind == "f":
            weight, kind = weight_and_kind(name, names)
            if weight:
                found[f"{names[weight]}/{kind}"] = value
    return found


def _updates(trainer: "Trainer", group: "Group", layers: Selection) -> dict[str, float]:
    """By weight, the norm of the change that fitting the newest batch once more makes over the weight's own norm."""
    learner = trainer.learner
    kept, before = learner.variables(), introspection.weights(learner, layers)
    try:
        learner.fit(group.x, group.y, weights=group.weights, mask=group.mask, begins=group.begins)
        after = introspection.weights(learner, layers)
    finally:
        learner.restore(kept)
    return {name: _ratio(after[name], value) for name, value in before.items()}


def _ratio(after: np.ndarray, before: np.ndarray) -> float:
    was = before.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.linalg.norm(after.astype(np.float64) - was) / np.linalg.norm(was))


def _parts(name: str, quantity: Quantity) -> tuple[str, str]:
    """Layer and weight of a name; of the optimizer "dense" and "kernel/velocity", of outputs the layer alone."""
    layer, *weight = name.rsplit("/", {"outputs": 0, "optimizer": 2}.get(quantity, 1))
    return layer, "/".join(weight)
